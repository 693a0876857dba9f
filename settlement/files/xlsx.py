"""A statement as a workbook: a sheet that sums it up and sheets with every line, whose amounts add up to the net.

The same rows give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from itertools import chain, islice
from typing import IO, Any

from xlsxwriter import Workbook
from xlsxwriter.worksheet import Worksheet

from kit import ids, money
from settlement.files import labels
from settlement.files.csv import major
from settlement.files.document import Document, Row, totals

MOST_LINES = 2**20 - 1  # of a sheet, below its heading
_DAY_0 = date(1899, 12, 30).toordinal()
_LINE_COLUMNS = (
    ("day", 11), ("counterparty", 24), ("kind", 18), ("agreement", 10), ("transaction", 32), ("reference", 24),
    ("issued_on", 11), ("concerns", 11), ("points", 10), ("currency", 9), ("signed", 16), ("issuer", 24),
    ("price_minor", 14), ("percent", 10), ("minimum", 16), ("location", 32),
)  # fmt: skip


class _Book:
    """A workbook and the forms of its cells."""

    def __init__(self, document: Document, out: IO[bytes]) -> None:
        options = {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
        }
        self.book = Workbook(out, options)
        title = f"{labels.texts()['title']} {document.shown_id}"
        self.book.set_properties({"created": document.frame.made_at.replace(tzinfo=None), "title": title})
        self.kinds = labels.kinds()
        self.bold = self.book.add_format({"bold": True})
        self.title = self.book.add_format({"bold": True, "font_size": 16})
        self.head = self.book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        self.day = self.book.add_format({"num_format": "yyyy-mm-dd", "align": "left"})
        self.whole = self.book.add_format({"num_format": "#,##0"})
        self._money: dict[int, Any] = {}

    def money(self, currency: str) -> Any:
        """The form of an amount: as many digits as its currency has."""
        digits = money.exponent(currency)
        if digits not in self._money:
            shown = "#,##0" + ("." + "0" * digits if digits else "")
            self._money[digits] = self.book.add_format({"num_format": shown})
        return self._money[digits]


def write(document: Document, rows: Iterable[Row], out: IO[bytes]) -> None:
    """Write the file to `out`; memory doesn't grow with the rows."""
    book = _Book(document, out)
    try:
        _summary(book, document)
        _lines(book, document, rows)
    finally:
        book.book.close()


def _summary(book: _Book, document: Document) -> None:
    said = labels.texts()
    sheet: Worksheet = book.book.add_worksheet(said["summary"])
    sheet.set_column(0, 0, 30)
    sheet.set_column(1, 8, 20)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    places = chain(_facts(book, document, said), _sums(book, document, said), _rest(book, document, said))
    for at, cells in enumerate(places):
        for column, (value, form) in enumerate(cells):
            _cell(sheet, at, column, value, form)


def _cell(sheet: Worksheet, at: int, column: int, value: Any, form: Any) -> None:
    if isinstance(value, str):
        sheet.write_string(at, column, value, form)
    elif isinstance(value, date):
        sheet.write_number(at, column, serial(value), form)
    else:
        sheet.write_number(at, column, value, form)


_Cells = list[tuple[Any, Any]]


def _facts(book: _Book, document: Document, said: dict[str, str]) -> Iterator[_Cells]:
    run, framed = document.run, document.frame
    yield [(said["title"], book.title)]
    yield [(said["statement"], book.bold), (document.shown_id, None)]
    yield [(said["run"], book.bold), (ids.show(ids.SETTLEMENT_RUN, run.run_id), None)]
    yield [(said["period"], book.bold), (run.first_day, book.day), (run.last_day, book.day)]
    yield [(said["cycle"], book.bold), (labels.cycle(run.cycle), None)]
    yield [(said["attempt"], book.bold), (run.attempt, book.whole)]
    yield [(said["made_on"], book.bold), (framed.made_at.date(), book.day)]
    yield [(said["content_hash"], book.bold), (document.kept.content_hash.hex(), None)]
    yield []
    yield [("", book.head), (said["issued_by"], book.head), (said["for"], book.head)]
    for name in ("name", "code", "address", "tax_id"):
        pair = (getattr(framed.coalition, name), getattr(framed.partner, name))
        yield [(said[name], book.bold), *((value, None) for value in pair)]


def _heading(book: _Book, said: dict[str, str], title: str, *names: str) -> Iterator[_Cells]:
    yield []
    yield [(said[title], book.bold)]
    yield [(said[name], book.head) for name in names]


def _sums(book: _Book, document: Document, said: dict[str, str]) -> Iterator[_Cells]:
    yield from _heading(book, said, "positions", "currency", "opening", "net", "closing")
    for one in document.positions:
        minors = (one.opening_minor, one.amount_minor, one.opening_minor + one.amount_minor)
        form = book.money(one.currency)
        yield [(one.currency, None), *((major(minor, one.currency), form) for minor in minors)]
    yield from _heading(book, said, "totals", "kind", "currency", "points", "receives", "owes")
    for kind, currency, total in totals(document):
        form = book.money(currency)
        yield [
            (book.kinds[kind], None), (currency, None), (total.points, book.whole),
            (major(total.receives_minor, currency), form), (major(total.owes_minor, currency), form),
        ]  # fmt: skip


def _rest(book: _Book, document: Document, said: dict[str, str]) -> Iterator[_Cells]:
    yield from _heading(book, said, "payments", "payer", "payee", "currency", "amount")
    for one in document.payments:
        amount = (major(one.amount_minor, one.currency), book.money(one.currency))
        yield [(document.name(one.payer_id), None), (document.name(one.payee_id), None), (one.currency, None), amount]
    if document.left_out:
        yield from _heading(book, said, "set_aside", "day", "payer", "payee", "issued_on", "points")
    for left in document.left_out:
        yield [
            (left.day, book.day), (document.name(left.payer_id), None), (document.name(left.payee_id), None),
            (left.issued_on, book.day), (left.points, book.whole),
        ]  # fmt: skip
    yield from _disputes(book, document, said)
    yield from _heading(book, said, "seals", "day", "seal")
    for seal in document.content.seals:
        yield [(seal.day, book.day), (seal.chain.hex(), None)]


def _disputes(book: _Book, document: Document, said: dict[str, str]) -> Iterator[_Cells]:
    if not document.disputed:
        return
    steps = labels.dispute_steps()
    yield from _heading(
        book, said, "disputes", "day", "step", "kind", "settled_on", "reference", "currency", "signed", "transaction",
        "dispute",
    )  # fmt: skip
    for one in document.disputed:
        amount = (major(document.signed(one), one.currency), book.money(one.currency))
        transaction = ids.show(ids.TRANSACTION, one.transaction_id) if one.transaction_id else ""
        yield [
            (one.day, book.day), (steps[one.step], None), (book.kinds[one.kind], None), (one.settled_on, book.day),
            (one.reference or "", None), (one.currency, None), amount, (transaction, None),
            (ids.show(ids.DISPUTE, one.dispute_id), None),
        ]  # fmt: skip


def _lines(book: _Book, document: Document, rows: Iterable[Row]) -> None:
    said = labels.texts()
    left = iter(rows)
    first, number = next(left, None), 1
    while number == 1 or first is not None:
        sheet = book.book.add_worksheet(said["lines"] + (f" {number}" if number > 1 else ""))
        sheet.freeze_panes(1, 0)
        for column, (name, width) in enumerate(_LINE_COLUMNS):
            sheet.set_column(column, column, width)
            sheet.write_string(0, column, said[name], book.head)
        some = chain([first] if first is not None else [], islice(left, MOST_LINES - 1))
        for at, row in enumerate(some, start=1):
            _line(book, sheet, at, document, row)
        first, number = next(left, None), number + 1


def serial(day: date) -> int:
    """A day as workbooks count them."""
    return day.toordinal() - _DAY_0


def _line(book: _Book, sheet: Worksheet, at: int, document: Document, row: Row) -> None:
    one, line = row
    text, number = sheet.write_string, sheet.write_number
    is_mine = one.payee_id == document.kept.partner_id
    number(at, 0, serial(one.day), book.day)
    text(at, 1, document.name(one.payer_id if is_mine else one.payee_id))
    text(at, 2, book.kinds[one.kind])
    if (version := document.version(one)) is not None:
        number(at, 3, version)
    if line is not None:
        text(at, 4, ids.show_raw(ids.TRANSACTION, line.transaction_id))
        text(at, 5, line.reference)
        number(at, 6, serial(line.issued_on), book.day)
        number(at, 7, serial(line.concerns), book.day)
        if line.location_id:
            text(at, 15, ids.show_raw(ids.LOCATION, line.location_id))
    number(at, 8, one.points if line is None else line.points, book.whole)
    text(at, 9, one.currency)
    minor = one.amount_minor if line is None else line.amount_minor
    number(at, 10, major(minor if is_mine else -minor, one.currency), book.money(one.currency))
    if (priced := document.pricing(one)) is not None:
        text(at, 11, document.name(priced.issuer_id))
        for column, term in ((12, priced.price_minor), (13, priced.percent)):
            if term is not None:
                number(at, column, Decimal(term))
        if priced.minimum_minor is not None:
            number(at, 14, major(priced.minimum_minor, one.currency), book.money(one.currency))
