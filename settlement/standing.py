"""How the nights stand: what is open, settled, failed or set aside. For the operator, `/readyz` and metrics."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from coalition import programme
from kit.db import Session
from settlement import night_faults, nights, set_aside, settled_days
from settlement.night_faults import NightFault


@dataclass(frozen=True)
class Standing:
    """`set_aside` counts the pairs of partners of which points wait for a price, `set_aside_points` those points."""

    open_day: date
    last_settled: date | None
    oldest_unsettled: date | None
    faults: tuple[NightFault, ...]
    set_aside: int
    set_aside_points: int


def read(session: Session, *, now: datetime) -> Standing:
    """How the nights stand at `now`. Raises NoProgramme."""
    current = programme.get(session)
    waiting = set_aside.sums(session)
    due = nights.due_days(session, now=now)
    return Standing(
        open_day=current.open_day,
        last_settled=settled_days.last(session),
        oldest_unsettled=min(due, default=None),
        faults=tuple(night_faults.all_of_them(session)),
        set_aside=waiting.pairs,
        set_aside_points=waiting.points,
    )
