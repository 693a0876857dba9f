"""How settlement stands: what is open, settled, failed or set aside. For the operator, `/readyz` and metrics."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from coalition import programme
from kit.db import Session
from settlement import nightly, run_failures, set_aside, settled_days
from settlement.run_failures import RunFailure


@dataclass(frozen=True)
class Standing:
    """`set_aside` counts the pairs of partners of which points wait for a price, `set_aside_points` those points."""

    open_day: date
    last_settled: date | None
    oldest_unsettled: date | None
    failures: tuple[RunFailure, ...]
    set_aside: int
    set_aside_points: int


def read(session: Session, *, now: datetime) -> Standing:
    """How settlement stands at `now`. Raises NoProgramme."""
    current = programme.get(session)
    waiting = set_aside.sums(session)
    due = nightly.due_days(session, now=now)
    return Standing(
        open_day=current.open_day,
        last_settled=settled_days.last(session),
        oldest_unsettled=min(due, default=None),
        failures=tuple(run_failures.all_of_them(session)),
        set_aside=waiting.pairs,
        set_aside_points=waiting.points,
    )
