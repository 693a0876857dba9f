"""The forms that reports for the coalition's admin come in, one way for all of them, and the files in each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import IO, Any

from settlement import tables
from settlement.files import workbook
from settlement.files.workbook import Sheets
from settlement.pictures import tables as pictures
from settlement.tables import Table

FORMS = ("table", "json", "csv", "xlsx", "svg")
FILES = ("csv", "xlsx", "svg")  # what JSON, which the API answers, is not
BINARY = ("xlsx",)


@dataclass(frozen=True)
class Report:
    """A report: what its files are called, the day that dates its workbook, the sheets of that, and its texts by form.

    `data` is what its JSON says. The texts are made when they are asked for.
    """

    name: str
    dated: date
    sheets: Sheets
    data: Mapping[str, Any]
    texts: Mapping[str, Callable[[], str]]

    @property
    def table(self) -> Table:
        """The table that it is, or that its workbook begins with."""
        return self.sheets[0][1]


def of_table(made: Table, *, name: str, dated: date) -> Report:
    """A report of one table."""
    return Report(
        name,
        dated,
        [(name, made)],
        {"title": made.title, "data": made.dicts, "note": made.note},
        {
            "table": lambda: tables.as_text(made),
            "json": lambda: tables.as_json(made),
            "csv": lambda: tables.as_csv(made),
            "svg": lambda: pictures.draw(made),
        },
    )


def file_name(report: Report, form: str) -> str:
    """What its file in a form is called."""
    return f"{report.name}_{report.dated}.{form}"


def write(report: Report, form: str, out: IO[bytes]) -> None:
    """Write a report in one of FORMS to `out`; raises SheetTooLong."""
    if form == "xlsx":
        workbook.write(report.sheets, dated=report.dated, out=out)
    else:
        end = "\r\n" if form == "csv" else "\n"  # RFC 4180
        out.write(f"{report.texts[form]().rstrip()}{end}".encode())
