"""The report of a period: as a table for people, as JSON and CSV for programs, as a workbook for spreadsheets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, time
from decimal import Decimal
from typing import IO

from xlsxwriter import Workbook

from kit import money
from kit.cells import Cell, table
from settlement.files.csv import major
from settlement.periods import PeriodReport

COLUMNS = ("record", "first_day", "last_day", "payer", "payee", "kind", "points", "amount_minor", "currency")


def as_json(report: PeriodReport) -> str:
    """For a program: amounts in whole minor units."""
    body = asdict(report)
    for payment in body["payments"]:
        del payment["points"]
    return json.dumps(body, indent=2, default=str, ensure_ascii=False)


def as_csv(report: PeriodReport) -> str:
    """One table (RFC 4180), its rows told apart by `record`; of the matrix `payer` is the points' issuer."""
    days = (report.first_day, report.last_day)
    rows: list[Sequence[Cell]] = [COLUMNS]
    rows += [
        ("obligation", *days, o.payer, o.payee, o.kind, o.points, o.amount_minor, o.currency)
        for o in report.obligations
    ]
    rows += [("net_position", *days, "", n.partner, "", "", n.amount_minor, n.currency) for n in report.net_positions]
    rows += [("payment", *days, p.payer, p.payee, "", "", p.amount_minor, p.currency) for p in report.payments]
    rows += [("matrix", *days, m.issuer, m.redeemer, "", m.points, m.amount_minor, m.currency) for m in report.matrix]
    return table(rows).rstrip("\r\n")


def as_table(report: PeriodReport) -> str:
    """For a person."""
    lines = [f"Settlement of {report.first_day} to {report.last_day}", "", "Obligations"]
    lines += [
        f"  {o.payer:<16} → {o.payee:<16} {o.kind:<12} {o.points:>10} points {_show(o.amount_minor, o.currency)}"
        for o in report.obligations
    ] or ["  none"]
    lines += ["", "Net positions (what a party receives; negative: owes)"]
    lines += [f"  {n.partner:<16} {_show(n.amount_minor, n.currency)}" for n in report.net_positions] or ["  none"]
    lines += ["", "Payments of the runs that ended in the period"]
    lines += [f"  {p.payer} owes {p.payee} {money.show(p.amount_minor, p.currency)}" for p in report.payments] or [
        "  none"
    ]
    lines += ["", "Points by issuer and by whom they were redeemed at"]
    lines += [
        f"  {m.issuer:<16} → {m.redeemer:<16} {m.points:>23} points {_show(m.amount_minor, m.currency)}"
        for m in report.matrix
    ] or ["  none"]
    return "\n".join(lines)


def _show(minor: int, currency: str) -> str:
    return f"{money.show(minor, currency):>18}"


def write_xlsx(report: PeriodReport, out: IO[bytes]) -> None:
    """A sheet for each part. The same report gives the same bytes, for it is dated by its last day."""
    book = Workbook(out, {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False})
    book.set_properties({"created": datetime.combine(report.last_day, time())})  # naive, as workbooks have it
    head = book.add_format({"bold": True, "bottom": 1})
    for name, columns, rows in _sheets(report):
        sheet = book.add_worksheet(name)
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(columns) - 1, 20)
        for column, title in enumerate(columns):
            sheet.write_string(0, column, title, head)
        for at, row in enumerate(rows, start=1):
            for column, cell in enumerate(row):
                if isinstance(cell, str):
                    sheet.write_string(at, column, cell)
                else:
                    sheet.write_number(at, column, cell)
    book.close()


_Rows = Iterator[tuple[str | int | Decimal, ...]]


def _sheets(report: PeriodReport) -> Iterator[tuple[str, tuple[str, ...], _Rows]]:
    yield (
        "Obligations",
        ("payer", "payee", "kind", "points", "amount", "currency"),
        (
            (o.payer, o.payee, o.kind, o.points, major(o.amount_minor, o.currency), o.currency)
            for o in report.obligations
        ),
    )
    yield (
        "Net positions",
        ("party", "amount", "currency"),
        ((n.partner, major(n.amount_minor, n.currency), n.currency) for n in report.net_positions),
    )
    yield (
        "Payments",
        ("payer", "payee", "amount", "currency"),
        ((p.payer, p.payee, major(p.amount_minor, p.currency), p.currency) for p in report.payments),
    )
    yield (
        "Issuer and redeemer",
        ("issuer", "redeemer", "points", "amount", "currency"),
        ((m.issuer, m.redeemer, m.points, major(m.amount_minor, m.currency), m.currency) for m in report.matrix),
    )
