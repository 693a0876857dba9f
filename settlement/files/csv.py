"""A statement as CSV (RFC 4180) for programs: one table, its rows told apart by `record`, the same in every language.

`line`: what `payer` owes `payee`, by posting; their amounts add up to the obligations. `amount` is `amount_minor` in
the currency's major units. `issuer` is whose agreement prices it; `price_minor` (minor units for a point), `percent`
and `minimum_minor` are what the amount is computed by, as docs/how-to/recompute.md says. `dispute`: what a `line` of
the kind `dispute` is made of; its own `kind`, `reference` and `concerns`, the business day, are the disputed line's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import groupby, islice
from operator import attrgetter

from kit import ids, money
from kit.cells import Cell, table
from settlement.files.document import Document, Row
from settlement.obligations import Kept

COLUMNS = (
    "record", "name", "value", "day", "payer", "payee", "kind", "agreement_version", "issuer", "price_minor", "percent",
    "minimum_minor", "obligation_id", "transaction_id", "seq", "posted_on", "issued_on", "concerns", "reference",
    "points", "currency", "amount_minor", "amount", "location",
)  # fmt: skip
AT_ONCE = 500


def write(document: Document, rows: Iterable[Row]) -> Iterator[bytes]:
    """The file, part by part."""
    yield table([COLUMNS, *_head(document)]).encode()
    for one, lines in groupby(rows, attrgetter("owed")):
        before = _of_obligation(document, one)
        shares = (_share(row) for row in lines)
        while some := list(islice(shares, AT_ONCE)):
            yield table(some, before=before).encode()


def major(minor: int, currency: str) -> Decimal:
    """Minor units in major ones, with all digits that the currency has."""
    return Decimal(minor).scaleb(-money.exponent(currency))


def _row(record: str, **cells: Cell | None) -> list[Cell]:
    found = {"record": record, **cells}
    return ["" if (cell := found.get(name)) is None else cell for name in COLUMNS]


def _money(currency: str, minor: int) -> dict[str, Cell]:
    return {"currency": currency, "amount_minor": minor, "amount": major(minor, currency)}


def _head(document: Document) -> Iterator[list[Cell]]:
    run = document.run
    for name, value in _facts(document):
        yield _row("statement", name=name, value=value)
    for one in document.positions:
        closing = one.opening_minor + one.amount_minor
        for name, minor in (("opening", one.opening_minor), ("net", one.amount_minor), ("closing", closing)):
            yield _row("position", name=name, **_money(one.currency, minor))
    for paid in document.payments:
        payer, payee = document.code(paid.payer_id), document.code(paid.payee_id)
        yield _row("payment", payer=payer, payee=payee, **_money(paid.currency, paid.amount_minor))
    for left in document.left_out:
        yield _row(
            "set_aside", name=left.code, day=left.day, payer=document.code(left.payer_id),
            payee=document.code(left.payee_id), issued_on=left.issued_on, points=left.points,
        )  # fmt: skip
    for moved in document.disputed:
        yield _row(
            "dispute", name=moved.step, value=ids.show(ids.DISPUTE, moved.dispute_id), day=moved.day,
            payer=document.code(moved.payer_id), payee=document.code(moved.payee_id), kind=moved.kind,
            transaction_id=ids.show(ids.TRANSACTION, moved.transaction_id) if moved.transaction_id else None,
            concerns=moved.settled_on, reference=moved.reference, **_money(moved.currency, moved.amount_minor),
        )  # fmt: skip
    if run.content_hash is not None:
        yield _row("statement", name="run_content_hash", value=run.content_hash.hex())
    for seal in document.content.seals:
        yield _row("seal", name="chain", value=seal.chain.hex(), day=seal.day)


def _facts(document: Document) -> Iterator[tuple[str, Cell]]:
    run = document.run
    yield "statement_id", document.shown_id
    yield "run_id", ids.show(ids.SETTLEMENT_RUN, run.run_id)
    for role, head in (("coalition", document.frame.coalition), ("partner", document.frame.partner)):
        yield role, head.code
        yield f"{role}_name", head.name
        yield f"{role}_address", head.address
        yield f"{role}_tax_id", head.tax_id
    yield "cycle", run.cycle
    yield "first_day", run.first_day
    yield "last_day", run.last_day
    yield "attempt", run.attempt
    yield "content_hash", document.kept.content_hash.hex()


def _of_obligation(document: Document, one: Kept) -> list[Cell]:
    obligation_id = ids.show(ids.OBLIGATION, one.obligation_id)
    payer, payee = document.code(one.payer_id), document.code(one.payee_id)
    priced: list[Cell | None] = [None] * 5
    if (found := document.pricing(one)) is not None:
        issuer = document.code(found.issuer_id)
        priced = [document.version(one), issuer, found.price_minor, found.percent, found.minimum_minor]
    shown = ("" if cell is None else cell for cell in priced)
    return ["line", "", "", one.day, payer, payee, one.kind, *shown, obligation_id]


def _share(row: Row) -> list[Cell]:
    one, line = row
    if line is None:
        own: list[Cell] = [one.points, one.currency, one.amount_minor, major(one.amount_minor, one.currency)]
        return ["", "", "", "", "", "", *own, ""]
    return [
        ids.show_raw(ids.TRANSACTION, line.transaction_id), line.seq, line.posted_on, line.issued_on, line.concerns,
        line.reference, line.points, one.currency, line.amount_minor, major(line.amount_minor, one.currency),
        ids.show_raw(ids.LOCATION, line.location_id) if line.location_id else "",
    ]  # fmt: skip
