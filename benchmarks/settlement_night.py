"""settlement: a night of 200,000 postings of 20 partners, against a plain query and a plain file.

The reference is one `GROUP BY` over the day's postings and a CSV file of as many lines as the statements
have: what a night can't do without. The night itself also seals the day with a digest over every posting,
prices each line, rounds, nets, and keeps the statements in the database.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

from benchmarks import stock
from benchmarks.figures import Figure, Run
from benchmarks.ground import BenchmarkError, Books, Ground, tell
from benchmarks.stock import Wallets
from settlement import nights

PARTNERS = 20
MEMBERS = 10_000
EARNS = 10  # of each member; as many burns, each from the lot of one earn
BURNED_POINTS = 60
POSTINGS = MEMBERS * EARNS * 2
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DAY = NOON.date()
NIGHT = NOON + timedelta(hours=13)


def run(ground: Ground) -> Figure:
    """Each run settles a fresh copy of the same day."""
    with ground.new_books("settlement", now=NOON) as books:
        tell(f"making a day of {POSTINGS:,} postings")
        partners = stock.make_partners(books, count=PARTNERS, now=NOON)
        stock.make_wallets(books, partners, Wallets(DAY, NOON, members=MEMBERS, lots=EARNS))
        _burn(books, partners)
        books.database.close()
        runs = [_run(ground, books.url) for _ in range(ground.runs)]
    return Figure(
        "settlement",
        f"a night of {POSTINGS:,} postings, {PARTNERS} partners",
        "plain GROUP BY and a CSV file of the same lines",
        runs,
        is_time=True,
    )


def _run(ground: Ground, template: str) -> Run:
    with ground.new_database("night", template=template) as url, ground.open_books(url, now=NOON) as books:
        reference_s, lines = _reference(ground, books)
        began = time.perf_counter()
        night = nights.run(books.database, day=DAY, now=NIGHT, keyring=books.keyring)
        seconds = time.perf_counter() - began
        if night.postings != POSTINGS or _statement_lines(books) != lines:
            raise BenchmarkError(f"the night settled {night.postings} postings, not {POSTINGS}, or other lines")
    tell(f"  measured    {seconds:>9.2f} s, reference {reference_s:.2f} s, {lines:,} lines")
    return Run(POSTINGS, seconds, POSTINGS, reference_s, {"statement_lines": lines})


def _reference(ground: Ground, books: Books) -> tuple[float, int]:
    """The seconds of the plain way, and how many lines its file has."""
    path = ground.folder / "lines.csv"
    with books.owner() as owner, path.open("wb") as file:
        owner.execute("SELECT count(*) FROM coalition.posting").fetchone()  # a copy's first reader pays for others
        began = time.perf_counter()
        lines = 0
        owner.execute(_GROUP, {"day": DAY}).fetchall()
        with owner.cursor() as cursor, cursor.copy(_LINES, {"day": DAY}) as copy:
            for block in copy:
                file.write(block)
                lines += bytes(block).count(b"\n")
        file.flush()
        seconds = time.perf_counter() - began
    path.unlink()
    return seconds, lines


def _statement_lines(books: Books) -> int:
    with books.owner() as owner:
        return sum(
            len(json.loads(bytes(row[0]))["lines"]) for row in owner.execute("SELECT body FROM settlement.statement")
        )


def _burn(books: Books, partners: list[UUID]) -> None:
    """For every lot a burn of 60 of its points, mostly at another partner than its issuer."""
    with books.owner() as owner, owner.transaction():
        for statement in _BURN_ROWS:
            owner.execute(statement, {"partners": partners, "earns": EARNS, "points": BURNED_POINTS, "now": NOON})
    stock.settle_down(books)


_GROUP = """
    SELECT issuer_id, partner_id, issued_on, sum(points) FROM coalition.posting
    WHERE business_date = %(day)s AND credit = 'redemption' GROUP BY 1, 2, 3
"""
# Each line stands in two statements: its payer's and its payee's.
_LINES = """
    COPY (SELECT p.issuer_id, p.partner_id, p.issued_on, p.points, p.txn_id
          FROM coalition.posting p, (VALUES (1), (2)) twice
          WHERE p.business_date = %(day)s AND p.credit = 'redemption' AND p.issuer_id <> p.partner_id)
    TO STDOUT (FORMAT csv)
"""
_BURN_ROWS = (
    f"""
    INSERT INTO coalition.txn (member_id, member_seq, txn_id, kind, partner_id, points, available_after,
                               reference, effective_at, booked_at, business_date, original_business_date)
    SELECT t.member_id, t.member_seq + %(earns)s, {stock.sql_id(3, "t.n")}, 'burn',
           (%(partners)s::uuid[])[1 + (t.n * 7) %% cardinality(%(partners)s::uuid[])],
           %(points)s, %(earns)s * t.points - t.member_seq * %(points)s,
           'burn-' || t.txn_id, %(now)s, %(now)s, t.business_date, t.business_date
    FROM (SELECT *, row_number() OVER (ORDER BY txn_id) AS n FROM coalition.txn WHERE kind = 'earn') t
    """.encode(),
    b"""
    INSERT INTO coalition.posting
    SELECT b.member_id, b.txn_id, 1, 'wallet', 'redemption', b.points, l.lot_id, l.issuer_id, b.partner_id,
           b.business_date, l.issued_on
    FROM coalition.txn b
    JOIN coalition.txn e ON e.member_id = b.member_id AND e.member_seq = b.member_seq - %(earns)s
    JOIN coalition.lot l ON l.member_id = e.member_id AND l.lot_id = e.txn_id
    WHERE b.kind = 'burn'
    """,
    b"UPDATE coalition.lot SET remaining = remaining - %(points)s",
    b"""
    UPDATE coalition.wallet
    SET available = available - %(earns)s * %(points)s::bigint, version = version + %(earns)s
    """,
)
