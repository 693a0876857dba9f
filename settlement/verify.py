"""Settlement's part of `coalition ledger verify`: every settled day is calculated again and compared."""

from __future__ import annotations

from sqlalchemy import text

from coalition import verify
from kit.db import Session
from kit.errors import CoalitionError
from settlement import logged_days, nightly, settled_days

INVARIANT = "every settled day comes out as it was kept"

_STRAY_LINE = """
    SELECT EXISTS (SELECT FROM settlement.line l WHERE NOT EXISTS (
        SELECT FROM settlement.obligation o WHERE o.obligation_id = l.obligation_id))
"""


def first_broken(session: Session) -> str | None:
    """The first settled day that comes out differently, or has rows and isn't settled; None: there is none."""
    for table in ("obligation", "set_aside"):
        stray = session.scalar(
            text(f"SELECT min(day) FROM settlement.{table} WHERE day NOT IN (SELECT day FROM settlement.settled_day)")  # noqa: S608 -- names of ours
        )
        if stray is not None:
            return f"{stray}: {table} has rows of a day that is not settled"
    if session.scalar(text(_STRAY_LINE)):
        return "line: there are lines of no obligation"
    for day in settled_days.all_of_them(session):
        try:
            difference = nightly.first_difference(session, day)
        except (CoalitionError, LookupError, ValueError) as error:
            difference = f"can't be calculated any more ({error})"
        if difference is not None:
            return f"{day}: {difference}"
    return None


def install() -> None:
    """Let `coalition ledger verify` ask this, too."""
    verify.OF_ROOMS_ABOVE[INVARIANT] = first_broken
    verify.OF_ROOMS_ABOVE[logged_days.INVARIANT] = logged_days.first_broken
