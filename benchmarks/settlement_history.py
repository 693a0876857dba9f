"""settlement_history, settlement_history_large: a day of 50,000 postings behind 1,000,000 and 10,000,000 older ones.

Against the same without history: what a run costs is to follow from its own day. The history is that of
earn_db_large, in 270 sealed days.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from benchmarks import fixtures, large_books
from benchmarks.figures import Figure, Run
from benchmarks.fixtures import PARTNERS
from benchmarks.harness import BenchmarkError, Books, Harness, report
from benchmarks.large_books import MEMBERS, ROUNDS
from coalition import programme
from kit import clock
from settlement import agreements, nightly

POSTINGS = 50_000  # one of each of so many members: an earn of the one half, a burn of the other


def settlement_history(harness: Harness) -> Figure:
    """Behind 1,000,000 postings."""
    return _measure(harness, "settlement_history", members=MEMBERS // 10)


def settlement_history_large(harness: Harness) -> Figure:
    """Behind 10,000,000 postings."""
    return _measure(harness, "settlement_history_large", members=MEMBERS)


def _measure(harness: Harness, key: str, *, members: int) -> Figure:
    """Each run settles the next day, first in books that hold nothing but one lot of each member."""
    now = clock.now()
    with _books(harness, "recent", now, POSTINGS, 1) as recent, _books(harness, key, now, members, ROUNDS) as old:
        measured = []
        for number in range(1, harness.runs + 1):
            day = now.date() + timedelta(days=number)
            reference_s, measured_s = (_settle(books, partners, day) for books, partners in (recent, old))
            report(f"  measured    {measured_s:>9.2f} s, reference {reference_s:.2f} s")
            measured.append(Run(POSTINGS, measured_s, POSTINGS, reference_s))
    unit = f"the settlement of {POSTINGS:,} postings behind {members * ROUNDS:,} older ones"
    return Figure(key, unit, "the same without history", measured, is_time=True)


@contextmanager
def _books(
    harness: Harness, purpose: str, now: datetime, members: int, rounds: int
) -> Iterator[tuple[Books, list[UUID]]]:
    first = now - timedelta(days=30 * (rounds - 1))
    with harness.new_books(purpose, now=first) as books:
        partners = fixtures.make_partners(books, count=PARTNERS, now=first)
        _agree(books, partners, first)
        large_books.make(books, partners, now=now, members=members, rounds=rounds)
        large_books.seal_days(books, first=first.date(), until=now.date() + timedelta(days=1), now=_end(now.date()))
        yield books, partners


def _agree(books: Books, partners: list[UUID], first: datetime) -> None:
    with books.database.transaction() as session:
        for partner_id in partners:
            agreements.agree(
                session, fixtures.act(books, first), partner_id=partner_id, redemption_price_minor=Decimal("0.75"),
                currency=programme.get(session).currency, since=first.date(),
            )  # fmt: skip


def _settle(books: Books, partners: list[UUID], day: date) -> float:
    """The seconds in which `day`, made now, is closed, sealed and settled."""
    with books.owner() as owner, owner.transaction():
        for statement in _DAY_ROWS:
            owner.execute(statement.encode(), {"partners": partners, "day": day, "members": POSTINGS})
    fixtures.settle_down(books)
    began = time.perf_counter()
    done = nightly.run(books.database, fixtures.act(books, _end(day)), day=day)
    seconds = time.perf_counter() - began
    if done.postings != POSTINGS or not done.payments:
        raise BenchmarkError(
            f"{done.postings} postings and {done.payments} payments: that is not the day that was made"
        )
    return seconds


def _end(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=2), datetime.min.time(), clock.now().tzinfo)


_PARTNER = "(%(partners)s::uuid[])[1 + mod(m + {n}, cardinality(%(partners)s::uuid[]))]"
_MADE = f"""
    FROM (SELECT {fixtures.sql_id(0, "m")} AS member_id, {fixtures.sql_id(1, "(10000000::bigint + m)")} AS first_lot,
                 {fixtures.sql_id(4, "((%(day)s::date - '2000-01-01'::date) * 10000000::bigint + m)")} AS txn_id,
                 m %% 2 = 0 AS burns, {_PARTNER.format(n=4)} AS partner_id
          FROM generate_series(1, %(members)s::bigint) AS m) made
    JOIN coalition.wallet w USING (member_id) JOIN coalition.lot l ON l.member_id = w.member_id AND l.lot_id = first_lot
"""
_DAY_ROWS = (
    f"""
    INSERT INTO coalition.txn (member_id, member_seq, txn_id, kind, partner_id, points, available_after, reference,
                               expires_on, effective_at, booked_at, business_date, original_business_date)
    SELECT w.member_id, version + 1, txn_id, CASE WHEN burns THEN 'burn' ELSE 'earn' END::coalition.txn_kind,
           partner_id, 1, available + CASE WHEN burns THEN -1 ELSE 1 END, 'day-' || txn_id,
           CASE WHEN NOT burns THEN %(day)s::date + 730 END, %(day)s::date, %(day)s::date, %(day)s::date, %(day)s::date
    {_MADE}
    """,
    f"""
    INSERT INTO coalition.posting
    SELECT w.member_id, txn_id, 1, CASE WHEN burns THEN 'wallet' ELSE 'issuance' END::coalition.account,
           CASE WHEN burns THEN 'redemption' ELSE 'wallet' END::coalition.account, 1,
           CASE WHEN burns THEN first_lot ELSE txn_id END, CASE WHEN burns THEN l.issuer_id ELSE partner_id END,
           partner_id, %(day)s::date, CASE WHEN burns THEN l.issued_on ELSE %(day)s::date END
    {_MADE}
    """,
    f"""
    INSERT INTO coalition.lot (member_id, lot_id, issuer_id, issued_on, expires_on, issued, remaining, is_open,
                               txn_id)
    SELECT w.member_id, txn_id, partner_id, %(day)s::date, %(day)s::date + 730, 1, 1, true, txn_id
    {_MADE} WHERE NOT burns
    """,
    f"""
    UPDATE coalition.lot x SET remaining = x.remaining - 1
    FROM (SELECT w.member_id, first_lot {_MADE} WHERE burns) m WHERE x.member_id = m.member_id AND x.lot_id = first_lot
    """,
    f"""
    UPDATE coalition.wallet x SET version = x.version + 1, available = x.available + CASE WHEN burns THEN -1 ELSE 1 END
    FROM (SELECT w.member_id, burns {_MADE}) m WHERE x.member_id = m.member_id
    """,
)
