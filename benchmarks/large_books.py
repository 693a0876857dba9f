"""earn_db_large: earns in books of 1,000,000 members and 10,000,000 postings, against earns in empty ones.

Making such books takes minutes and 13 GB of disk, 4 of them for the log, so this is measured only when it is asked for.
Every member has had an earn a month for ten months; outcomes kept for idempotency, and events, there are none of.

What makes large books slower is above all PostgreSQL's log: the first change of a page after a checkpoint writes the
whole page into it, and in large books nearly every earn meets pages nobody has changed since. The books were stocked
behind a checkpoint of ours, so both are warmed up for 20 seconds; what is left of it each run's details tell.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

import psycopg

from benchmarks import fixtures
from benchmarks.figures import Figure, Run
from benchmarks.fixtures import LOT_POINTS, PARTNERS, Wallets
from benchmarks.harness import BenchmarkError, Books, Harness, report
from benchmarks.ledger_sql import check, earn_script
from benchmarks.pgbench import Rate, run_script
from coalition import business_days
from kit import clock

MEMBERS = 1_000_000
ROUNDS = 10  # one transaction, lot and posting of each member in each
DISK_BYTES = 20 * 1024**3  # books, log, and room for sorting
WARM_UP_S = 20

Owner: TypeAlias = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True)
class _Side:
    """One of the two books, and the script of its earns."""

    books: Books
    script: str


def earn(harness: Harness) -> Figure:
    """Earns of members at random, each run beside one in books as earn_db has them."""
    _check_disk(harness)
    now = clock.now()
    with harness.new_books("empty", now=now) as empty, harness.new_books("large", now=now) as large:
        partners = fixtures.make_partners(empty, count=PARTNERS, now=now)
        fixtures.make_wallets(empty, partners, Wallets(now.date(), now))
        reference = _Side(empty, earn_script(empty, partners))
        partners = fixtures.make_partners(large, count=PARTNERS, now=now)
        make(large, partners, now=now)
        side = _Side(large, earn_script(large, partners, members=MEMBERS))
        for each in (reference, side):
            _rate(harness, each, seconds=WARM_UP_S)
        measured = [_run(harness, reference, side) for _ in range(harness.runs)]
        check(empty, "earn", sum(rate.transactions for _, rate, _ in measured))
        check(large, "earn", sum(rate.transactions for _, _, rate in measured))
        size_gb = _one(large, "SELECT pg_database_size(current_database())") / 1e9
    unit = f"earns among {MEMBERS:,} members with {MEMBERS * ROUNDS:,} postings, {size_gb:.1f} GB"
    return Figure("earn_db_large", unit, "earns in books without postings", [run for run, _, _ in measured])


def _run(harness: Harness, reference: _Side, side: _Side) -> tuple[Run, Rate, Rate]:
    """One run with the rates it is made of, the reference's first."""
    empty = _rate(harness, reference, seconds=harness.seconds)
    report(f"  reference   {empty.per_second:>9,.0f} transactions/s")
    before = _log_written(side.books)
    large = _rate(harness, side, seconds=harness.seconds)
    report(f"  measured    {large.per_second:>9,.0f} transactions/s")
    written, pages = (after - earlier for after, earlier in zip(_log_written(side.books), before, strict=True))
    details = {
        "log_bytes_per_earn": round(written / large.transactions),
        "page_images_per_earn": round(pages / large.transactions, 2),
    }
    return Run(large.per_second, 1, empty.per_second, 1, details), empty, large


def _rate(harness: Harness, side: _Side, *, seconds: int) -> Rate:
    return run_script(side.books.url, side.script, folder=harness.folder, seconds=seconds)


def _log_written(books: Books) -> tuple[int, int]:
    """The bytes and the whole pages PostgreSQL has written to its log so far."""
    return _one(books, "SELECT wal_bytes FROM pg_stat_wal"), _one(books, "SELECT wal_fpi FROM pg_stat_wal")


def make(books: Books, partners: list[UUID], *, now: datetime, members: int = MEMBERS, rounds: int = ROUNDS) -> None:
    """Stock the books, in the order of time; raises BenchmarkError when there is not what there should be."""
    began = time.monotonic()
    with books.owner() as owner:
        owner.execute("SET synchronous_commit = off")
        owner.execute("SET maintenance_work_mem = '512MB'")
        _make_members(owner, members, rounds, enrolled_by=partners[0], now=now)
        with _indexes_built_behind(owner):
            for number in range(1, rounds + 1):
                day = now.date() - timedelta(days=30 * (rounds - number))
                _make_round(owner, partners, members=members, number=number, day=day)
                report(f"stocked {members * number:>10,} postings in {time.monotonic() - began:.0f} s")
        report(f"built the indexes anew after {time.monotonic() - began:.0f} s")
    fixtures.settle_down(books)
    with books.owner() as owner:
        row = owner.execute(
            "SELECT (SELECT count(*) FROM coalition.posting), (SELECT count(*) FROM coalition.txn), "
            "       (SELECT count(*) FROM coalition.lot WHERE is_open), (SELECT sum(available) FROM coalition.wallet)"
        ).fetchone()
    postings = members * rounds
    if row != (postings, postings, postings, postings * LOT_POINTS):
        raise BenchmarkError(f"{postings} postings, transactions and lots of {LOT_POINTS} were to be stocked: {row}")
    report(f"settled down after {time.monotonic() - began:.0f} s")


def seal_days(books: Books, *, first: date, until: date, now: datetime) -> None:
    """Close and seal the days from `first` to the one before `until`, the first that is open."""
    began = time.monotonic()
    for number in range((until - first).days):
        day = first + timedelta(days=number)
        with books.database.transaction() as session:
            business_days.close(session, day=day, now=now)
        with books.database.transaction() as session:
            business_days.seal(session, day=day, now=now, keyring=books.keyring)
    fixtures.settle_down(books)
    report(f"closed and sealed the days in {time.monotonic() - began:.0f} s")


_INDEXES = """
    SELECT i.indrelid::regclass::text, i.indexrelid::regclass::text, c.conname,
           coalesce(pg_get_constraintdef(c.oid), pg_get_indexdef(i.indexrelid))
    FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.contype IN ('p', 'u')
    WHERE i.indrelid IN ('coalition.txn'::regclass, 'coalition.lot'::regclass, 'coalition.posting'::regclass)
    ORDER BY 1, 2
"""


@contextmanager
def _indexes_built_behind(owner: Owner) -> Iterator[None]:
    """Drop the indexes of what is written in bulk, and make the very same ones behind the block, in half the time."""
    found = owner.execute(_INDEXES).fetchall()
    for table, index, constraint, _ in found:
        drop = f"ALTER TABLE {table} DROP CONSTRAINT {constraint}" if constraint else f"DROP INDEX {index}"
        owner.execute(drop.encode())
    yield
    for table, _, constraint, definition in found:
        make_again = f"ALTER TABLE {table} ADD CONSTRAINT {constraint} {definition}" if constraint else definition
        owner.execute(make_again.encode())
    if owner.execute(_INDEXES).fetchall() != found:
        raise BenchmarkError("the ledger's indexes are not what they were before the books were stocked")


_MEMBER = fixtures.sql_id(0, "m")
_NUMBERS = "generate_series(1, %(members)s::bigint) AS m"
_MEMBER_ROWS = (
    f"INSERT INTO coalition.member SELECT {_MEMBER}, %(by)s, %(now)s FROM {_NUMBERS}",
    f"""
    INSERT INTO coalition.member_identifier
    SELECT 'card', sha256(uuid_send({_MEMBER})), {_MEMBER}, '' FROM {_NUMBERS}
    """,
    f"""
    INSERT INTO coalition.wallet (member_id, available, version)
    SELECT {_MEMBER}, %(available)s, %(version)s FROM {_NUMBERS}
    """,
)


def _make_members(owner: Owner, members: int, rounds: int, *, enrolled_by: UUID, now: datetime) -> None:
    parameters = {
        "members": members,
        "by": enrolled_by,
        "now": now,
        "available": rounds * LOT_POINTS,
        "version": rounds,
    }
    for statement in _MEMBER_ROWS:
        owner.execute(statement.encode(), parameters)


# What makes each row of a round: its number, its transaction's id in the order of time, the partner and the day.
_ROUND = f"""
    FROM (SELECT {_MEMBER} AS member_id, {fixtures.sql_id(1, "(%(round)s * 10000000::bigint + m)")} AS txn_id,
                 (%(partners)s::uuid[])[1 + mod(m + %(round)s, cardinality(%(partners)s::uuid[]))] AS issuer_id,
                 %(points)s::bigint AS points, %(round)s::bigint AS seq, %(day)s::date AS day,
                 (%(day)s::date + interval '24 months')::date AS expires_on
          FROM {_NUMBERS}) made
"""
_ROUND_ROWS = (
    f"""
    INSERT INTO coalition.txn (member_id, member_seq, txn_id, kind, partner_id, points, available_after, reference,
                               expires_on, effective_at, booked_at, business_date, original_business_date)
    SELECT member_id, seq, txn_id, 'earn', issuer_id, points, points * seq, 'fixtures-' || txn_id, expires_on, day, day,
           day, day
    {_ROUND}
    """,
    f"""
    INSERT INTO coalition.lot (member_id, lot_id, issuer_id, issued_on, expires_on, issued, remaining, is_open,
                               txn_id)
    SELECT member_id, txn_id, issuer_id, day, expires_on, points, points, true, txn_id
    {_ROUND}
    """,
    f"""
    INSERT INTO coalition.posting
    SELECT member_id, txn_id, 1, 'issuance', 'wallet', points, txn_id, issuer_id, issuer_id, day, day
    {_ROUND}
    """,
)


def _make_round(owner: Owner, partners: list[UUID], *, members: int, number: int, day: date) -> None:
    parameters = {
        "members": members,
        "round": number,
        "partners": partners,
        "points": LOT_POINTS,
        "day": day,
    }
    for statement in _ROUND_ROWS:
        owner.execute(statement.encode(), parameters)


def _check_disk(harness: Harness) -> None:
    free = shutil.disk_usage(harness.folder).free
    if free < DISK_BYTES:
        raise BenchmarkError(
            f"{DISK_BYTES // 1024**3} GB are needed in {harness.folder}, {free / 1024**3:.1f} are free"
        )


def _one(books: Books, statement: str) -> int:
    with books.owner() as owner:
        row = owner.execute(statement.encode()).fetchone()
    return int(row[0]) if row else 0
