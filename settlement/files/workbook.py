"""Tables as a workbook: a sheet for each, with amounts in major units. The same tables give the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from typing import IO, Any

from xlsxwriter import Workbook
from xlsxwriter.worksheet import Worksheet

from kit import money
from kit.errors import Invalid
from settlement.files.csv import major
from settlement.files.xlsx import MOST_LINES, serial
from settlement.tables import CURRENCY, MONEY, NUMBER, Cell, Table

Sheets = Sequence[tuple[str, Table]]
EXACT = 10**15  # what a spreadsheet's numbers, which have 15 digits, hold exactly lies below
_WIDE, _NARROW = 24, 14


class SheetTooLong(Invalid):
    code = "sheet_too_long"
    title = "Too long for a sheet"
    description = f"A table has more rows than a sheet of a workbook can: {MOST_LINES}."
    remedy = "Ask for a shorter span of days, or for CSV or JSON, which have no limit."


def require_room(sheets: Sheets) -> None:
    """Raise SheetTooLong for what does not fit, as XlsxWriter would leave it out without a word."""
    for name, table in sheets:
        if len(table.rows) > MOST_LINES:
            raise SheetTooLong(f"{name} has {len(table.rows)} rows")


def write(sheets: Sheets, *, dated: date, out: IO[bytes]) -> None:
    """Write the file to `out`, as if it was made at the beginning of `dated`; raises SheetTooLong before that."""
    require_room(sheets)
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = Workbook(out, {"constant_memory": True, **options})
    try:
        first = sheets[0][1]
        notes = " ".join(dict.fromkeys(table.note for _, table in sheets if table.note))
        made_at = datetime.combine(dated, time())  # naive, as workbooks have it
        book.set_properties({"created": made_at, "title": first.title, "comments": notes})
        forms = _Forms(book)
        for name, table in sheets:
            _sheet(book.add_worksheet(name), table, forms)
    finally:
        book.close()


class _Forms:
    """The forms of a workbook's cells."""

    def __init__(self, book: Workbook) -> None:
        self._book = book
        self.head = book.add_format({"bold": True, "bottom": 1})
        self.day = book.add_format({"num_format": "yyyy-mm-dd", "align": "left"})
        self.whole = book.add_format({"num_format": "#,##0"})
        self._money: dict[int, Any] = {}

    def money(self, currency: str) -> Any:
        """That of an amount: as many digits as its currency has."""
        digits = money.exponent(currency)
        if digits not in self._money:
            shown = "#,##0" + ("." + "0" * digits if digits else "")
            self._money[digits] = self._book.add_format({"num_format": shown})
        return self._money[digits]


def _sheet(sheet: Worksheet, table: Table, forms: _Forms) -> None:
    sheet.freeze_panes(1, 0)
    for at, column in enumerate(table.columns):
        sheet.set_column(at, at, _NARROW if column.kind in (NUMBER, MONEY) else _WIDE)
        sheet.write_string(0, at, column.name.removesuffix("_minor") if column.kind == MONEY else column.name,
                           forms.head)  # fmt: skip
    names = [column.name for column in table.columns]
    of_currency = names.index(CURRENCY.name) if CURRENCY.name in names else None
    for at, row in enumerate(table.rows, start=1):
        currency = "" if of_currency is None else str(row[of_currency] or "")
        for place, (column, cell) in enumerate(zip(table.columns, row, strict=True)):
            _cell(sheet, (at, place), cell, currency if column.kind == MONEY else "", forms)


def _cell(sheet: Worksheet, place: tuple[int, int], cell: Cell, currency: str, forms: _Forms) -> None:
    if cell is None:
        return
    if isinstance(cell, str):
        sheet.write_string(*place, cell)
    elif isinstance(cell, date):
        sheet.write_number(*place, serial(cell), forms.day)
    elif abs(cell) >= EXACT:  # as text, for a number would lose its last digits
        sheet.write_string(*place, money.as_decimal(cell, currency) if currency else str(cell))
    elif currency:
        sheet.write_number(*place, major(cell, currency), forms.money(currency))
    else:
        sheet.write_number(*place, cell, forms.whole)
