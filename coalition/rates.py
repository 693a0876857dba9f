"""Earning rates: how many points an amount earns at a partner; dated versions, as coalition.dated says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TypedDict
from uuid import UUID

from sqlalchemy import text

from coalition import dated
from kit import audit, ids
from kit.audit import Act
from kit.db import Session
from kit.errors import Invalid, NotFound
from kit.expected_version import ExpectedVersion, check

LARGEST = 1_000_000
MOST_MINOR = 1_000_000_000


class RateNotFound(NotFound):
    code = "rate_not_found"
    title = "Earning rate not found"
    description = "No earning rate has this id, or it was withdrawn."
    remedy = (
        "List the partner's rates with GET /v1/admin/partners/{partner_id}/rates or `coalition rate list`, and use an "
        "id from there."
    )


class MalformedRate(Invalid):
    code = "malformed_rate"
    title = "Malformed earning rate"
    description = (
        "A rate is a decimal number of points, sent as text: above 0, up to 1,000,000, with up to 8 decimal places."
    )
    remedy = 'Send the rate as a string of digits with a point, such as "1.5", not as a JSON number.'


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
        return {**said, "since": self.since}


class RateChange(TypedDict, total=False):
    """What of a rate is to be different; what is not named stays."""

    points_per_unit: Decimal
    minor_per_unit: int
    since: date


VERSIONS = dated.Versions("rate", "coalition.earning_rate", "rate_id")
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
    act: Act,
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
    made = _put(session, Rate(ids.new(), partner_id, points_per_unit, minor_per_unit, currency, since, None))
    audit.append(session, act, "rate.set", made, **made.facts)
    return made


def correct(
    session: Session, act: Act, *, rate_id: UUID, changes: RateChange, expected_version: ExpectedVersion = None
) -> Rate:
    """Change a rate that holds on no day that is over.

    Raises RateNotFound, DayIsOver, VersionTaken, Stale, and what dated.DEMANDS raise.
    """
    open_day = dated.take_turn(session)
    before = get(session, rate_id)
    check(before.version, expected_version)
    wanted = replace(before, **changes)
    made = before if wanted == before else _replace(session, before, wanted, open_day=open_day)
    audit.append(session, act, "rate.corrected", made, **made.facts)
    return made


def _replace(session: Session, before: Rate, wanted: Rate, *, open_day: date) -> Rate:
    with dated.changing(session, VERSIONS, partner_id=before.partner_id):
        dated.take_out(session, VERSIONS, version_id=before.rate_id)
        dated.refuse_past(wanted.since, open_day=open_day)
        return _put(session, replace(wanted, version=before.version + 1))


def withdraw(session: Session, act: Act, *, rate_id: UUID) -> Rate:
    """Take back a rate that holds on no day that is over; the one before it goes on.

    Raises RateNotFound, DayIsOver, and what dated.DEMANDS raise.
    """
    dated.take_turn(session)
    before = get(session, rate_id)
    with dated.changing(session, VERSIONS, partner_id=before.partner_id):
        dated.take_out(session, VERSIONS, version_id=rate_id)
    audit.append(session, act, "rate.withdrawn", before, **before.facts)
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


def _put(session: Session, wanted: Rate) -> Rate:
    until = dated.make_room(session, VERSIONS, partner_id=wanted.partner_id, since=wanted.since)
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
