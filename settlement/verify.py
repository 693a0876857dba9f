"""Settlement's part of `coalition ledger verify`: every settled day is calculated again and compared."""

from __future__ import annotations

from sqlalchemy import text

from coalition import verify
from kit.db import Session
from kit.errors import CoalitionError
from settlement import nights, settled_days

INVARIANT = "every settled day comes out as it was kept"


def first_broken(session: Session) -> str | None:
    """The first settled day that comes out differently, or has rows and isn't settled; None: there is none."""
    for table in settled_days.TABLES:
        stray = session.scalar(
            text(f"SELECT min(day) FROM settlement.{table} WHERE day NOT IN (SELECT day FROM settlement.settled_day)")  # noqa: S608 -- names of ours
        )
        if stray is not None:
            return f"{stray}: {table} has rows of a day that is not settled"
    for day in settled_days.all_of_them(session):
        try:
            difference = settled_days.first_difference(session, nights.calculate(session, day))
        except (CoalitionError, LookupError, ValueError) as error:
            difference = f"can't be calculated any more ({error})"
        if difference is not None:
            return f"{day}: {difference}"
    return None


verify.OF_ROOMS_ABOVE[INVARIANT] = first_broken
