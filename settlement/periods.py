"""Periods: who owed whom over any span of settled days; every figure is the sum of its days."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import text

from kit import ids
from kit.db import Session
from kit.errors import Invalid
from partners import locations as places
from settlement import agreements, cycles, locations, runs, spans, statements
from settlement.cycles import Span
from settlement.reports import NetLine, ObligationLine


class MalformedPeriod(Invalid):
    code = "malformed_period"
    title = "Malformed period"
    description = "A period is a week, month or quarter, or goes from a day to a later one, over ten years at most."
    remedy = "Write a week as 2026-W09, a month as 2026-03, a quarter as 2026-Q1, and a day as 2026-03-02."


@dataclass(frozen=True)
class KindLine:
    """What `payer` owes `payee` of one kind over the period."""

    payer: str
    payee: str
    kind: str
    points: int
    amount_minor: int
    currency: str


@dataclass(frozen=True)
class MatrixCell:
    """Points that `issuer` had issued and `redeemer` took, less those given back, and what was owed for them."""

    issuer: str
    redeemer: str
    points: int
    amount_minor: int
    currency: str


@dataclass(frozen=True)
class LocationLine(KindLine):
    """What of that fell to a location, by its partner's name, its code and its id; all None: to none that was named."""

    location_of: str | None
    location_code: str | None
    location: str | None


@dataclass(frozen=True)
class PeriodReport:
    """Who owes whom for the days from `first_day` to `last_day`, by parties' names; payments of the runs that ended.

    `by_location` is what the obligations are by location, where that was asked for, and adds up to them.
    """

    first_day: date
    last_day: date
    obligations: list[KindLine]
    net_positions: list[NetLine]
    payments: list[ObligationLine]
    matrix: list[MatrixCell]
    by_location: list[LocationLine] | None = None


@dataclass(frozen=True)
class Asked:
    """Whose obligations are asked for: all, those of one party, or those between it and another; and by location."""

    party_id: UUID | None = None
    counterparty_id: UUID | None = None
    by_location: bool = False

    def concerns(self, payer_id: UUID, payee_id: UUID) -> bool:
        """Whether an obligation between the two is one of them."""
        return {self.party_id, self.counterparty_id} - {None} <= {payer_id, payee_id}


EVERYTHING = Asked()


def week(said: str) -> Span:
    """The days of a week (ISO 8601), such as 2026-W09; raises MalformedPeriod."""
    found = re.fullmatch(r"(\d{4})-W(\d{2})", said)
    try:
        if found is None:
            raise ValueError
        return cycles.span(cycles.WEEKLY, date.fromisocalendar(int(found[1]), int(found[2]), 1))
    except (ValueError, OverflowError):
        raise MalformedPeriod(f"{said!r} is not a week such as 2026-W09") from None


def month(said: str) -> Span:
    """The days of a month, such as 2026-03; raises MalformedPeriod."""
    return _months(said, re.fullmatch(r"(\d{4})-(\d{2})", said), "month such as 2026-03", 1)


def quarter(said: str) -> Span:
    """The days of a quarter, such as 2026-Q1; raises MalformedPeriod."""
    return _months(said, re.fullmatch(r"(\d{4})-Q(\d)", said), "quarter such as 2026-Q1", 3)


def chosen(
    *,
    first: date | None = None,
    last: date | None = None,
    week_of: str | None = None,
    month_of: str | None = None,
    quarter_of: str | None = None,
) -> Span:
    """The days that somebody asks for in one of these ways; raises MalformedPeriod."""
    named = [made(said) for made, said in ((week, week_of), (month, month_of), (quarter, quarter_of)) if said]
    if (first is None) != (last is None):
        raise MalformedPeriod("the first and the last day of a period go together")
    if first is not None and last is not None:
        named.append(Span(first, last))
    if len(named) != 1:
        raise MalformedPeriod("name a week, a month, a quarter, or the first and the last day, one of them")
    return named[0]


def _months(said: str, found: re.Match[str] | None, what: str, months: int) -> Span:
    try:
        if found is None:
            raise ValueError
        year, number = int(found[1]), int(found[2])
        first = date(year, (number - 1) * months + 1, 1)
        return Span(first, cycles.span(cycles.MONTHLY, date(year, number * months, 1)).last)
    except ValueError:
        raise MalformedPeriod(f"{said!r} is not a {what}") from None


def get(session: Session, days: Span, asked: Asked = EVERYTHING) -> PeriodReport:
    """The report of a period; raises MalformedPeriod, and DayNotSettled for the first day that isn't settled."""
    if not 0 <= (days.last - days.first).days < spans.MOST_DAYS:
        raise MalformedPeriod(f"from {days.first} to {days.last} is no period of 1 to {spans.MOST_DAYS} days")
    spans.settled(session, days.first, days.last)
    names = {party_id: party.name for party_id, party in statements.parties(session).items()}
    issuers = {one.agreement_id: one.partner_id for one in agreements.everything(session)}
    rows = session.execute(
        text("""
            SELECT payer_id, payee_id, kind, currency, agreement_id, sum(points)::bigint AS points,
                   sum(amount_minor)::bigint AS amount_minor
            FROM settlement.obligation WHERE day BETWEEN :first AND :last
            GROUP BY payer_id, payee_id, kind, currency, agreement_id
        """),
        {"first": days.first, "last": days.last},
    ).all()
    owed: dict[tuple[UUID, UUID, str, str], tuple[int, int]] = {}
    crossed: dict[tuple[UUID, UUID, str], tuple[int, int]] = {}
    nets: dict[tuple[UUID, str], tuple[int, int]] = {}
    for row in rows:
        if not asked.concerns(row.payer_id, row.payee_id):
            continue
        _add(owed, (row.payer_id, row.payee_id, row.kind, row.currency), row.points, row.amount_minor)
        if row.kind == "redemption":
            _add(crossed, (issuers[row.agreement_id], row.payee_id, row.currency), row.points, row.amount_minor)
        _add(nets, (row.payee_id, row.currency), 0, row.amount_minor)
        _add(nets, (row.payer_id, row.currency), 0, -row.amount_minor)
    lines = [KindLine(names[a], names[b], kind, *sums, currency) for (a, b, kind, currency), sums in owed.items()]
    cells = [MatrixCell(names[a], names[b], *sums, currency) for (a, b, currency), sums in crossed.items()]
    return PeriodReport(
        days.first,
        days.last,
        sorted(lines, key=lambda one: (one.payer, one.payee, one.kind, one.currency)),
        sorted(
            (NetLine(names[party], minor, currency) for (party, currency), (_, minor) in nets.items()),
            key=lambda one: (one.partner, one.currency),
        ),
        _payments(session, days, asked, names),
        sorted(cells, key=lambda one: (one.issuer, one.redeemer, one.currency)),
        _by_location(session, days, owed, names) if asked.by_location else None,
    )


_Owed = dict[tuple[UUID, UUID, str, str], tuple[int, int]]


def _by_location(session: Session, days: Span, owed: _Owed, names: dict[UUID, str]) -> list[LocationLine]:
    """What is owed by location, and the rest of it that no location has."""
    found = [one for one in locations.between(session, days.first, days.last) if one[:4] in owed]
    known = places.some(session, {one.location_id for one in found})
    rest = dict(owed)
    lines = []
    for one in found:
        _add(rest, one[:4], -one.points, -one.amount_minor)
        at = known[one.location_id]
        said = (names[at.partner_id], at.code, ids.show(ids.LOCATION, at.location_id))
        lines.append(_line(names, one[:4], (one.points, one.amount_minor), said))
    lines += [_line(names, key, sums, (None, None, None)) for key, sums in rest.items() if any(sums)]
    return sorted(
        lines,
        key=lambda one: (one.payer, one.payee, one.kind, one.currency, one.location_of or "", one.location_code or "",
                         one.location or ""),
    )  # fmt: skip


def _line(
    names: dict[UUID, str], key: tuple[UUID, UUID, str, str], sums: tuple[int, int], at: tuple[str | None, ...]
) -> LocationLine:
    payer_id, payee_id, kind, currency = key
    return LocationLine(names[payer_id], names[payee_id], kind, *sums, currency, *at)


def _add(sums: dict[Any, tuple[int, int]], key: Any, points: int, minor: int) -> None:
    before = sums.get(key, (0, 0))
    sums[key] = before[0] + points, before[1] + minor


def _payments(session: Session, days: Span, asked: Asked, names: dict[UUID, str]) -> list[ObligationLine]:
    rows = session.execute(
        text("""
            SELECT p.payer_id, p.payee_id, sum(p.amount_minor)::bigint AS amount_minor, p.currency
            FROM settlement.run r JOIN settlement.run_payment p USING (run_id)
            WHERE r.last_day BETWEEN :first AND :last AND r.state <> :abandoned
            GROUP BY p.payer_id, p.payee_id, p.currency
        """),
        {"first": days.first, "last": days.last, "abandoned": runs.ABANDONED},
    )
    made = [
        ObligationLine(names[row.payer_id], names[row.payee_id], 0, row.amount_minor, row.currency)
        for row in rows
        if asked.concerns(row.payer_id, row.payee_id)
    ]
    return sorted(made, key=lambda one: (one.payer, one.payee, one.currency))
