"""settlement: a day of 200,000 postings of 20 partners, against a plain query and a plain file, in processor time.

The reference is one `GROUP BY` over the day's postings, and a CSV file, written by psql, of the lines with their
receipts' references: what a run can't do without, by the best plain means, in any order and in one file. The run also
seals the day with a digest over every posting and transaction, prices each line, rounds, nets, keeps the lines in order
in the database, and hashes them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from benchmarks import fixtures
from benchmarks.figures import Figure, Run
from benchmarks.fixtures import Wallets
from benchmarks.harness import BenchmarkError, Books, Harness, report, run_tool
from benchmarks.processor_time import Spent, spent
from kit.embedded import postgres_tool
from settlement import nightly

PARTNERS = 20
MEMBERS = 10_000
EARNS = 10  # of each member; as many burns, each from the lot of one earn
BURNED_POINTS = 60
POSTINGS = MEMBERS * EARNS * 2
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DAY = NOON.date()
AFTER_MIDNIGHT = NOON + timedelta(hours=13)
PSQL_TIMEOUT_S = 120.0


def run(harness: Harness) -> Figure:
    """Each run settles a fresh copy of the same day."""
    with harness.new_books("settlement", now=NOON) as books:
        report(f"making a day of {POSTINGS:,} postings")
        partners = fixtures.make_partners(books, count=PARTNERS, now=NOON)
        fixtures.make_wallets(books, partners, Wallets(DAY, NOON, members=MEMBERS, lots=EARNS))
        _burn(books, partners)
        books.database.close()
        measured = [_run(harness, books.url) for _ in range(harness.runs)]
    return Figure(
        "settlement",
        f"a day of {POSTINGS:,} postings, {PARTNERS} partners",
        "plain GROUP BY and a CSV file of the same lines, both in processor time",
        measured,
        is_time=True,
    )


def _run(harness: Harness, template: str) -> Run:
    with harness.new_database("run", template=template) as url, harness.open_books(url, now=NOON) as books:
        reference, lines = _reference(harness, books)
        with spent(books) as measured:
            done = nightly.run(books.database, fixtures.act(books, AFTER_MIDNIGHT), day=DAY)
        if done.postings != POSTINGS or _kept_lines(books) != lines:
            raise BenchmarkError(f"the run settled {done.postings} postings, not {POSTINGS}, or other lines")
    report(
        f"  measured    {measured.processor_s:>9.2f} s of processors, reference {reference.processor_s:.2f} s, "
        f"by the clock {measured.clock_s:.2f} s and {reference.clock_s:.2f} s, {lines:,} lines"
    )
    clocks = {"clock_seconds": round(measured.clock_s, 3), "reference_clock_seconds": round(reference.clock_s, 3)}
    details = {"lines": lines, **clocks}
    return Run(POSTINGS, measured.processor_s, POSTINGS, reference.processor_s, details)


def _reference(harness: Harness, books: Books) -> tuple[Spent, int]:
    """What the plain way takes, and how many lines its file has."""
    path = harness.folder / "lines.csv"
    to_file = [str(postgres_tool("psql")), "-X", "-q", "-d", books.url, "-o", str(path), "-c", _LINES]
    with books.owner() as owner:
        for table in ("posting", "txn"):  # a copy's first reader pays for others
            owner.execute(f"SELECT count(*) FROM coalition.{table}".encode()).fetchone()
        with spent(books) as result:
            owner.execute(_GROUP).fetchall()
            run_tool(to_file, environment={}, timeout_s=PSQL_TIMEOUT_S)
    lines = path.read_bytes().count(b"\n")
    path.unlink()
    return result, lines


def _kept_lines(books: Books) -> int:
    with books.owner() as owner:
        ((lines,),) = owner.execute("SELECT count(*) FROM settlement.line").fetchall()
    return int(lines)


def _burn(books: Books, partners: list[UUID]) -> None:
    """For every lot a burn of 60 of its points, mostly at another partner than its issuer."""
    with books.owner() as owner, owner.transaction():
        for statement in _BURN_ROWS:
            owner.execute(statement, {"partners": partners, "earns": EARNS, "points": BURNED_POINTS, "now": NOON})
    fixtures.settle_down(books)


_GROUP = f"""
    SELECT issuer_id, partner_id, issued_on, sum(points) FROM coalition.posting
    WHERE business_date = '{DAY}' AND credit = 'redemption' GROUP BY 1, 2, 3
""".encode()
# Each line once, as the run keeps it; it stands in two statements, its payer's and its payee's.
_LINES = f"""
    COPY (SELECT p.issuer_id, p.partner_id, p.issued_on, p.points, p.txn_id, t.reference
          FROM coalition.posting p JOIN coalition.txn t USING (member_id, txn_id, business_date)
          WHERE p.business_date = '{DAY}' AND p.credit = 'redemption' AND p.issuer_id <> p.partner_id)
    TO STDOUT (FORMAT csv)
"""
_BURN_ROWS = (
    f"""
    INSERT INTO coalition.txn (member_id, member_seq, txn_id, kind, partner_id, points, available_after,
                               reference, effective_at, booked_at, business_date, original_business_date)
    SELECT t.member_id, t.member_seq + %(earns)s, {fixtures.sql_id(3, "t.n")}, 'burn',
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
