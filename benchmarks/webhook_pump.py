"""webhooks: a backlog delivered by one pump and by two, against a bare aiohttp loop posting as much to one receiver.

The clock runs from the pump's first turn to its last completed delivery, by its own rows: sequencing,
fan-out, claims, signatures, attempts and completions are all in it; only the start of its process is not.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from uuid import UUID

import psutil

from benchmarks import bare_client, fixtures
from benchmarks.figures import Figure, Run
from benchmarks.fixtures import Wallets
from benchmarks.harness import BenchmarkError, Books, Harness, answer_of, child, report
from kit import clock, logins
from kit.db import Database
from webhooks import endpoints
from webhooks.places import IN_ALL, OF_ENDPOINT

# As many endpoints as it takes to fill all of the pump's places.
ENDPOINTS = IN_ALL // OF_ENDPOINT
EVENTS_PER_SECOND_ASKED = 4_000
EVENT_IDS = 2  # the kind of their numbered ids; each run has a stride of its own
RUN_STRIDE = 100_000_000
POLL_S = 0.25
MARGIN_S = 180.0


def run(harness: Harness) -> Figure:
    """Backlogs of 20,000 events (with runs of five seconds), each for one endpoint, by one pump."""
    with _scene(harness) as (books, partners, url):
        runs = []
        for number in range(harness.runs):
            seconds, body_bytes, memory = _deliver(harness, books, partners, number=number, pumps=1)
            bare = _bare(url, _events(harness), body_bytes)
            details = {"body_bytes": body_bytes, "memory_mb": memory}
            runs.append(_told(Run(_events(harness), seconds, _events(harness), bare, details), "bare posts"))
        reference = f"bare aiohttp posts, {IN_ALL} at a time"
        return Figure("webhooks", f"deliveries to {ENDPOINTS} endpoints", reference, runs)


def two(harness: Harness) -> Figure:
    """The same by two pumps, against one pump in the same run."""
    with _scene(harness) as (books, partners, _):
        runs, events = [], _events(harness)
        for number in range(harness.runs):
            one, _, _ = _deliver(harness, books, partners, number=2 * number, pumps=1)
            both, _, _ = _deliver(harness, books, partners, number=2 * number + 1, pumps=2)
            runs.append(_told(Run(events, both, events, one), "one pump"))
        return Figure("webhooks_two", f"deliveries to {ENDPOINTS} endpoints by two pumps", "one pump", runs)


def _events(harness: Harness) -> int:
    return EVENTS_PER_SECOND_ASKED * harness.seconds


def _told(run: Run, reference: str) -> Run:
    report(f"  measured    {run.per_second:>9,.0f} deliveries/s, {reference} {run.reference_per_second:,.0f}/s")
    return run


@contextmanager
def _scene(harness: Harness) -> Iterator[tuple[Books, list[UUID], str]]:
    now = clock.now()
    with harness.new_books("webhooks", now=now) as books, child("benchmarks.receiver") as receiver:
        url = f"http://127.0.0.1:{int(receiver.stdout.readline())}/hook"  # type: ignore[union-attr]
        logins.make(books.settings)
        partners = fixtures.make_partners(books, count=ENDPOINTS, now=now)
        fixtures.make_wallets(books, partners, Wallets(now.date(), now))
        _subscribe(books, partners, url)
        yield books, partners, url


def _deliver(
    harness: Harness, books: Books, partners: list[UUID], *, number: int, pumps: int
) -> tuple[float, int, list[int]]:
    """The seconds a backlog took, a body's size, and the memory of the pumps in MB as they went on."""
    events = _events(harness)
    _append_events(books, partners, events=events, number=number)
    loopback = (ipaddress.ip_network("127.0.0.0/8"),)
    chosen = replace(
        books.settings, webhook_allow_http=True, webhook_allowed_networks=loopback,
        webhook_partner_rate_per_s=100_000,  # its own limit is not what is measured
    )  # fmt: skip
    memory = []
    with ExitStack() as stack:
        running = [stack.enter_context(child("benchmarks.pump_process", settings=chosen)) for _ in range(pumps)]
        deadline = time.monotonic() + MARGIN_S
        while not _is_done(books.database, (number + 1) * events):
            if any(pump.poll() is not None for pump in running) or time.monotonic() > deadline:
                raise BenchmarkError("a pump ended, or they did not deliver their backlog in three minutes")
            memory.append(sum(psutil.Process(pump.pid).memory_info().rss for pump in running) // 1_000_000)
            time.sleep(POLL_S)
    return *_outcome(books, number, events), memory


def _bare(url: str, events: int, body_bytes: int) -> float:
    order = bare_client.Order(url, events, body_bytes, IN_ALL)
    with child("benchmarks.bare_client") as bare:
        return float(answer_of(bare, bare_client.as_question(order), timeout_s=MARGIN_S))


def _subscribe(books: Books, partners: list[UUID], url: str) -> None:
    with books.database.transaction() as session:
        for partner_id in partners:
            endpoints.register(
                session,
                fixtures.act(books, clock.now()),
                partner_id=partner_id,
                url=url,
                event_types=["points.*"],
            )


def _append_events(books: Books, partners: list[UUID], *, events: int, number: int) -> None:
    """Events as earns leave them, waiting for their places."""
    statement = f"""
        INSERT INTO kit.event (subject_id, event_id, partner_id, type, occurred_at, data)
        SELECT member_id, event_id, partner_id, 'points.earned', %(now)s, jsonb_build_object(
            'transaction_id', event_id, 'member_id', member_id, 'partner_id', partner_id, 'kind', 'earn',
            'points', n %% 500, 'shortfall', 0, 'available_after', n, 'reference', 'receipt-' || n,
            'reverses_transaction_id', NULL, 'expires_on', %(now)s::date + 700,
            'effective_at', %(now)s::timestamptz, 'business_date', %(now)s::date, 'member_seq', 1)
        FROM (SELECT n, {fixtures.sql_id(0, "1 + n %% 10000")} AS member_id,
                     {fixtures.sql_id(EVENT_IDS, "%(number)s * %(stride)s::bigint + n")} AS event_id,
                     (%(partners)s::uuid[])[1 + n %% cardinality(%(partners)s::uuid[])] AS partner_id
              FROM generate_series(1, %(events)s::bigint) AS n) made
    """
    with books.owner() as owner:
        owner.execute(
            statement.encode(),
            {
                "now": clock.now(),
                "number": number,
                "partners": partners,
                "events": events,
                "stride": RUN_STRIDE,
            },
        )
    fixtures.settle_down(books)


def _is_done(database: Database, deliveries: int) -> bool:
    # Both are short walks: what waits and what is pending have small indexes of their own.
    with database.transaction() as session:
        row = session.exec_driver_sql(
            "SELECT EXISTS (SELECT FROM kit.event WHERE position IS NULL) "
            "    OR EXISTS (SELECT FROM webhooks.delivery WHERE state = 'pending')"
        ).one()
        return not row[0] and deliveries == session.exec_driver_sql("SELECT count(*) FROM webhooks.delivery").scalar()


def _outcome(books: Books, number: int, events: int) -> tuple[float, int]:
    """The seconds this run's backlog took, and a body's size; raises BenchmarkError if one is missing."""
    first, last = (fixtures.numbered_id(EVENT_IDS, n * RUN_STRIDE) for n in (number, number + 1))
    with books.owner() as owner:
        row = owner.execute(
            "SELECT count(*), extract(epoch FROM max(d.completed_at) - min(a.started_at))::float, "
            "       avg(length(v.body))::int "
            "FROM webhooks.delivery d JOIN webhooks.attempt a USING (delivery_id) "
            "JOIN kit.event v USING (subject_id, event_id) "
            "WHERE d.event_id > %s AND d.event_id < %s AND d.state = 'delivered' AND d.attempts = 1",
            [first, last],
        ).fetchone()
    if row is None or row[0] != events:
        raise BenchmarkError(f"of {events} deliveries {row and row[0]} were delivered at once")
    return float(row[1]), int(row[2])
