"""Breakage by issuer: what is expected of the points that are outstanding, and what was booked in a span of days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from uuid import UUID

from sqlalchemy import text

from coalition import point_movements, programme
from kit.db import Session
from settlement import netting
from settlement.accounting import movements, survival
from settlement.accounting.movements import Row
from settlement.statements import Party
from settlement.tables import CURRENCY, MONEY, NUMBER, Bars, Column, Table


@dataclass(frozen=True)
class Breakage:
    """Points that are outstanding, of these expected to expire unspent, and expired in the span; amounts likewise.

    `shared_minor` is what the fund owes the issuer for points that expired in the span.
    """

    issuer: Party
    currency: str | None
    outstanding: int
    outstanding_minor: Fraction
    expected: Fraction
    expected_minor: Fraction
    booked: int
    booked_minor: Fraction
    shared_minor: int


def read(session: Session, first: date, last: date) -> list[Breakage]:
    """The breakage of settled days, by issuer and currency. Raises SpanRefused, DayNotSettled, MovementsDiffer."""
    rows = movements.read(session, first, last)
    expiry_months = programme.rules(session).expiry_months
    # A month is over with its last day.
    until = survival.months(last + timedelta(days=1)) - 1
    moved = point_movements.by_months(session, last)
    hazards = {
        issuer_id: survival.hazards(
            {(month, moved_in): one for (of, month, moved_in), one in moved.items() if of == issuer_id}, until=until
        )
        for issuer_id in {key[0] for key in moved}
    }
    shared = _shared(session, first, last)
    found: dict[tuple[str, str], Breakage] = {}
    for one in rows:
        age = until + 1 - survival.months(one.month)
        share = survival.surviving(hazards[one.issuer.party_id], age=age, expiry_months=expiry_months)
        key = (one.issuer.code, one.currency or "")
        found[key] = _with(found.get(key), one, share, shared)
    return [found[key] for key in sorted(found)]


def _with(before: Breakage | None, row: Row, share: Fraction, shared: dict[tuple[UUID, str], int]) -> Breakage:
    currency = row.currency
    base = before or Breakage(
        row.issuer, currency, 0, Fraction(0), Fraction(0), Fraction(0), 0, Fraction(0),
        shared.get((row.issuer.party_id, currency or ""), 0),
    )  # fmt: skip
    return Breakage(
        base.issuer, currency, base.outstanding + row.closing, base.outstanding_minor + row.value.closing,
        base.expected + row.closing * share, base.expected_minor + row.value.closing * share,
        base.booked + row.moved.expired, base.booked_minor + row.value.expired, base.shared_minor,
    )  # fmt: skip


def _shared(session: Session, first: date, last: date) -> dict[tuple[UUID, str], int]:
    rows = session.execute(
        text("""
            SELECT payee_id, currency, sum(amount_minor)::bigint FROM settlement.obligation
            WHERE kind = 'breakage' AND day BETWEEN :first AND :last GROUP BY 1, 2
        """),
        {"first": first, "last": last},
    )
    return {(row[0], row[1]): row[2] for row in rows}


COLUMNS = (
    Column("issuer", "issuer"), CURRENCY, Column("outstanding_points", "outstanding", NUMBER),
    Column("outstanding_minor", "value", MONEY), Column("expected_points", "will expire", NUMBER),
    Column("expected_minor", "value", MONEY), Column("booked_points", "expired", NUMBER),
    Column("booked_minor", "value", MONEY), Column("shared_minor", "of it to the issuer", MONEY),
)  # fmt: skip
_NOTE = (
    "Expected by Kaplan and Meier on points by age in calendar months. Ages that no points of the issuer reached yet "
    "count as if all of them were redeemed."
)

_PICTURE = Bars("issuer", ("outstanding_minor", "expected_minor", "booked_minor"))


def table(rows: list[Breakage], first: date, last: date) -> Table:
    """The breakage for people and programs; points that are expected to expire are rounded down."""
    made = [
        (
            one.issuer.code, one.currency, one.outstanding, _minor(one, one.outstanding_minor),
            one.expected.__floor__(), _minor(one, one.expected_minor), one.booked, _minor(one, one.booked_minor),
            _minor(one, Fraction(one.shared_minor)),
        )
        for one in rows
    ]  # fmt: skip
    return Table(f"Breakage from {first} to {last}", COLUMNS, made, _NOTE, _PICTURE)


def _minor(one: Breakage, exact: Fraction) -> int | None:
    return netting.rounded(exact) if one.currency else None
