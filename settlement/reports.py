"""The settlement report of a day: what was kept, as a table for people, JSON or CSV for programs."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, dataclass
from datetime import date

from sqlalchemy import text

from coalition import business_days
from kit import money
from kit.cells import plain
from kit.db import Session
from kit.errors import NotFound
from partners import accounts


class DayNotSettled(NotFound):
    """The day has not been settled yet."""

    code = "day_not_settled"
    title = "Day not settled"


@dataclass(frozen=True)
class ObligationLine:
    """One obligation, with the partners' names."""

    payer: str
    payee: str
    points: int
    amount_minor: int
    currency: str


@dataclass(frozen=True)
class NetLine:
    """One net position: what the partner receives; negative: owes."""

    partner: str
    amount_minor: int
    currency: str


@dataclass(frozen=True)
class SetAsideLine:
    """Points burned on the day that could not be priced; `settled_on` is the night that took them in, if one has."""

    payer: str
    payee: str
    issued_on: date
    points: int
    code: str
    settled_on: date | None


@dataclass(frozen=True)
class UncoveredLine:
    """Points that a partner's returns could not take back: written off, or owed by the members from then on."""

    partner: str
    points: int


@dataclass(frozen=True)
class Report:
    """Who owes whom for one day, and how it is paid; what waits for a price, and what returns could not cover."""

    day: date
    content_hash: str
    obligations: list[ObligationLine]
    net_positions: list[NetLine]
    payments: list[ObligationLine]
    set_aside: list[SetAsideLine]
    uncovered: list[UncoveredLine]


def get(session: Session, day: date) -> Report:
    """The report of a settled day; raises DayNotSettled."""
    content_hash = session.scalar(
        text("SELECT content_hash FROM settlement.settled_day WHERE day = :day"), {"day": day}
    )
    if content_hash is None:
        raise DayNotSettled(f"{day} is not settled")
    owed = session.execute(
        text("""
            SELECT f.name, t.name, sum(o.points)::bigint, sum(o.amount_minor)::bigint, o.currency
            FROM settlement.obligation o
            JOIN partners.partner f ON f.partner_id = o.payer_id JOIN partners.partner t ON t.partner_id = o.payee_id
            WHERE o.day = :day GROUP BY f.name, t.name, o.currency ORDER BY f.name, t.name, o.currency
        """),
        {"day": day},
    )
    nets = session.execute(
        text("""
            SELECT p.name, n.amount_minor, n.currency FROM settlement.net_position n
            JOIN partners.partner p USING (partner_id) WHERE n.day = :day ORDER BY p.name, n.currency
        """),
        {"day": day},
    )
    paid = session.execute(
        text("""
            SELECT f.name, t.name, 0, y.amount_minor, y.currency FROM settlement.payment y
            JOIN partners.partner f ON f.partner_id = y.payer_id JOIN partners.partner t ON t.partner_id = y.payee_id
            WHERE y.day = :day ORDER BY y.seq
        """),
        {"day": day},
    )
    left_out = session.execute(
        text("""
            SELECT f.name, t.name, s.issued_on, s.points, s.code, s.settled_on FROM settlement.set_aside s
            JOIN partners.partner f ON f.partner_id = s.payer_id JOIN partners.partner t ON t.partner_id = s.payee_id
            WHERE s.day = :day ORDER BY f.name, t.name, s.issued_on
        """),
        {"day": day},
    )
    uncovered = business_days.uncovered(session, day)
    names = {partner.partner_id: partner.name for partner in accounts.everybody(session)}
    return Report(
        day,
        bytes(content_hash).hex(),
        [ObligationLine(*row) for row in owed],
        [NetLine(*row) for row in nets],
        [ObligationLine(*row) for row in paid],
        [SetAsideLine(*row) for row in left_out],
        sorted(
            (UncoveredLine(names[partner_id], points) for partner_id, points in uncovered.items()),
            key=lambda line: line.partner,
        ),
    )


def as_json(report: Report) -> str:
    """The report for a program: amounts in whole minor units."""
    body = asdict(report)
    for payment in body["payments"]:
        del payment["points"]
    return json.dumps(body, indent=2, default=str, ensure_ascii=False)


def as_csv(report: Report) -> str:
    """One table (RFC 4180): every obligation, net position and payment as a row, told apart by `record`."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(["record", "day", "payer", "payee", "points", "amount_minor", "currency"])
    for o in report.obligations:
        writer.writerow(
            ["obligation", report.day, plain(o.payer), plain(o.payee), o.points, o.amount_minor, o.currency]
        )
    for n in report.net_positions:
        writer.writerow(["net_position", report.day, "", plain(n.partner), "", n.amount_minor, n.currency])
    for p in report.payments:
        writer.writerow(["payment", report.day, plain(p.payer), plain(p.payee), "", p.amount_minor, p.currency])
    for s in report.set_aside:
        writer.writerow(["set_aside", report.day, plain(s.payer), plain(s.payee), s.points, "", ""])
    for u in report.uncovered:
        writer.writerow(["uncovered", report.day, plain(u.partner), "", u.points, "", ""])
    return out.getvalue().rstrip("\r\n")


def as_table(report: Report) -> str:
    """The report for a person."""
    lines = [
        f"Settlement of {report.day}",
        "",
        "Obligations (the issuer of burned points owes the partner they were burned at)",
    ]
    lines += [
        f"  {o.payer:<16} → {o.payee:<16} {o.points:>10} points {money.show(o.amount_minor, o.currency):>16}"
        for o in report.obligations
    ] or ["  none"]
    lines += ["", "Net positions (what a partner receives; negative: owes)"]
    lines += [f"  {n.partner:<16} {money.show(n.amount_minor, n.currency):>16}" for n in report.net_positions] or [
        "  none"
    ]
    lines += ["", "Payments"]
    lines += [f"  {sentence}" for sentence in who_owes_whom(report)] or ["  none"]
    if report.set_aside:
        lines += ["", "Set aside (points burned elsewhere whose issuer had no agreement on the day it issued them)"]
        lines += [
            f"  {s.payer:<16} → {s.payee:<16} {s.points:>10} points issued on {s.issued_on}, "
            + (f"settled on {s.settled_on}" if s.settled_on else "waiting")
            for s in report.set_aside
        ]
    if report.uncovered:
        lines += ["", "Not covered (points of returns that were spent already: written off, or owed by the members)"]
        lines += [f"  {u.partner:<16} {u.points:>29} points" for u in report.uncovered]
    return "\n".join([*lines, "", f"content {report.content_hash}"])


def who_owes_whom(report: Report) -> list[str]:
    """The payments as sentences: `Fuelway owes Greengrocer 12.34 GBP`."""
    return [f"{p.payer} owes {p.payee} {money.show(p.amount_minor, p.currency)}" for p in report.payments]
