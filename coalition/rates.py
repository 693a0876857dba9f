"""Earning rates: how many points an amount earns at a partner; dated versions, as coalition.dated says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TypedDict
from uuid import UUID

from sqlalchemy import text

from coalition import dated
from kit import ids
from kit.db import Session
from kit.errors import Invalid, NotFound
from kit.seen import Seen, check

LARGEST = 1_000_000
MOST_MINOR = 1_000_000_000


class RateNotFound(NotFound):
    """No earning rate has this id, or it was withdrawn."""

    code = "rate_not_found"
    title = "Earning rate not found"


class MalformedRate(Invalid):
    """A rate is a decimal number of points above 0, up to 1,000,000 and with up to 8 decimals, as text."""

    code = "malformed_rate"
    title = "Malformed earning rate"


@dataclass(frozen=True)
class Rate:
    """From `since` to before `until`, `minor_per_unit` minor units of `currency` earn `points_per_unit` points."""

    rate_id: UUID
    partner_id: UUID
    points_per_unit: Decimal
    minor_per_unit: int
    currency: str
    since: date
    until: date | None
    version: int = 1

    @property
    def facts(self) -> dict[str, object]:
        """What it says, for the audit."""
        said = {"points_per_unit": f"{self.points_per_unit:f}", "minor_per_unit": self.minor_per_unit}
        return {**said, "since": self.since, "of": ids.show(ids.PARTNER, self.partner_id)}


class RateChange(TypedDict, total=False):
    """What of a rate is to be different; what is not named stays."""

    points_per_unit: Decimal
    minor_per_unit: int
    since: date


_TABLE = "coalition.earning_rate"
_SELECT = """
    SELECT rate_id, partner_id, trim_scale(points_per_unit), minor_per_unit, currency, lower(valid), upper(valid),
           version
    FROM coalition.earning_rate
"""


def points(text_: str) -> Decimal:
    """A rate's points given as text; raises MalformedRate."""
    try:
        value = Decimal(text_)
    except InvalidOperation:
        value = Decimal(0)
    if not value.is_finite() or not 0 < value <= LARGEST or value != round(value, 8):
        raise MalformedRate(f"{text_!r} is not a rate above 0 and up to {LARGEST} with up to 8 decimals, such as 1.5")
    return Decimal(f"{value.normalize():f}")


def set_rate(
    session: Session,
    *,
    partner_id: UUID,
    points_per_unit: Decimal,
    minor_per_unit: int,
    currency: str,
    since: date,
) -> Rate:
    """From `since` on, `minor_per_unit` minor units of `currency` earn `points_per_unit` points at this partner.

    What was valid then ends the day before; one that begins later stays. Raises DayIsOver, VersionTaken.
    """
    return _put(session, Rate(ids.new(), partner_id, points_per_unit, minor_per_unit, currency, since, None))


def correct(session: Session, *, rate_id: UUID, changes: RateChange, seen: Seen = None) -> Rate:
    """Change a rate that holds on no day that is over. Raises RateNotFound, DayIsOver, VersionTaken, Stale."""
    open_day = dated.take_turn(session, table=_TABLE)
    before = get(session, rate_id)
    check(before.version, seen)
    wanted = replace(before, **changes)
    if wanted == before:
        return before
    dated.take_out(session, table=_TABLE, key="rate_id", value=rate_id)
    dated.refuse_past(wanted.since, open_day=open_day)
    return _put(session, replace(wanted, version=before.version + 1))


def withdraw(session: Session, *, rate_id: UUID) -> Rate:
    """Take back a rate that holds on no day that is over; the one before it goes on. Raises RateNotFound, DayIsOver."""
    dated.take_turn(session, table=_TABLE)
    before = get(session, rate_id)
    dated.take_out(session, table=_TABLE, key="rate_id", value=rate_id)
    return before


def get(session: Session, rate_id: UUID) -> Rate:
    """One rate; raises RateNotFound."""
    row = session.execute(text(f"{_SELECT} WHERE rate_id = :rate_id"), {"rate_id": rate_id}).first()
    if row is None:
        raise RateNotFound("there is no such earning rate")
    return Rate(*row)


def of_partner(session: Session, *, partner_id: UUID, after: UUID, limit: int) -> list[Rate]:
    """A partner's rates behind `after`, past, present and to come, in the order they were set."""
    rows = session.execute(
        text(f"{_SELECT} WHERE partner_id = :partner_id AND rate_id > :after ORDER BY rate_id LIMIT :limit"),
        {"partner_id": partner_id, "after": after, "limit": limit},
    )
    return [Rate(*row) for row in rows]


def in_force(session: Session, partner_id: UUID, day: date) -> bool:
    """Whether the partner has a rate on `day`."""
    found = session.scalar(
        text("SELECT count(*) FROM coalition.earning_rate WHERE partner_id = :p AND valid @> CAST(:day AS date)"),
        {"p": partner_id, "day": day},
    )
    return bool(found)


def _put(session: Session, wanted: Rate) -> Rate:
    until = dated.make_room(session, table=_TABLE, partner_id=wanted.partner_id, since=wanted.since)
    made = replace(wanted, until=until)
    session.execute(
        text("""
            INSERT INTO coalition.earning_rate
                (rate_id, partner_id, points_per_unit, minor_per_unit, currency, valid, version)
            VALUES (:rate_id, :partner_id, :points_per_unit, :minor_per_unit, :currency,
                    daterange(CAST(:since AS date), CAST(:until AS date)), :version)
        """),
        vars(made),
    )
    return made
