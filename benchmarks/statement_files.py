"""statement_tables, statement_pdf: a month's statement of 100,000 lines as CSV and workbook, and as PDF.

The reference is the same lines as CSV, copied out by PostgreSQL itself: no names, no ids as people see them, no sums.
The PDF lists 19 counterparties on 31 days and carries the CSV.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from tempfile import TemporaryFile
from uuid import UUID

from sqlalchemy import text

from benchmarks import fixtures
from benchmarks.figures import Figure, Run
from benchmarks.harness import BenchmarkError, Books, Harness, report
from benchmarks.processor_time import spent
from kit import ids
from kit.db import Session
from settlement import runs, statement_form, statements
from settlement.files import document, formats
from settlement.files.document import Document
from settlement.files.formats import Order

PARTNERS = 20
LINES_EACH = 85
FIRST, LAST = date(2026, 3, 1), date(2026, 3, 31)
LINES = 31 * (PARTNERS - 1) * 2 * LINES_EACH
NOON = datetime(2026, 2, 28, 12, 0, tzinfo=UTC)
RUN_ID = ids.new()


def tables(harness: Harness) -> Figure:
    """CSV, then XLSX."""
    return _figure(harness, "statement_tables", "as CSV and XLSX", ("csv", "xlsx"))


def pdf(harness: Harness) -> Figure:
    """The PDF with its attachment."""
    return _figure(harness, "statement_pdf", "as PDF, by day and counterparty", ("pdf",))


def _figure(harness: Harness, key: str, how: str, forms: tuple[str, ...]) -> Figure:
    with harness.new_books("files", now=NOON) as books:
        report(f"making a month of {LINES:,} lines")
        partner_id = _fill(books)
        measured = [_run(books, partner_id, forms) for _ in range(harness.runs)]
    return Figure(
        key,
        f"a statement of {LINES:,} lines {how}",
        "the lines by COPY, both in processor time",
        measured,
        is_time=True,
    )


def _run(books: Books, partner_id: UUID, forms: tuple[str, ...]) -> Run:
    with spent(books) as plain:
        _copy_out(books)
    details: dict[str, object] = {}
    whole = 0.0
    for form in forms:
        with _opened(books, partner_id) as (session, made), TemporaryFile() as out:
            with spent(books) as took:
                formats.write(session, made, Order(form), out)
            details |= {f"{form}_clock_seconds": round(took.clock_s, 2), f"{form}_bytes": out.tell()}
        whole += took.processor_s
        report(
            f"  {form:<5} {took.processor_s:>7.2f} s of processors, by the clock {took.clock_s:.2f} s, "
            f"{details[f'{form}_bytes']:,} bytes; by COPY {plain.processor_s:.2f} s"
        )
    return Run(LINES, whole, LINES, plain.processor_s, details)


def _copy_out(books: Books) -> None:
    lines = 0
    with books.owner() as owner, owner.cursor().copy("COPY settlement.line TO STDOUT (FORMAT csv)") as copy:
        for part in copy:
            lines += bytes(part).count(b"\n")
    if lines != LINES:
        raise BenchmarkError(f"there are {lines} lines, not {LINES}")


@contextmanager
def _opened(books: Books, partner_id: UUID) -> Iterator[tuple[Session, Document]]:
    with books.database.reading() as session:
        run = runs.get(session, RUN_ID)
        kept = statements.kept_of(session, RUN_ID, partner_id)
        yield session, document.make(session, kept, run, document.frame(session, kept, run))


def _fill(books: Books) -> UUID:
    """The rows of a settled month between the first partner and the others; whose statement it is."""
    mine, *others = fixtures.make_partners(books, count=PARTNERS, now=NOON)
    facts = {"run": RUN_ID, "first": FIRST, "last": LAST, "mine": mine, "others": others, "each": LINES_EACH}
    with books.owner() as owner:
        owner.execute("SET session_replication_role = replica")  # the days before and their seals are not there
        for statement in _ROWS:
            owner.execute(statement, facts)
        owner.execute("ANALYZE settlement.line")
    with books.database.reading() as session:
        content = statements.content(session, runs.get(session, RUN_ID))
        content_hash = statement_form.content_hash(statements.terms(content, mine))
    with books.database.transaction() as session:
        session.execute(
            text("INSERT INTO settlement.run_statement VALUES (:id, :run, :mine, :hash)"),
            {"id": ids.new(), "run": RUN_ID, "mine": mine, "hash": content_hash},
        )
    return mine


_ROWS = (
    """
    INSERT INTO settlement.run (run_id, cycle, first_day, last_day, state, netting, content_hash)
    VALUES (%(run)s, 'monthly', %(first)s, %(last)s, 'calculated', 'direct', sha256(''))
    """,
    "INSERT INTO settlement.run_change VALUES (%(run)s, 1, 'calculated', now(), 'clock', NULL)",
    "INSERT INTO settlement.run_position VALUES (%(run)s, %(mine)s, 'GBP', 0, 1)",
    """
    INSERT INTO settlement.obligation (day, payer_id, payee_id, kind, currency, points, amount_minor, cycle,
                                       lines_digest)
    SELECT day, payer, payee, 'redemption', 'GBP', 60 * %(each)s, 57 * %(each)s, 'monthly', sha256('')
    FROM generate_series(%(first)s::date, %(last)s::date, '1 day') day, unnest(%(others)s::uuid[]) other,
         LATERAL (VALUES (other, %(mine)s::uuid), (%(mine)s::uuid, other)) pair (payer, payee)
    """,
    """
    INSERT INTO settlement.line
    SELECT obligation_id, n, coalition.new_id(), 1, day, day, day, 'R-' || substr(obligation_id::text, 25) || n, 60, 57
    FROM settlement.obligation, generate_series(1, %(each)s) n
    """,
)
