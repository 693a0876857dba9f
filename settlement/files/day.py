"""The report of a settled day in every form: for people, programs and spreadsheets, and as a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from settlement import reports
from settlement.files.period import AMOUNT, PAYEE, PAYER, POINTS, positions_and_payments
from settlement.files.reports import Report
from settlement.pictures.flows import Flow, draw
from settlement.reports import Report as DayReport
from settlement.tables import CURRENCY, Column, Table


def report(found: DayReport, flows: Sequence[Flow]) -> Report:
    """The report in every form; `flows` are its obligations as `flows.between` adds them up."""
    return Report(
        "settlement",
        found.day,
        list(_sheets(found)),
        asdict(found),
        {
            "table": lambda: reports.as_table(found),
            "json": lambda: reports.as_json(found),
            "csv": lambda: reports.as_csv(found),
            "svg": lambda: draw(flows, found.day, found.day),
        },
    )


def _sheets(found: DayReport) -> Iterator[tuple[str, Table]]:
    day = str(found.day)
    yield (
        "Obligations",
        Table(
            f"Settlement of {day}",
            (PAYER, PAYEE, POINTS, AMOUNT, CURRENCY),
            [(o.payer, o.payee, o.points, o.amount_minor, o.currency) for o in found.obligations],
            f"content {found.content_hash}",
        ),
    )
    yield from positions_and_payments(day, found.net_positions, found.payments)
    if found.set_aside:
        yield (
            "Set aside",
            Table(
                f"Set aside, {day}",
                (PAYER, PAYEE, Column("issued_on", "issued on"), POINTS, Column("code", "why"),
                 Column("settled_on", "settled on")),
                [(s.payer, s.payee, s.issued_on, s.points, s.code, s.settled_on) for s in found.set_aside],
            ),
        )  # fmt: skip
    if found.shortfall:
        yield (
            "Not covered",
            Table(
                f"Points of returns that were not covered, {day}",
                (Column("partner", "partner"), POINTS),
                [(one.partner, one.points) for one in found.shortfall],
            ),
        )
