"""The forms that files come in, and a statement's file in each of its own."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import IO

from kit.db import Session
from kit.translation import speaking
from settlement import statements
from settlement.files import csv, document, pdf, xlsx
from settlement.files.document import Document

LANGUAGES = ("en", "ru")
MEDIA_TYPES = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pdf": "application/pdf",
    "svg": "image/svg+xml",
}
FORMATS = ("json", "csv", "xlsx", "pdf")  # of a statement; reports have others
BINARY = ("xlsx", "pdf")


@dataclass(frozen=True)
class Order:
    """Which file is wanted: one of FORMATS, in one of LANGUAGES. JSON and CSV are the same in all of them."""

    form: str
    language: str = LANGUAGES[0]


def write(session: Session, made: Document, order: Order, out: IO[bytes]) -> None:
    """Write a statement's file to `out`, from rows that its partner may see."""
    with speaking(order.language), closing(document.rows(session, made)) as rows:
        if order.form == "json":
            for part in statements.as_json(session, made.content, made.kept.partner_id):
                out.write(part.encode())
        elif order.form == "csv":
            for some in csv.write(made, rows):
                out.write(some)
        elif order.form == "xlsx":
            xlsx.write(made, rows, out)
        else:
            out.write(pdf.write(made, rows))
