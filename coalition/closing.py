"""The end of a business day: book what is due, close the books, seal them. Killed anywhere, it goes on where it was."""

from __future__ import annotations

from datetime import date, datetime

from coalition import business_days, programme, upkeep
from coalition.business_days import Seal
from kit.db import Database, wait_for_lock
from kit.secrets import Keyring


def close_day(database: Database, *, day: date, now: datetime, keyring: Keyring) -> Seal:
    """Close `day` and seal it; the same seal again when that was done before.

    Before it closes, holds lapse, points vest, and points expire that can't be spent after it, so that its books hold
    them. When this returns nothing can land in the day any more. Raises DayNotOver.
    """
    with database.transaction() as session:
        current = programme.get(session)
    if day == current.open_day and current.time(now) >= current.ends_at(day):
        upkeep.lapse_holds(database, now=now)
        upkeep.vest(database, now=now)
        upkeep.expire(database, day=day, now=now)
        upkeep.warn_of_expiry(database, day=day, now=now)
    with database.transaction() as session:
        business_days.close(session, day=day, now=now)
    with database.transaction() as session:
        wait_for_lock(session, f"sealing {day}")
        return business_days.seal(session, day=day, now=now, keyring=keyring)
