"""Tables of figures in one form, and how people and programs read them.

`settlement.files.reports` has all their formats. A writer of one more takes a Table: its columns say what is money and
what is a number, and `picture` what of it is drawn.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from kit import cells, money

TEXT, NUMBER, MONEY = "text", "number", "money"
Cell = str | int | date | None


@dataclass(frozen=True)
class Column:
    """`name` for programs, `label` for people. MONEY is in minor units of what the row's column `currency` says."""

    name: str
    label: str
    kind: str = TEXT


@dataclass(frozen=True)
class Bars:
    """Drawn as bars of amounts: for each value of `group` one for each of `columns`.

    All columns are MONEY, or all are NUMBER. What has no currency is left out of amounts of money. With `split` there
    is one column, with a bar for each of the values `among` that the column `split` has.
    """

    group: str
    columns: tuple[str, ...]
    split: str | None = None
    among: tuple[str, ...] = ()


@dataclass(frozen=True)
class Squares:
    """Drawn as a shaded matrix: the sum of the column `value` by the values of `row` and `column`."""

    row: str
    column: str
    value: str


@dataclass(frozen=True)
class Table:
    """Rows of as many cells as there are columns; None where there is nothing to say."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    picture: Bars | Squares | None = None

    @property
    def dicts(self) -> list[dict[str, Cell]]:
        """The rows by the names of their columns."""
        return [{column.name: cell for column, cell in zip(self.columns, row, strict=True)} for row in self.rows]

    def column(self, name: str) -> Column:
        """One of its columns."""
        return next(column for column in self.columns if column.name == name)


CURRENCY = Column("currency", "currency")


def as_text(table: Table) -> str:
    """For a person: columns under each other, figures to the right."""
    labels = [column.label for column in table.columns]
    shown = [labels, *([_shown(table, row, n) for n in range(len(labels))] for row in table.rows)]
    widths = [max(len(row[n]) for row in shown) for n in range(len(labels))]
    lines = [
        "  ".join(
            cell.ljust(width) if column.kind == TEXT else cell.rjust(width)
            for cell, width, column in zip(row, widths, table.columns, strict=True)
        ).rstrip()
        for row in shown
    ]
    if not table.rows:
        lines.append("none")
    return "\n".join([table.title, "", *lines, *(["", table.note] if table.note else [])])


def _shown(table: Table, row: Sequence[Cell], n: int) -> str:
    cell, column = row[n], table.columns[n]
    if cell is None:
        return "-"
    if column.kind == MONEY and isinstance(cell, int):
        currency = row[[one.name for one in table.columns].index(CURRENCY.name)]
        return money.as_decimal(cell, str(currency)) if currency else str(cell)
    return str(cell)


def as_json(table: Table) -> str:
    """For a program: amounts in whole minor units."""
    said = {"title": table.title, "data": table.dicts, **({"note": table.note} if table.note else {})}
    return json.dumps(said, indent=2, default=str, ensure_ascii=False)


def as_csv(table: Table) -> str:
    """For a spreadsheet (RFC 4180): amounts in whole minor units."""
    rows = [["" if cell is None else cell for cell in row] for row in table.rows]
    return cells.table([[column.name for column in table.columns], *rows]).rstrip("\r\n")
