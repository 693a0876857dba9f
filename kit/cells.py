"""Tables for spreadsheets (CSV, RFC 4180), in which nothing that somebody named themselves is taken for a formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

Cell = str | int | Decimal | date
# What begins a formula or a command somewhere, in compatibility forms, too.
_BEGINS = "[=＝﹦+＋﹢\\-－﹣−@＠﹫|｜]"
# Where a cell begins: also behind what separates cells in other locales, whose readers don't keep to our quotes.
_FORMULA = re.compile(rf"(^|(?!^)[;\t\r\n|])(?=[\s\u200b-\u200f\u2060\ufeff]*{_BEGINS})|^(?=[\t\r\n])")


def table(rows: Iterable[Sequence[Cell]], *, before: Sequence[Cell] = ()) -> str:
    """`rows` as CSV: numbers bare, everything else quoted and `plain`. Each begins with the cells `before`."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC)
    begin = f"{table([before])[:-2]}," if before else ""
    for row in rows:
        out.write(begin)
        writer.writerow([plain(cell) if isinstance(cell, str) else cell for cell in row])
    return out.getvalue()


def plain(value: str) -> str:
    """`value` as text to every spreadsheet: an apostrophe before what begins a formula (OWASP, CSV injection)."""
    if value.isidentifier():  # letters, digits and low lines, as most of a long table is
        return value
    return _FORMULA.sub(r"\1'", value)
