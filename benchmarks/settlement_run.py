"""settlement, settlement_million: a day of 200,000 or 1,000,000 postings of 20 partners, against a plain query and a
plain file, in processor time.

The reference is one `GROUP BY` over the day's postings, and a CSV file, written by psql, of the lines with their
receipts' references: what a run can't do without, by the best plain means, in any order and in one file. The run also
seals the day with a digest over every posting and transaction, prices each line, rounds, nets, keeps the lines in order
in the database, and hashes them. A second plain way writes each line twice, into a file for each partner.

settlement_million tells the memory, too: of our process, and what the server's processes have of their own, for both
days, each in a run that is not timed, for looking costs time.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

from benchmarks import fixtures
from benchmarks.figures import Figure, Run
from benchmarks.fixtures import Wallets
from benchmarks.harness import BenchmarkError, Books, Harness, report, run_tool
from benchmarks.memory import peaks
from benchmarks.processor_time import Spent, spent
from kit.embedded import postgres_tool
from settlement import nightly

PARTNERS = 20
EARNS = 10  # of each member; as many burns, each from the lot of one earn
BURNED_POINTS = 60
SMALLER, LARGER = 200_000, 1_000_000
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DAY = NOON.date()
AFTER_MIDNIGHT = NOON + timedelta(hours=13)
PSQL_TIMEOUT_S = 600.0


def run(harness: Harness) -> Figure:
    """Each run settles a fresh copy of the same day."""
    with _books(harness, SMALLER) as template:
        return _figure("settlement", SMALLER, [_run(harness, template, SMALLER) for _ in range(harness.runs)], {})


def million(harness: Harness) -> Figure:
    """The larger day, and the memory it takes beside what the smaller one does."""
    memory: dict[str, object] = {}
    for postings in (SMALLER, LARGER):
        with _books(harness, postings) as template:
            memory[f"memory_of_{postings}"] = _memory(harness, template, postings)
            runs = [_run(harness, template, postings) for _ in range(harness.runs)] if postings == LARGER else []
    return _figure("settlement_million", LARGER, runs, memory)


def _figure(key: str, postings: int, runs: list[Run], details: dict[str, object]) -> Figure:
    unit = f"a day of {postings:,} postings, {PARTNERS} partners"
    reference = "plain GROUP BY and a CSV file of the same lines, both in processor time"
    return Figure(key, unit, reference, runs, is_time=True, details=details)


@contextmanager
def _books(harness: Harness, postings: int) -> Iterator[str]:
    """The URL of a database with a day of so many postings, which nobody is connected to."""
    with harness.new_books("settlement", now=NOON) as books:
        report(f"making a day of {postings:,} postings")
        partners = fixtures.make_partners(books, count=PARTNERS, now=NOON)
        fixtures.make_wallets(books, partners, Wallets(DAY, NOON, members=postings // EARNS // 2, lots=EARNS))
        _burn(books, partners)
        books.database.close()
        yield books.url


def _memory(harness: Harness, template: str, postings: int) -> dict[str, int]:
    with (
        harness.new_database("memory", template=template) as url,
        harness.open_books(url, now=NOON) as books,
        peaks(books) as memory,
    ):
        nightly.run(books.database, fixtures.act(books, AFTER_MIDNIGHT), day=DAY)
    report(f"  memory of {postings:,}: {memory.own_mb} MB, the server's processes {memory.server_mb} MB")
    return {"own_mb": memory.own_mb, "server_mb": memory.server_mb}


def _run(harness: Harness, template: str, postings: int) -> Run:
    with harness.new_database("run", template=template) as url, harness.open_books(url, now=NOON) as books:
        reference, files, lines = _references(harness, books)
        with spent(books) as measured:
            done = nightly.run(books.database, fixtures.act(books, AFTER_MIDNIGHT), day=DAY)
        if done.postings != postings or _kept_lines(books) != lines:
            raise BenchmarkError(f"the run settled {done.postings} postings, not {postings}, or other lines")
    report(
        f"  measured    {measured.processor_s:>9.2f} s of processors ({measured.own_s:.2f} s ours), reference "
        f"{reference.processor_s:.2f} s, with a file for each partner {files.processor_s:.2f} s; by the clock "
        f"{measured.clock_s:.2f} s and {reference.clock_s:.2f} s; {lines:,} lines"
    )
    details = {
        "lines": lines,
        "own_seconds": round(measured.own_s, 3),
        "files_reference_seconds": round(files.processor_s, 3),
        "clock_seconds": round(measured.clock_s, 3),
        "reference_clock_seconds": round(reference.clock_s, 3),
    }
    return Run(postings, measured.processor_s, postings, reference.processor_s, details)


def _references(harness: Harness, books: Books) -> tuple[Spent, Spent, int]:
    """What the plain way takes, with one file and with a file for each partner, and how many lines the one has."""
    path, folder = harness.folder / "lines.csv", harness.folder / "partners"
    folder.mkdir()
    with books.owner() as owner:
        for table in ("posting", "txn"):  # a copy's first reader pays for others
            owner.execute(f"SELECT count(*) FROM coalition.{table}".encode()).fetchone()
        with spent(books) as one:
            owner.execute(_GROUP).fetchall()
            _write(books, _LINES, str(path))
        with spent(books) as many:
            owner.execute(_GROUP).fetchall()
            _write(books, _LINES_TWICE, f"""|awk -F, '{{ print > ("{folder}/" $1 ".csv") }}'""")
    lines = path.read_bytes().count(b"\n")
    if sum(each.read_bytes().count(b"\n") for each in folder.iterdir()) != 2 * lines:
        raise BenchmarkError("the partners' files don't have each line twice")
    path.unlink()
    shutil.rmtree(folder)
    return one, many, lines


def _write(books: Books, lines: str, out: str) -> None:
    psql = [str(postgres_tool("psql")), "-X", "-q", "-d", books.url, "-o", out, "-c", lines]
    run_tool(psql, environment={}, timeout_s=PSQL_TIMEOUT_S)


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
# For the file of each partner, which is named first.
_LINES_TWICE = f"""
    COPY (SELECT v.party_id, p.issuer_id, p.partner_id, p.issued_on, p.points, p.txn_id, t.reference
          FROM coalition.posting p JOIN coalition.txn t USING (member_id, txn_id, business_date)
          CROSS JOIN LATERAL (VALUES (p.issuer_id), (p.partner_id)) v (party_id)
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
