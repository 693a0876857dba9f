"""What a run could not price: named, kept, and taken into the first run that can. Nobody else waits for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import text

from kit.db import Session

AGREEMENT_MISSING = "agreement_missing"


@dataclass(frozen=True)
class SetAside:
    """`points` of the payer's, issued on `issued_on`, that were burned at the payee on `day`, less those given back."""

    day: date
    payer_id: UUID
    payee_id: UUID
    issued_on: date
    points: int
    code: str = AGREEMENT_MISSING


_SELECT = "SELECT day, payer_id, payee_id, issued_on, points, code FROM settlement.set_aside"
_ORDER = "ORDER BY day, payer_id, payee_id, issued_on"


def of_day(session: Session, day: date) -> list[SetAside]:
    """What the run of `day` left out."""
    return _read(session, f"{_SELECT} WHERE day = :day {_ORDER}", day)


def taken_in(session: Session, day: date) -> list[SetAside]:
    """What the run of `day` took in of earlier days."""
    return _read(session, f"{_SELECT} WHERE settled_on = :day {_ORDER}", day)


@dataclass(frozen=True)
class Sums:
    """How many pairs of partners wait for a price, and with how many points."""

    pairs: int
    points: int


def sums(session: Session) -> Sums:
    """What is set aside and no run has taken in."""
    row = session.execute(
        text("""
            SELECT count(DISTINCT (payer_id, payee_id)) AS pairs, coalesce(sum(points), 0)::bigint AS points
            FROM settlement.set_aside WHERE settled_on IS NULL
        """)
    ).one()
    return Sums(row.pairs, row.points)


# An agreement that was made until the day that is settled.
_UNPRICED = """
    SELECT m.issuer_id, m.partner_id, m.issued_on, m.points FROM coalition.flows_on(:day) m
    WHERE m.kind = 'redemption' AND m.issuer_id <> m.partner_id AND NOT EXISTS (
        SELECT FROM settlement.agreement a
        WHERE a.partner_id = m.issuer_id AND a.valid @> m.issued_on AND coalesce(a.agreed_on, lower(a.valid)) <= :day)
"""


def decide(session: Session, day: date) -> None:
    """Write down what the run of `day` leaves out, and that it takes in what earlier days left out and has a price."""
    session.execute(
        text(f"""
            INSERT INTO settlement.set_aside (day, payer_id, payee_id, issued_on, points, code)
            SELECT :day, unpriced.issuer_id, unpriced.partner_id, unpriced.issued_on, unpriced.points, :code
            FROM ({_UNPRICED}) unpriced
        """),  # noqa: S608 -- made of constants
        {"day": day, "code": AGREEMENT_MISSING},
    )
    session.execute(
        text("""
            UPDATE settlement.set_aside s SET settled_on = :day
            WHERE s.settled_on IS NULL AND s.day < :day AND EXISTS (
                SELECT FROM settlement.agreement a
                WHERE a.partner_id = s.payer_id AND a.valid @> s.issued_on
                  AND coalesce(a.agreed_on, lower(a.valid)) <= :day)
        """),
        {"day": day},
    )


def first_difference(session: Session, day: date) -> str | None:
    """Of what the run of `day` left out, something that is not what moved on it; None: there is nothing."""
    odd = session.execute(
        text("""
            SELECT s.payer_id, s.payee_id, s.points FROM settlement.set_aside s
            WHERE s.day = :day AND NOT EXISTS (
                SELECT FROM coalition.flows_on(:day) m
                WHERE m.kind = 'redemption' AND (m.issuer_id, m.partner_id, m.issued_on, m.points)
                      = (s.payer_id, s.payee_id, s.issued_on, s.points))
            LIMIT 1
        """),
        {"day": day},
    ).first()
    return None if odd is None else f"set_aside: {odd.points} points from {odd.payer_id} to {odd.payee_id} did not move"


def _read(session: Session, statement: str, day: date) -> list[SetAside]:
    return [SetAside(*row) for row in session.execute(text(statement), {"day": day})]
