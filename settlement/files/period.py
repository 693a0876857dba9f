"""The report of a period in every form: for people, programs and spreadsheets, and as a picture."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from kit import money
from kit.cells import Cell, table
from settlement.files.reports import Report
from settlement.periods import PeriodReport
from settlement.pictures.flows import Flow, draw
from settlement.reports import NetLine, ObligationLine
from settlement.tables import CURRENCY, MONEY, NUMBER, Column, Table

COLUMNS = ("record", "first_day", "last_day", "payer", "payee", "kind", "points", "amount_minor", "currency")
LOCATION_COLUMNS = ("location_of", "location_code", "location")


def data(report: PeriodReport) -> dict[str, Any]:
    """For a program: amounts in whole minor units."""
    body = asdict(report)
    for payment in body["payments"]:
        del payment["points"]
    if report.by_location is None:
        del body["by_location"]
    return body


def as_json(report: PeriodReport) -> str:
    """The same as a document."""
    return json.dumps(data(report), indent=2, default=str, ensure_ascii=False)


def as_csv(report: PeriodReport) -> str:
    """One table (RFC 4180), its rows told apart by `record`; of the matrix `payer` is the points' issuer.

    By location it has three columns more, which say what a row of `obligation_at` fell to.
    """
    days = (report.first_day, report.last_day)
    rows: list[Sequence[Cell]] = [COLUMNS]
    rows += [
        ("obligation", *days, o.payer, o.payee, o.kind, o.points, o.amount_minor, o.currency)
        for o in report.obligations
    ]
    rows += [("net_position", *days, "", n.partner, "", "", n.amount_minor, n.currency) for n in report.net_positions]
    rows += [("payment", *days, p.payer, p.payee, "", "", p.amount_minor, p.currency) for p in report.payments]
    rows += [("matrix", *days, m.issuer, m.redeemer, "", m.points, m.amount_minor, m.currency) for m in report.matrix]
    if report.by_location is not None:
        rows = [(*COLUMNS, *LOCATION_COLUMNS), *((*row, "", "", "") for row in rows[1:])]
        rows += [
            ("obligation_at", *days, o.payer, o.payee, o.kind, o.points, o.amount_minor, o.currency,
             o.location_of or "", o.location_code or "", o.location or "")
            for o in report.by_location
        ]  # fmt: skip
    return table(rows).rstrip("\r\n")


def as_table(report: PeriodReport) -> str:
    """For a person."""
    lines = [f"Settlement of {report.first_day} to {report.last_day}", "", "Obligations"]
    lines += [
        f"  {o.payer:<16} → {o.payee:<16} {o.kind:<12} {o.points:>10} points {_show(o.amount_minor, o.currency)}"
        for o in report.obligations
    ] or ["  none"]
    if report.by_location is not None:
        lines += ["", "Obligations by store (where the points were issued, spent or given back)"]
        lines += [
            f"  {o.payer:<16} → {o.payee:<16} {o.kind:<12} {o.points:>10} points {_show(o.amount_minor, o.currency)}"
            f"  {f'{o.location_code} ({o.location_of})' if o.location else 'no store'}"
            for o in report.by_location
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


def report(found: PeriodReport, flows: Sequence[Flow]) -> Report:
    """The report in every form; `flows` are its obligations as `flows.between` adds them up."""
    first, last = found.first_day, found.last_day
    return Report(
        f"settlement_{first}",
        last,
        list(_sheets(found)),
        data(found),
        {
            "table": lambda: as_table(found),
            "json": lambda: as_json(found),
            "csv": lambda: as_csv(found),
            "svg": lambda: draw(flows, first, last),
        },
    )


PAYER, PAYEE = Column("payer", "payer"), Column("payee", "payee")
POINTS, AMOUNT = Column("points", "points", NUMBER), Column("amount_minor", "amount", MONEY)


def _sheets(found: PeriodReport) -> Iterator[tuple[str, Table]]:
    days = f"{found.first_day} to {found.last_day}"
    yield (
        "Obligations",
        Table(
            f"Settlement of {days}",
            (PAYER, PAYEE, Column("kind", "kind"), POINTS, AMOUNT, CURRENCY),
            [(o.payer, o.payee, o.kind, o.points, o.amount_minor, o.currency) for o in found.obligations],
        ),
    )
    yield from positions_and_payments(days, found.net_positions, found.payments)
    yield (
        "Issuer and redeemer",
        Table(
            f"Points by issuer and redeemer, {days}",
            (Column("issuer", "issuer"), Column("redeemer", "redeemer"), POINTS, AMOUNT, CURRENCY),
            [(m.issuer, m.redeemer, m.points, m.amount_minor, m.currency) for m in found.matrix],
        ),
    )
    if found.by_location is not None:
        yield (
            "Obligations by store",
            Table(
                f"Obligations by store, {days}",
                (PAYER, PAYEE, Column("kind", "kind"), POINTS, AMOUNT, CURRENCY, Column("location_of", "store of"),
                 Column("location_code", "store"), Column("location", "store id")),
                [
                    (o.payer, o.payee, o.kind, o.points, o.amount_minor, o.currency, o.location_of or "",
                     o.location_code or "", o.location or "")
                    for o in found.by_location
                ],
            ),
        )  # fmt: skip


def positions_and_payments(
    days: str, nets: Sequence[NetLine], payments: Sequence[ObligationLine]
) -> Iterator[tuple[str, Table]]:
    """The sheets that reports of a day and of a period share."""
    yield (
        "Net positions",
        Table(
            f"Net positions, {days}",
            (Column("party", "party"), AMOUNT, CURRENCY),
            [(n.partner, n.amount_minor, n.currency) for n in nets],
        ),
    )
    yield (
        "Payments",
        Table(
            f"Payments, {days}",
            (PAYER, PAYEE, AMOUNT, CURRENCY),
            [(p.payer, p.payee, p.amount_minor, p.currency) for p in payments],
        ),
    )
