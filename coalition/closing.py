"""The end of a business day: close its books, do what falls due, seal them. Killed anywhere, it goes on."""

from __future__ import annotations

from datetime import date, datetime

from coalition import business_days, programme, upkeep
from coalition.business_days import DayNotOver, Seal
from kit.db import Database, wait_for_lock
from kit.secrets import Keyring


def close_day(database: Database, *, day: date, now: datetime, keyring: Keyring) -> Seal:
    """Close `day` with all before it, and seal it; the same seal again when that was done before.

    Closing comes first and is quick, so that nothing of the next day is posted into this one however long the rest
    takes. Then holds lapse, points vest, and points expire that could be spent on `day` for the last time; that is
    posted into the day that is open. Raises DayNotOver.
    """
    with database.transaction() as session:
        business_days.close_over(session, now=now)
        open_day = programme.get(session).open_day
        if day >= open_day:
            raise DayNotOver(f"{day} is not over; the open business day is {open_day}", open_day=open_day)
        unsealed = business_days.unsealed_days(session)
    for each in unsealed:
        if each <= day:
            _end(database, day=each, now=now, keyring=keyring)
    with database.transaction() as session:
        return business_days.seal(session, day=day, now=now, keyring=keyring)


def _end(database: Database, *, day: date, now: datetime, keyring: Keyring) -> None:
    upkeep.lapse_holds(database, now=now)
    upkeep.vest(database, now=now)
    upkeep.expire(database, day=day, now=now)
    upkeep.warn_of_expiry(database, day=day, now=now)
    with database.transaction() as session:
        wait_for_lock(session, f"sealing {day}")
        business_days.seal(session, day=day, now=now, keyring=keyring)
