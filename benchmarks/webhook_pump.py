"""webhooks: a backlog delivered by the pump, against a bare aiohttp loop posting as much to one receiver.

The clock runs from the pump's first turn to its last completed delivery, by its own rows: sequencing,
fan-out, claims, signatures, attempts and completions are all in it; only the start of its process is not.
"""

from __future__ import annotations

import ipaddress
import time
from dataclasses import replace
from uuid import UUID

from benchmarks import bare_client, stock
from benchmarks.figures import Figure, Run
from benchmarks.ground import BenchmarkError, Books, Ground, answer_of, child, tell
from benchmarks.stock import Wallets
from kit import clock
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


def run(ground: Ground) -> Figure:
    """Backlogs of 20,000 events (with runs of five seconds), each for one endpoint."""
    events = EVENTS_PER_SECOND_ASKED * ground.seconds
    now = clock.now()
    with ground.new_books("webhooks", now=now) as books, child("benchmarks.receiver") as receiver:
        url = f"http://127.0.0.1:{int(receiver.stdout.readline())}/hook"  # type: ignore[union-attr]
        partners = stock.make_partners(books, count=ENDPOINTS, now=now)
        stock.make_wallets(books, partners, Wallets(now.date(), now))
        _subscribe(books, partners, url)
        runs = [_run(books, partners, url, events=events, number=number) for number in range(ground.runs)]
        return Figure(
            "webhooks",
            f"deliveries to {ENDPOINTS} endpoints",
            f"bare aiohttp posts, {IN_ALL} at a time",
            runs,
        )


def _run(books: Books, partners: list[UUID], url: str, *, events: int, number: int) -> Run:
    _append_events(books, partners, events=events, number=number)
    loopback = (ipaddress.ip_network("127.0.0.0/8"),)
    chosen = replace(books.settings, webhook_allow_http=True, webhook_allowed_networks=loopback)
    with child("benchmarks.pump_process", settings=chosen) as pump:
        deadline = time.monotonic() + MARGIN_S
        while not _is_done(books.database, (number + 1) * events):
            if pump.poll() is not None or time.monotonic() > deadline:
                raise BenchmarkError("the pump ended, or did not deliver its backlog in three minutes")
            time.sleep(POLL_S)
    seconds, body_bytes = _outcome(books, number, events)
    order = bare_client.Order(url, events, body_bytes, IN_ALL)
    with child("benchmarks.bare_client") as bare:
        bare_seconds = float(answer_of(bare, bare_client.as_question(order), timeout_s=MARGIN_S))
    tell(f"  measured    {events / seconds:>9,.0f} deliveries/s, bare posts {events / bare_seconds:,.0f}/s")
    return Run(events, seconds, events, bare_seconds, {"body_bytes": body_bytes})


def _subscribe(books: Books, partners: list[UUID], url: str) -> None:
    with books.database.transaction() as session:
        for partner_id in partners:
            endpoints.register(
                session,
                partner_id=partner_id,
                url=url,
                event_types=["points.*"],
                now=clock.now(),
                keyring=books.keyring,
            )


def _append_events(books: Books, partners: list[UUID], *, events: int, number: int) -> None:
    """Events as earns leave them, waiting for their places."""
    statement = f"""
        INSERT INTO kit.event (subject_id, event_id, partner_id, type, occurred_at, data)
        SELECT member_id, event_id, partner_id, 'points.earned', %(now)s, jsonb_build_object(
            'transaction_id', event_id, 'member_id', member_id, 'partner_id', partner_id, 'kind', 'earn',
            'points', n %% 500, 'uncovered', 0, 'available_after', n, 'reference', 'receipt-' || n,
            'reverses_transaction_id', NULL, 'expires_on', %(now)s::date + 700,
            'effective_at', %(now)s::timestamptz, 'business_date', %(now)s::date, 'member_seq', 1)
        FROM (SELECT n, {stock.sql_id(0, "1 + n %% 10000")} AS member_id,
                     {stock.sql_id(EVENT_IDS, "%(number)s * %(stride)s::bigint + n")} AS event_id,
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
    stock.settle_down(books)


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
    first, last = (stock.numbered_id(EVENT_IDS, n * RUN_STRIDE) for n in (number, number + 1))
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
