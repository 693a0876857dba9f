"""webhook_latency, _hanging, _backlog and _replay: from an event's commit to its receipt, at 200 events a second.

Each scenario has books, a pump and a receiver of its own. In quiet it is measured against a bare aiohttp loop that
posts as often; with an endpoint that hangs, a backlog or a replay against the quiet of the same run.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from statistics import quantiles
from uuid import UUID

import aiohttp
import psycopg

from benchmarks import fixtures
from benchmarks.figures import Figure, Run
from benchmarks.harness import BenchmarkError, Books, Harness, child, report
from kit import clock, ids, logins
from kit.wakeup import Wakeup, channel
from webhooks import endpoints, replays

PARTNERS = 10
EVENTS_PER_S = 200
BACKLOG = 100_000
SETTLE_S = 2.0  # for the pump to begin, and for what was sent last to arrive
_INSERT = """
    INSERT INTO kit.event (subject_id, event_id, partner_id, type, occurred_at, data)
    VALUES (%(subject)s, %(id)s, %(partner)s, 'points.earned', %(now)s, jsonb_build_object(
        'transaction_id', %(id)s::text, 'member_id', %(subject)s::text, 'partner_id', %(partner)s::text, 'points', 5,
        'available_after', 5, 'reference', 'R-1', 'effective_at', %(now)s::text, 'business_date', '2026-03-02',
        'member_seq', 1, 'expires_on', '2028-03-02', 'vests_at', NULL, 'debt_repaid', 0))
"""


@dataclass(frozen=True)
class Scene:
    """Books with a pump, a receiver at `url`, and partners with an endpoint each."""

    books: Books
    url: str
    partners: list[UUID]
    endpoint_ids: list[UUID]


@dataclass(frozen=True)
class Latency:
    """Seconds from commit to receipt."""

    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, seconds: list[float]) -> Latency:
        """The percentiles of `seconds`, of which there are many."""
        found = quantiles(seconds, n=100, method="inclusive")
        return cls(found[49], found[94], found[98])

    def as_details(self) -> dict[str, float]:
        """In milliseconds, for programs."""
        return {name: round(value * 1000, 1) for name, value in vars(self).items()}


def quiet(harness: Harness) -> Figure:
    """The p95 while nothing is wrong, beside a bare loop's."""
    runs = []
    for _ in range(harness.runs):
        bare = _bare(harness.seconds)
        runs.append(_run("quiet", _measured(harness), bare))
    return Figure("webhook_latency", f"p95 at {EVENTS_PER_S}/s", "a bare post as often, p95", runs, is_time=True)


def hanging(harness: Harness) -> Figure:
    """The p95 of nine endpoints while the tenth never answers."""
    return _beside(harness, "webhook_hanging", "nine endpoints while the tenth hangs, p95", _hang)


def backlog(harness: Harness) -> Figure:
    """The p95 of nine endpoints while 100,000 wait for the tenth."""
    return _beside(harness, "webhook_backlog", f"while {BACKLOG:,} wait for another endpoint, p95", _pile_up)


def replay(harness: Harness) -> Figure:
    """The p95 of nine endpoints while 100,000 events are sent again to the tenth."""
    return _beside(harness, "webhook_replay", f"while {BACKLOG:,} are replayed to another endpoint, p95", _replay)


def _beside(harness: Harness, key: str, unit: str, trouble) -> Figure:  # type: ignore[no-untyped-def]
    runs = []
    for _ in range(harness.runs):
        still = _measured(harness)
        runs.append(_run(key, _measured(harness, trouble=trouble), still))
    return Figure(key, unit, "the same in quiet", runs, is_time=True)


def _run(name: str, found: Latency, reference: Latency) -> Run:
    report(f"  {name}  {found.as_details()} ms, reference {reference.as_details()} ms")
    return Run(1, found.p95, 1, reference.p95, {"ms": found.as_details(), "reference_ms": reference.as_details()})


def _measured(harness: Harness, *, trouble=None) -> Latency:  # type: ignore[no-untyped-def]
    with _scene(harness) as (scene, receiver):
        if trouble is not None:
            trouble(scene)
        with _pumping(scene):
            time.sleep(SETTLE_S)
            committed = _commit(scene, harness.seconds)
            time.sleep(SETTLE_S)
            answer, _ = receiver.communicate(timeout=60)
    came = json.loads(answer)
    missing = [one for one in committed if one not in came]
    if missing:
        raise BenchmarkError(f"{len(missing)} of {len(committed)} events did not arrive within {SETTLE_S} s")
    return Latency.of([came[one] - at for one, at in committed.items()])


@contextmanager
def _scene(harness: Harness) -> Iterator:  # type: ignore[type-arg]
    now = clock.now()
    with harness.new_books("latency", now=now) as books, child("benchmarks.timed_receiver") as receiver:
        logins.make(books.settings)
        url = f"http://127.0.0.1:{int(receiver.stdout.readline())}"  # type: ignore[union-attr]
        partners = fixtures.make_partners(books, count=PARTNERS, now=now)
        with books.database.transaction() as session:
            made = [
                endpoints.register(
                    session, fixtures.act(books, now), partner_id=one, url=url + "/hook", event_types=["points.*"]
                )[0].endpoint_id
                for one in partners
            ]
        yield Scene(books, url, partners, made), receiver


@contextmanager
def _pumping(scene: Scene) -> Iterator[None]:
    loopback = (ipaddress.ip_network("127.0.0.0/8"),)
    chosen = replace(scene.books.settings, webhook_allow_http=True, webhook_allowed_networks=loopback)
    with child("benchmarks.pump_process", settings=chosen):
        yield


def _commit(scene: Scene, seconds: int) -> dict[str, float]:
    """Commit an event of one of the first nine partners every 5 ms; when each was committed, by its shown id."""
    committed, began = {}, time.perf_counter()
    wakeup = Wakeup(str(scene.books.settings.redis_url), channel=channel(scene.books.keyring))
    with psycopg.connect(str(scene.books.settings.database_url), autocommit=True) as connection:
        for n in range(seconds * EVENTS_PER_S):
            if (wait := began + n / EVENTS_PER_S - time.perf_counter()) > 0:
                time.sleep(wait)
            event_id, partner = ids.new(), scene.partners[n % (PARTNERS - 1)]
            said = {"subject": ids.new(), "id": event_id, "partner": partner, "now": clock.now()}
            connection.execute(_INSERT, said)
            committed[ids.show(ids.EVENT, event_id)] = time.time()
            wakeup.notify()
    wakeup.close()
    return committed


def _bare(seconds: int) -> Latency:
    async def post(url: str) -> list[float]:
        found, began = [], time.perf_counter()
        async with aiohttp.ClientSession(trust_env=False) as http:
            for n in range(seconds * EVENTS_PER_S):
                if (wait := began + n / EVENTS_PER_S - time.perf_counter()) > 0:
                    await asyncio.sleep(wait)
                start = time.perf_counter()
                async with http.post(url, data=b"x" * 600) as response:
                    await response.read()
                found.append(time.perf_counter() - start)
        return found

    with child("benchmarks.timed_receiver") as receiver:
        port = int(receiver.stdout.readline())  # type: ignore[union-attr]
        return Latency.of(asyncio.run(post(f"http://127.0.0.1:{port}/hook")))


def _hang(scene: Scene) -> None:
    _point_last_at(scene, scene.url + "/hangs")
    _append(scene, 1_000)


def _pile_up(scene: Scene) -> None:
    _append_sequenced(scene)
    with scene.books.owner() as owner:
        owner.execute(
            """
            INSERT INTO webhooks.delivery (delivery_id, endpoint_id, subject_id, event_id, position, state, due_at)
            SELECT gen_random_uuid(), %s, subject_id, event_id, position, 'pending', occurred_at FROM kit.event
            """,
            [scene.endpoint_ids[-1]],
        )
    fixtures.settle_down(scene.books)


def _append_sequenced(scene: Scene) -> None:
    _append(scene, BACKLOG)
    with scene.books.owner() as owner:
        owner.execute("""
            UPDATE kit.event e SET position = n, body = convert_to(json_build_object(
                'id', 'evt_' || n, 'type', type, 'version', 1, 'timestamp', occurred_at, 'data', data)::text, 'UTF8')
            FROM (SELECT subject_id, event_id, row_number() OVER (ORDER BY event_id) AS n FROM kit.event) k
            WHERE k.subject_id = e.subject_id AND k.event_id = e.event_id
        """)
    fixtures.settle_down(scene.books)


def _replay(scene: Scene) -> None:
    _append_sequenced(scene)
    now = clock.now()
    with scene.books.database.transaction() as session:
        replays.create(
            session, fixtures.act(scene.books, now), partner_id=scene.partners[-1],
            endpoint_id=scene.endpoint_ids[-1], since=now - timedelta(days=1), until=now + timedelta(days=1),
            event_types=["*"], selection="all",
        )  # fmt: skip


def _point_last_at(scene: Scene, url: str) -> None:
    with scene.books.owner() as owner:
        owner.execute("UPDATE webhooks.endpoint SET url = %s WHERE endpoint_id = %s", [url, scene.endpoint_ids[-1]])


def _append(scene: Scene, events: int) -> None:
    with scene.books.owner() as owner:
        owner.execute(
            """
            INSERT INTO kit.event (subject_id, event_id, partner_id, type, occurred_at, data)
            SELECT gen_random_uuid(), gen_random_uuid(), %(partner)s, 'points.earned', %(now)s, '{"points": 5}'
            FROM generate_series(1, %(events)s)
            """,
            {"partner": scene.partners[-1], "now": clock.now(), "events": events},
        )
    fixtures.settle_down(scene.books)
