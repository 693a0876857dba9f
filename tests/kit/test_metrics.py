"""Counts of many processes add up in Redis, and are told in Prometheus' own format."""

from __future__ import annotations

import multiprocessing
import secrets
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from threading import Thread
from typing import Any

import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.harness import free_port
from kit import exposition, metrics
from kit.db import Database
from kit.exposition import Exposition, Gauge, Source
from kit.metrics import Counter, Histogram, Mark, Meter
from kit.settings import Settings
from tests.conftest import World
from tests.e2e.conftest import wait_for

SOLD = Counter("sold_total", "Sold", ("what",))
TOOK = Histogram("took_seconds", "Took", ("what",), bounds=(0.1, 1.0))
DONE = Mark("done_timestamp_seconds", "Done")
LOST = Counter("lost_total", "Lost", ("how",), from_zero=("stolen", "spoilt"))


@pytest.fixture
def key() -> str:
    return f"test:{secrets.token_hex(6)}"


@pytest.fixture
def meter(engines: Settings, key: str) -> Iterator[Meter]:
    with closing(Meter(str(engines.redis_url), key=key)) as made:
        yield made


def counted(engines: Settings, key: str) -> dict[Any, float]:
    with redis.Redis.from_url(str(engines.redis_url)) as client:
        return metrics.read(client, key)


def sell(redis_url: str, key: str, times: int) -> None:
    meter = Meter(redis_url, key=key)
    for _ in range(times):
        meter.count(SOLD, "tea")
        meter.observe(TOOK, 0.25, "tea")
    meter.flush()


def test_what_several_processes_count_adds_up(engines: Settings, key: str) -> None:
    context = multiprocessing.get_context("spawn")
    sellers = [context.Process(target=sell, args=(str(engines.redis_url), key, 1_000)) for _ in range(2)]
    for each in sellers:
        each.start()
    for each in sellers:
        each.join(60)
    found = counted(engines, key)
    assert found["sold_total", "tea"] == 2_000
    assert found["took_seconds", "1.0", "tea"] == 2_000
    assert found["took_seconds", "sum", "tea"] == 500


def test_threads_lose_no_count(engines: Settings, key: str, meter: Meter) -> None:
    def count() -> None:
        for _ in range(5_000):
            meter.count(SOLD, "tea")

    threads = [Thread(target=count) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    meter.flush()
    assert counted(engines, key)["sold_total", "tea"] == 40_000


def test_what_is_counted_arrives_by_itself(engines: Settings, key: str, meter: Meter) -> None:
    meter.count(SOLD, "tea")
    meter.mark(DONE, 7)
    wait_for(lambda: counted(engines, key) == {("sold_total", "tea"): 1, ("done_timestamp_seconds",): 7}, within_s=10)
    meter.count(SOLD, "tea")
    wait_for(lambda: counted(engines, key)["sold_total", "tea"] == 2, within_s=10)


def test_without_redis_counts_wait_for_it(engines: Settings, key: str, meter: Meter) -> None:
    answering = meter._client
    meter._client = redis.Redis.from_url("redis://127.0.0.1:1", socket_connect_timeout=0.1)
    meter.count(SOLD, "tea")
    meter.mark(DONE, 1)
    meter.flush()
    meter.mark(DONE, 2)
    meter._client = answering
    meter.count(SOLD, "tea")
    meter.flush()
    assert counted(engines, key) == {("sold_total", "tea"): 2, ("done_timestamp_seconds",): 2}


def test_what_waits_is_bounded(meter: Meter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MOST_SERIES", 3)
    for number in range(10):
        meter.count(SOLD, str(number))
    meter.count(SOLD, "0")
    assert meter._sums == {("sold_total", "0"): 2, ("sold_total", "1"): 1, ("sold_total", "2"): 1}


@pytest.fixture
def told(engines: Settings, world: World, key: str) -> Iterator[Any]:
    """Ask an exposition over HTTP, of live and of a sandbox without a database: the values by name and labels."""
    gone = Database("postgresql://nobody@127.0.0.1:1/none")
    sources = [Source("live", key, world.database), Source("sandbox", f"{key}:sandbox", gone)]
    gauges = [
        Gauge("members", "Members", lambda session, now: 3.0),
        Gauge("slow", "Takes too long", lambda session, now: float(session.exec_driver_sql("SELECT pg_sleep(9)") == 0)),
    ]
    client = redis.Redis.from_url(str(engines.redis_url))
    asked = Exposition(sources, client, counted=[SOLD, TOOK, DONE, LOST], gauges=gauges)
    port = free_port()
    server = exposition.server(asked, host="127.0.0.1", port=port)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def ask() -> dict[Any, float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            families = text_string_to_metric_families(answer.read().decode())
            return {(s.name, *s.labels.values()): s.value for each in families for s in each.samples}

    yield ask
    server.shutdown()
    server.server_close()
    client.close()


def test_it_is_told_in_the_format_of_prometheus(told: Any, meter: Meter, engines: Settings, key: str) -> None:
    with closing(Meter(str(engines.redis_url), key=f"{key}:sandbox")) as sandbox:
        sandbox.count(SOLD, "air")
    meter.count(SOLD, "tea", by=2)
    for seconds in (0.05, 0.1, 0.5, 5):
        meter.observe(TOOK, seconds, "tea")
    meter.mark(DONE, 7)
    meter.count(LOST, "spoilt", by=3)
    # Of another version: a name that is gone, and one whose labels were others.
    meter.count(Counter("bought_total", ""), by=1)
    meter.count(Counter("sold_total", ""), "a", "b")
    meter.flush()
    assert told() == {
        ("sold_total", "live", "tea"): 2,
        ("sold_total", "sandbox", "air"): 1,
        ("took_seconds_bucket", "live", "0.1", "tea"): 2,
        ("took_seconds_bucket", "live", "1.0", "tea"): 3,
        ("took_seconds_bucket", "live", "+Inf", "tea"): 4,
        ("took_seconds_count", "live", "tea"): 4,
        ("took_seconds_sum", "live", "tea"): 5.65,
        ("done_timestamp_seconds", "live"): 7,
        # The first of it has to be an increase.
        ("lost_total", "live", "stolen"): 0,
        ("lost_total", "live", "spoilt"): 3,
        ("lost_total", "sandbox", "stolen"): 0,
        ("lost_total", "sandbox", "spoilt"): 0,
        ("coalition_redis_up",): 1,
        # What can't be read in time is left out, and so is all of a database that is away.
        ("members", "live"): 3,
        ("coalition_database_up", "live"): 1,
        ("coalition_database_up", "sandbox"): 0,
    }


def test_without_redis_the_database_is_told_still(told: Any, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> None:
        raise redis.ConnectionError

    monkeypatch.setattr(metrics, "read", away)
    found = told()
    assert (found[("coalition_redis_up",)], found["members", "live"]) == (0, 3)
