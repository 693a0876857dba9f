"""A statement as PDF/A-3a to be filed: what it comes to, by day and counterparty, with the CSV of every line attached.

What it says goes in as JSON and never as markup. The same rows give the same bytes, with the same release of typst.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from io import BytesIO
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

import typst

from kit import ids, translation
from kit.errors import Unavailable
from kit.translation import decimal, number, short_day
from settlement.files import csv, labels
from settlement.files.document import DayLine, Document, Head, Row, day_lines, totals
from settlement.runs import Payment
from settlement.set_aside import SetAside

MOST_LINES = 4_000  # by day, 80 pages and half a gigabyte; of more, the counterparties over the whole period are listed
WAIT_S = 10.0  # for one's turn, before the request is refused
_ONE_AT_A_TIME = Lock()  # in a process, for each takes that much memory
_LONG_WORD = re.compile(r"\S{16}")
MOST_PLAIN = 8 * 2**20  # bytes of an attachment: a larger one is a gzip file, for all of it is in memory
_TEMPLATE = files("settlement.files").joinpath("statement.typ")


class TooManyPdfs(Unavailable):
    code = "too_many_pdfs"
    title = "Too many PDFs"
    description = "Other PDFs are being made, one after another, and the wait for yours is too long."
    remedy = (
        "Ask again after the number of seconds in Retry-After, or take the XLSX or CSV file, which is made at once."
    )
    facts = ("retry_after_s",)


@contextmanager
def _in_turn() -> Iterator[None]:
    """Alone in this process; raises TooManyPdfs rather than keep a request's thread waiting."""
    if not _ONE_AT_A_TIME.acquire(timeout=WAIT_S):
        raise TooManyPdfs("other PDFs are being made; ask again in a moment", retry_after_s=round(WAIT_S))
    try:
        yield
    finally:
        _ONE_AT_A_TIME.release()


def write(document: Document, rows: Iterable[Row]) -> bytes:
    """The file. All of it is in memory: some ten bytes for each line of the CSV. Raises TooManyPdfs."""
    name, kind, attached = attachment(document, rows)
    said = json.dumps(_said(document, name, kind), ensure_ascii=False)
    with _in_turn(), TemporaryDirectory() as root:
        template = Path(root, "statement.typ")
        template.write_bytes(_TEMPLATE.read_bytes())
        Path(root, name).write_bytes(attached)
        made: bytes = typst.compile(
            template,
            root=Path(root),
            format="pdf",
            sys_inputs={"data": said},
            ignore_system_fonts=True,
            pdf_standards=["a-3a", "ua-1"],
        )
    return made


def attachment(document: Document, rows: Iterable[Row]) -> tuple[str, str, bytes]:
    """The CSV that goes with the statement: its name, media type and bytes; compressed once it is large."""
    parts = csv.write(document, rows)
    plain = bytearray()
    for part in parts:
        plain += part
        if len(plain) > MOST_PLAIN:
            out = BytesIO()
            with gzip.GzipFile(filename="", fileobj=out, mode="wb", mtime=0) as packed:
                for each in chain([bytes(plain)], parts):
                    packed.write(each)
            return f"{document.file_name}.csv.gz", "application/gzip", out.getvalue()
    return f"{document.file_name}.csv", "text/csv", bytes(plain)


def _said(document: Document, attachment_name: str, attachment_type: str) -> dict[str, Any]:
    framed, said, kinds = document.frame, labels.texts(), labels.kinds()
    lines = day_lines(document)
    by_day = len(lines) <= MOST_LINES
    made = framed.made_at
    return {
        "language": translation.language(),
        "text": said,
        "title": f"{said['title']} {document.shown_id}",
        "author": framed.coalition.name,
        "footer": f"{said['statement']} {document.shown_id}",
        "made": [made.year, made.month, made.day, made.hour, made.minute, made.second],
        "coalition": _party(framed.coalition),
        "partner": _party(framed.partner),
        "facts": _facts(document, said),
        "positions": [
            [one.currency, *(_money(minor, one.currency) for minor in (
                one.opening_minor, one.amount_minor, one.opening_minor + one.amount_minor))]
            for one in document.positions
        ],
        **_totals(document, said),
        "payments": [
            [*_both_names(document, one), one.currency, _money(one.amount_minor, one.currency)]
            for one in document.payments
        ],
        "by_day": by_day,
        "lines": [_line(document, one, kinds) for one in (lines if by_day else day_lines(document, by_day=False))],
        "set_aside": [
            [short_day(one.day), *_both_names(document, one), short_day(one.issued_on), number(one.points)]
            for one in document.left_out
        ],
        "disputes": _disputes(document, kinds),
        "disputes_cut": len(document.disputed) > MOST_LINES,
        "content_hash": document.kept.content_hash.hex(),
        "seals": [[short_day(seal.day), seal.chain.hex()] for seal in document.content.seals],
        "attachment": attachment_name,
        "attachment_type": attachment_type,
    }  # fmt: skip


def _disputes(document: Document, kinds: dict[str, str]) -> list[list[str]]:
    steps = labels.dispute_steps()
    return [
        [short_day(one.day), steps[one.step], kinds[one.kind], short_day(one.settled_on), _soft(one.reference or ""),
         one.currency, _money(document.signed(one), one.currency)]
        for one in document.disputed[:MOST_LINES]
    ]  # fmt: skip


def _party(head: Head) -> dict[str, str]:
    return {name: _soft(value) for name, value in vars(head).items()}


def _both_names(document: Document, one: Payment | SetAside) -> list[str]:
    return [_soft(document.name(party_id)) for party_id in (one.payer_id, one.payee_id)]


def _soft(said: str) -> str:
    """A name that may break inside a long word rather than run out of its column."""
    return _LONG_WORD.sub("\\g<0>\u200b", said)


def _money(minor: int, currency: str) -> str:
    major = csv.major(minor, currency)
    return decimal(major, -int(major.as_tuple().exponent))


def _facts(document: Document, said: dict[str, str]) -> list[tuple[str, str]]:
    run = document.run
    days = translation.day(run.first_day)
    if not run.is_daily:
        days = f"{days} – {translation.day(run.last_day)}"
    facts = [
        (said["statement"], document.shown_id),
        (said["run"], ids.show(ids.SETTLEMENT_RUN, run.run_id)),
        (said["period"], days),
        (said["cycle"], labels.cycle(run.cycle)),
        (said["made_on"], translation.day(document.frame.made_at)),
    ]
    return facts if run.attempt == 1 else [*facts, (said["attempt"], number(run.attempt))]


def _totals(document: Document, said: dict[str, str]) -> dict[str, list[list[str]]]:
    kinds, rows, sums = labels.kinds(), [], dict[str, tuple[int, int]]()
    for kind, currency, total in totals(document):
        rows.append(
            [kinds[kind], currency, number(total.points) if total.points else "",
             *_both(total.receives_minor, total.owes_minor, currency)]
        )  # fmt: skip
        receives, owes = sums.get(currency, (0, 0))
        sums[currency] = receives + total.receives_minor, owes + total.owes_minor
    return {"totals": rows, "sums": [[said["sum"], cur, "", *_both(*both, cur)] for cur, both in sums.items()]}


def _both(receives_minor: int, owes_minor: int, currency: str) -> list[str]:
    return [_money(minor, currency) if minor else "" for minor in (receives_minor, owes_minor)]


def _line(document: Document, one: DayLine, kinds: dict[str, str]) -> list[str]:
    day = [] if one.day is None else [short_day(one.day)]
    points = number(one.sum.points) if one.sum.points else ""
    amounts = _both(one.sum.receives_minor, one.sum.owes_minor, one.currency)
    return [*day, _soft(document.name(one.counterparty_id)), kinds[one.kind], points, one.currency, *amounts]
