"""Budgets: exact however many ask at once, shared by processes, and open when Redis is away."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from kit.http.rate_limits import LEASE_S, Limiter, Policy, RateLimited
from kit.settings import Settings

NEVER_AGAIN = 1  # a second: too slow to matter within a test
FIXED = Policy("fixed", NEVER_AGAIN, 400)


@pytest.fixture
def prefix() -> str:
    return f"test:{secrets.token_hex(6)}"


@pytest.fixture
def limiter(engines: Settings, prefix: str) -> Iterator[Limiter]:
    with closing(Limiter(str(engines.redis_url), prefix=prefix)) as made:
        yield made


def admitted(limiter: Limiter, policy: Policy, times: int, key: str = "k") -> int:
    count = 0
    for _ in range(times):
        try:
            limiter.take(policy, key)
        except RateLimited:
            continue
        count += 1
    return count


def test_eight_threads_get_exactly_the_budget_and_not_one_more(limiter: Limiter) -> None:
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        count = sum(pool.map(lambda _: admitted(limiter, FIXED, 100), range(8)))
    refilled = int((time.monotonic() - began) * FIXED.per_s) + 1
    assert 400 <= count <= 400 + refilled


def test_processes_share_one_budget_and_leases_never_add_to_it(engines: Settings, prefix: str) -> None:
    policy = Policy("busy", 400, 800)  # slices of up to 20
    limiters = [Limiter(str(engines.redis_url), prefix=prefix) for _ in range(4)]
    barrier, began = threading.Barrier(8), time.monotonic()

    def ask(number: int) -> int:
        barrier.wait()
        return admitted(limiters[number % 4], policy, 400)

    with ThreadPoolExecutor(8) as pool:
        count = sum(pool.map(ask, range(8)))
    took = time.monotonic() - began
    for each in limiters:
        each.close()
    assert count <= 800 + 400 * took + 1
    # Four half-used slices are what may be held back.
    assert count >= 800 - 4 * 20


def test_a_budget_fills_again_and_says_when(limiter: Limiter) -> None:
    policy = Policy("quick", 20, 5)
    assert admitted(limiter, policy, 10) == 5
    with pytest.raises(RateLimited) as refused:
        limiter.take(policy, "k")
    assert refused.value.fields == {"policy": "quick", "retry_after_s": 1}
    time.sleep(0.15)
    assert 2 <= admitted(limiter, policy, 10) <= 4


def test_clients_and_policies_have_budgets_of_their_own(limiter: Limiter) -> None:
    assert admitted(limiter, Policy("a", 1, 3), 5) == 3
    assert admitted(limiter, Policy("b", 1, 3), 5) == 3
    assert admitted(limiter, Policy("a", 1, 3), 5, key="other") == 3


def test_what_is_left_counts_down(limiter: Limiter) -> None:
    assert [limiter.take(FIXED, "k") for _ in range(3)] == [399, 398, 397]


def test_an_unused_slice_is_forfeited_not_kept(limiter: Limiter) -> None:
    policy = Policy("slices", 1_000, 1_000)
    assert admitted(limiter, policy, 200) == 200
    lease = limiter._leases["slices", "k"]
    assert lease.size > 1
    time.sleep(LEASE_S + 0.05)
    limiter.take(policy, "k")
    assert lease.size == 1


def test_a_process_asks_redis_once_for_many(limiter: Limiter, monkeypatch) -> None:
    asked = []
    ask = limiter._ask
    monkeypatch.setattr(limiter, "_ask", lambda *args: asked.append(1) or ask(*args))
    assert admitted(limiter, Policy("busy", 5_000, 10_000), 2_000) == 2_000
    assert len(asked) < 20


def test_a_silent_redis_lets_everybody_in_and_says_so_once(caplog) -> None:
    limiter = Limiter("redis://127.0.0.1:1", prefix="x")
    with caplog.at_level(logging.WARNING):
        assert admitted(limiter, Policy("a", 1, 1), 50) == 50
        assert admitted(limiter, Policy("b", 1, 1), 50) == 50
    assert [record.message for record in caplog.records] == ["redis does not answer: requests are let in unlimited"]


def test_headers_are_structured_fields() -> None:
    assert Policy("writes", 3, 10).header == '"writes";q=10;w=4'
    assert Policy("writes", 10, 20).scaled(5) == Policy("writes", 1, 1)
