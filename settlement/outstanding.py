"""Points outstanding, by issuer and day of issue: as they stood at the end of a closed day, and what moved since.

How they stood is kept, so that nobody who asks reads history; it follows from the postings and can be made anew.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text

from coalition import point_movements, programme
from kit.db import Session, wait_for_lock
from settlement import settled_days
from settlement.spans import SpanRefused

LOCK = "settlement.outstanding"
MOST_DAYS_BETWEEN = 400  # from the last settled day: each is a query


class Lot(NamedTuple):
    """All points that an issuer issued on one day."""

    issuer_id: UUID
    issued_on: date


class Flow(NamedTuple):
    """Points that moved on a day, as coalition.flows_on says; `kind` is redemption, issue or breakage."""

    kind: str
    issuer_id: UUID
    partner_id: UUID
    issued_on: date
    points: int

    @property
    def change(self) -> int:
        """What it adds to the points outstanding."""
        return self.points if self.kind == "issue" else -self.points


def flows(session: Session, day: date) -> list[Flow]:
    """What moved on a day."""
    rows = session.execute(
        text("SELECT kind, issuer_id, partner_id, issued_on, points FROM coalition.flows_on(:day)"), {"day": day}
    )
    return [Flow(*row) for row in rows]


def now(session: Session) -> Counter[Lot]:
    """The points outstanding, those of the open business day included; none that are 0."""
    kept_until, found = _kept(session)
    open_day = programme.get(session).open_day
    if kept_until is None:
        return _of_postings(session, open_day)
    for day in _days(kept_until, open_day):
        _add(found, flows(session, day))
    return _without_zero(found)


def at(session: Session, day: date) -> Counter[Lot]:
    """The points outstanding at the end of a closed day: as they are kept, with what moved between the two days.

    It reads the postings of the days between; where nothing is kept yet, all until `day`. Raises SpanRefused.
    """
    kept_until, found = _kept(session)
    if kept_until is None:
        return _of_postings(session, day)
    if abs((day - kept_until).days) > MOST_DAYS_BETWEEN:
        raise SpanRefused(f"{day} is more than {MOST_DAYS_BETWEEN} days from {kept_until}: ask for its movements")
    for each in _days(kept_until, day):
        _add(found, flows(session, each))
    for each in _days(day, kept_until):
        for one in flows(session, each):
            found[Lot(one.issuer_id, one.issued_on)] -= one.change
    return _without_zero(found)


def keep(session: Session) -> date | None:
    """Carry what is kept on to the last settled day; returns it. Two at once take turns."""
    wait_for_lock(session, LOCK)
    last, (kept_until, made) = settled_days.last(session), _kept(session)
    if last is None or kept_until == last:
        return last
    if kept_until is None:
        made = _of_postings(session, last)
    else:
        for day in _days(kept_until, last):
            _add(made, flows(session, day))
    session.execute(text("DELETE FROM settlement.outstanding"))
    if made := _without_zero(made):
        session.execute(
            text("INSERT INTO settlement.outstanding (issuer_id, issued_on, points) VALUES (:issuer, :day, :points)"),
            [{"issuer": lot.issuer_id, "day": lot.issued_on, "points": points} for lot, points in made.items()],
        )
    session.execute(text("UPDATE settlement.outstanding_until SET day = :day"), {"day": last})
    return last


def _kept(session: Session) -> tuple[date | None, Counter[Lot]]:
    """What is kept and the day until which it is, in one look: a night may carry both on between two."""
    rows = session.execute(
        text("""
            SELECT u.day, o.issuer_id, o.issued_on, o.points
            FROM settlement.outstanding_until u LEFT JOIN settlement.outstanding o ON true
        """)
    ).all()
    lots = {Lot(row.issuer_id, row.issued_on): row.points for row in rows if row.issuer_id is not None}
    return (rows[0].day if rows else None), Counter(lots)


def _of_postings(session: Session, last: date) -> Counter[Lot]:
    rows = point_movements.between(session, last, last)
    return _without_zero(Counter({Lot(one.issuer_id, one.issued_on): one.closing for one in rows}))


def _days(after: date, last: date) -> list[date]:
    return [after + timedelta(days=n + 1) for n in range((last - after).days)]


def _add(found: Counter[Lot], moved: list[Flow]) -> None:
    for one in moved:
        found[Lot(one.issuer_id, one.issued_on)] += one.change


def _without_zero(found: Counter[Lot]) -> Counter[Lot]:
    return Counter({lot: points for lot, points in found.items() if points})
