"""The settlement report of a day: what was kept, as a table for people, JSON or CSV for programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, TypeVar

from sqlalchemy import Row, text

from coalition import business_days
from kit import money
from kit.cells import table
from kit.db import Session
from kit.errors import NotFound
from settlement import runs, settled_days, statements


class DayNotSettled(NotFound):
    code = "day_not_settled"
    title = "Day not settled"
    description = "The day has not been settled yet."
    remedy = "Settle the day with `coalition settlement run` once it is over, then make the report."


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
    """Points burned on the day that could not be priced; `settled_on` is the run that took them in, if one has."""

    payer: str
    payee: str
    issued_on: date
    points: int
    code: str
    settled_on: date | None


@dataclass(frozen=True)
class ShortfallLine:
    """Points that a partner's returns could not take back: written off, or owed by the members from then on."""

    partner: str
    points: int


Line = TypeVar("Line", ObligationLine, NetLine, SetAsideLine)


@dataclass(frozen=True)
class Report:
    """Who owes whom for one day, and how it is paid; what waits for a price, and what returns could not cover."""

    day: date
    content_hash: str
    obligations: list[ObligationLine]
    net_positions: list[NetLine]
    payments: list[ObligationLine]
    set_aside: list[SetAsideLine]
    shortfall: list[ShortfallLine]


def get(session: Session, day: date) -> Report:
    """The report of a settled day; raises DayNotSettled."""
    kept = settled_days.content_hash(session, day)
    if kept is None:
        raise DayNotSettled(f"{day} is not settled")
    # Who a partner is, is the partners' to say: names are put in here, and order the lines.
    names = {party_id: party.name for party_id, party in statements.parties(session).items()}

    def lines(statement: str, shown: Callable[[Row[Any]], Line]) -> list[Line]:
        return [shown(row) for row in session.execute(text(statement), {"day": day})]

    owed = lines(
        """
        SELECT payer_id, payee_id, sum(points) FILTER (WHERE kind = 'redemption')::bigint AS points,
               sum(amount_minor)::bigint AS amount_minor, currency
        FROM settlement.obligation WHERE day = :day GROUP BY payer_id, payee_id, currency
        """,
        lambda o: ObligationLine(names[o.payer_id], names[o.payee_id], o.points or 0, o.amount_minor, o.currency),
    )
    nets = lines(
        """
        SELECT party_id, sum(amount_minor)::bigint AS amount_minor, currency
        FROM (SELECT payee_id AS party_id, amount_minor, currency FROM settlement.obligation WHERE day = :day
              UNION ALL
              SELECT payer_id, -amount_minor, currency FROM settlement.obligation WHERE day = :day) both_sides
        GROUP BY party_id, currency
        """,
        lambda n: NetLine(names[n.party_id], n.amount_minor, n.currency),
    )
    paid = [
        ObligationLine(names[p.payer_id], names[p.payee_id], 0, p.amount_minor, p.currency)
        for run in runs.ending_on(session, day)
        for p in runs.payments(session, run.run_id)
    ]
    left_out = lines(
        "SELECT payer_id, payee_id, issued_on, points, code, settled_on FROM settlement.set_aside WHERE day = :day",
        lambda s: SetAsideLine(names[s.payer_id], names[s.payee_id], s.issued_on, s.points, s.code, s.settled_on),
    )
    shortfall = business_days.shortfall(session, day)
    return Report(
        day,
        kept.hex(),
        sorted(owed, key=lambda o: (o.payer, o.payee, o.currency)),
        sorted(nets, key=lambda n: (n.partner, n.currency)),
        paid,
        sorted(left_out, key=lambda s: (s.payer, s.payee, s.issued_on)),
        sorted(
            (ShortfallLine(names[partner_id], points) for partner_id, points in shortfall.items()),
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
    day = report.day
    return table(
        [
            ("record", "day", "payer", "payee", "points", "amount_minor", "currency"),
            *(("obligation", day, o.payer, o.payee, o.points, o.amount_minor, o.currency) for o in report.obligations),
            *(("net_position", day, "", n.partner, "", n.amount_minor, n.currency) for n in report.net_positions),
            *(("payment", day, p.payer, p.payee, "", p.amount_minor, p.currency) for p in report.payments),
            *(("set_aside", day, s.payer, s.payee, s.points, "", "") for s in report.set_aside),
            *(("shortfall", day, u.partner, "", u.points, "", "") for u in report.shortfall),
        ]
    ).rstrip("\r\n")


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
        lines += ["", "Set aside (points burned elsewhere, whose issuer had no agreement on the day it issued them)"]
        lines += [
            f"  {s.payer:<16} → {s.payee:<16} {s.points:>10} points issued on {s.issued_on}, "
            + (f"settled on {s.settled_on}" if s.settled_on else "waiting")
            for s in report.set_aside
        ]
    if report.shortfall:
        lines += [
            "",
            "Not covered (points of returns that members had already spent: written off, or owed by the members)",
        ]
        lines += [f"  {u.partner:<16} {u.points:>29} points" for u in report.shortfall]
    return "\n".join([*lines, "", f"content {report.content_hash}"])


def who_owes_whom(report: Report) -> list[str]:
    """The payments as sentences: `Fuelway owes Greengrocer 12.34 GBP`."""
    return [f"{p.payer} owes {p.payee} {money.show(p.amount_minor, p.currency)}" for p in report.payments]
