"""The end of a business day: close its books, do what falls due, seal them. Killed anywhere, it goes on."""

from __future__ import annotations

from datetime import date

from coalition import business_days, programme, scheduled_postings
from coalition.business_days import DayNotOver, Seal
from kit import audit
from kit.audit import Act
from kit.db import Database, wait_for_lock


def close_day(database: Database, act: Act, *, day: date) -> Seal:
    """Close `day` with all before it, and seal it; the same seal again when that was done before.

    Closing comes first and is quick, so that nothing of the next day is posted into this one however long the rest
    takes. Then holds lapse, points vest, and points expire that could be spent on `day` for the last time; that is
    posted into the day that is open. Each day that is sealed has its entry in the audit. Raises DayNotOver.
    """
    with database.transaction() as session:
        business_days.close_over(session, now=act.now)
        open_day = programme.get(session).open_day
        if day >= open_day:
            raise DayNotOver(f"{day} is not over; the open business day is {open_day}", open_day=open_day)
        unsealed = business_days.unsealed_days(session)
    for each in unsealed:
        if each <= day:
            _end(database, act, day=each)
    with database.transaction() as session:
        return business_days.seal(session, day=day, now=act.now, keyring=act.keyring)


def _end(database: Database, act: Act, *, day: date) -> None:
    scheduled_postings.lapse_holds(database, now=act.now)
    scheduled_postings.vest(database, now=act.now)
    scheduled_postings.expire(database, day=day, now=act.now)
    scheduled_postings.warn_of_expiry(database, day=day, now=act.now)
    with database.transaction() as session:
        wait_for_lock(session, f"sealing {day}")
        if business_days.find_seal(session, day) is None:  # else another has sealed it meanwhile
            made = business_days.seal(session, day=day, now=act.now, keyring=act.keyring)
            audit.append(session, act, "day.closed", day.isoformat(), chain=made.chain.hex())
