"""What a night could not price: named, kept, and taken into the first night that can. Nobody else waits for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import text

from coalition.business_days import Flow
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

    @property
    def flow(self) -> Flow:
        """The same as the flow it is."""
        return Flow(self.payer_id, self.payee_id, self.issued_on, self.points)


_SELECT = "SELECT day, payer_id, payee_id, issued_on, points, code FROM settlement.set_aside"
_ORDER = "ORDER BY day, payer_id, payee_id, issued_on"


def of_day(session: Session, day: date) -> list[SetAside]:
    """What the night of `day` left out."""
    return _read(session, f"{_SELECT} WHERE day = :day {_ORDER}", day)


def taken_in(session: Session, day: date) -> list[SetAside]:
    """What the night of `day` took in of earlier days."""
    return _read(session, f"{_SELECT} WHERE settled_on = :day {_ORDER}", day)


def waiting(session: Session, *, before: date) -> list[SetAside]:
    """What was set aside before a day, and no night has taken in."""
    return _read(session, f"{_SELECT} WHERE settled_on IS NULL AND day < :day {_ORDER}", before)


@dataclass(frozen=True)
class Sums:
    """How many pairs of partners wait for a price, and with how many points."""

    pairs: int
    points: int


def sums(session: Session) -> Sums:
    """What is set aside and no night has taken in."""
    row = session.execute(
        text("""
            SELECT count(DISTINCT (payer_id, payee_id)) AS pairs, coalesce(sum(points), 0)::bigint AS points
            FROM settlement.set_aside WHERE settled_on IS NULL
        """)
    ).one()
    return Sums(row.pairs, row.points)


def keep(session: Session, left_out: list[SetAside], taken: list[SetAside], *, day: date) -> None:
    """Write down what the night of `day` left out and what it took in."""
    if left_out:
        session.execute(
            text("""
                INSERT INTO settlement.set_aside (day, payer_id, payee_id, issued_on, points, code)
                VALUES (:day, :payer_id, :payee_id, :issued_on, :points, :code)
            """),
            [vars(one) for one in left_out],
        )
    if taken:
        session.execute(
            text("""
                UPDATE settlement.set_aside SET settled_on = :settled_on
                WHERE day = :day AND payer_id = :payer_id AND payee_id = :payee_id AND issued_on = :issued_on
            """),
            [{**vars(one), "settled_on": day} for one in taken],
        )


def _read(session: Session, statement: str, day: date) -> list[SetAside]:
    return [SetAside(*row) for row in session.execute(text(statement), {"day": day})]
