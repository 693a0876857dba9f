"""Tables of figures in one form, and the formats they are printed in.

A writer of one more format takes a Table: its columns say what is money and what is a number.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
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
class Table:
    """Rows of as many cells as there are columns; None where there is nothing to say."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    note: str = ""

    @property
    def dicts(self) -> list[dict[str, Cell]]:
        """The rows by the names of their columns."""
        return [{column.name: cell for column, cell in zip(self.columns, row, strict=True)} for row in self.rows]


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


FORMATS: dict[str, Callable[[Table], str]] = {"table": as_text, "json": as_json, "csv": as_csv}
