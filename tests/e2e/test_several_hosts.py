"""Two web hosts and two that work, each with a folder of its own, on one PostgreSQL, one Redis and one secret key."""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from benchmarks.harness import free_port
from kit.http import rate_limits
from kit.settings import Settings, from_environment
from tests.conftest import drop_logins
from tests.e2e.conftest import Host, Place, wait_for

CARD = "7001000000178503"


@pytest.fixture
def host(engines: Settings, fresh_database: Callable[[], str], tmp_path: Path) -> Iterator[Callable[[str], Host]]:
    """Make a host; all of them are told the same engines and key."""
    shared = {
        "COALITION_DATABASE_URL": fresh_database(),
        "COALITION_REDIS_URL": str(engines.redis_url),
        "COALITION_SECRET_KEY": secrets.token_hex(32),
        "COALITION_SANDBOX": "only",  # whose day may end early
        "COALITION_METRICS_ADDRESS": "none",
        "COALITION_WEB_PROCESSES": "1",
        "COALITION_RATE_LIMIT_OAUTH_PER_S": "2",
    }

    def make(name: str) -> Host:
        folder = tmp_path / name
        folder.mkdir()
        return Host(Place(folder, {**shared, "COALITION_HTTP_PORT": str(free_port())}))

    yield make
    drop_logins(from_environment(shared))


def test_hosts_are_one_coalition_and_one_may_die(host: Callable[[str], Host]) -> None:
    one, two, *workers = (host(name) for name in ("one", "two", "first-worker", "second-worker"))
    with ExitStack() as stack:
        parts = [(one, "web"), (two, "web"), *((each, "workers") for each in workers)]
        up = [stack.enter_context(each.up(part)) for each, part in parts]
        for each, process in zip(parts, up, strict=True):
            assert "Coalition is up" in process.stdout.readline(), each[0].place.stderr
        assert two.place.run("partner", "create", "greengrocer", "--rate", "1", "--price", "1")[0] == 0
        made = json.loads(one.place.run("client", "create", "greengrocer", "--json")[1])
        token = one.sign_in(made["client_id"], made["client_secret"])[1]["access_token"]

        assert one.post(token, "members", {"card": CARD}, "m")[0] in (200, 201)
        earn = {"card": CARD, "points": 100, "reference": "E-1"}
        assert one.post(token, "earns", earn, "e")[0] == 201
        status, answer, headers = two.post(token, "earns", earn, "e")
        assert (status, headers["Idempotent-Replay"], answer["available_after"]) == (201, "true", 100)
        assert (
            two.post(token, "burns", {"card": CARD, "points": 30, "reference": "B-1"}, "b1")[1]["available_after"] == 70
        )

        budgets_are_shared(one, two)
        days_settle_once(one, workers)

        up[0].kill()
        up[0].wait()
        status, answer, _ = two.post(token, "burns", {"card": CARD, "points": 30, "reference": "B-2"}, "b2")
        assert (status, answer["available_after"]) == (201, 40)
        assert "clean" in two.place.run("ledger", "verify")[1]


def budgets_are_shared(one: Host, two: Host) -> None:
    """Asked in turns, both together let through what one alone would."""
    limit = rate_limits.policies(from_environment(one.place.variables)).oauth_address
    began = time.monotonic()
    with ThreadPoolExecutor(4) as threads:
        asked = threads.map(lambda n: (one, two)[n % 2].sign_in(f"co_client_{n}", "wrong")[0], range(4 * limit.burst))
        statuses = Counter(asked)
    allowed = limit.burst + limit.per_s * (time.monotonic() - began) + limit.per_s
    assert statuses[401] <= allowed < statuses.total()
    assert statuses[401] + statuses[429] == statuses.total()


def days_settle_once(one: Host, workers: list[Host]) -> None:
    """Both workers wake up for a day that is over, and one of them settles it."""
    assert one.place.run("ledger", "close-day", "--early")[0] == 0
    wait_for(lambda: settled(workers) >= 1, within_s=45)
    with psycopg.connect(one.place.variables["COALITION_DATABASE_URL"]) as connection:
        assert connection.execute("SELECT count(*) FROM settlement.settled_day").fetchone() == (1,)
    assert settled(workers) == 1


def settled(workers: list[Host]) -> int:
    return sum(each.place.stderr.count(" day settled ") for each in workers)


def test_a_host_without_what_all_share_does_not_start(host: Callable[[str], Host]) -> None:
    alone = host("alone")
    del alone.place.variables["COALITION_SECRET_KEY"]
    assert alone.place.run("up", "--only", "web")[0] == 1
    assert "set COALITION_DATABASE_URL, COALITION_REDIS_URL and COALITION_SECRET_KEY (not_shared)" in alone.place.stderr
