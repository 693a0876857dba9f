"""Settled days: a closed day's obligations and lines, written once, never changed, and compared with what comes out."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy import text

from coalition import business_days
from kit.db import Session
from kit.errors import Conflict
from settlement import cycles, obligations, set_aside
from settlement.obligations import Kept

FORM = 2  # of what the content hash is over; 1, that of the version before, was over its statements


class EarlierDayUnsettled(Conflict):
    code = "earlier_day_unsettled"
    title = "Earlier day not settled"
    description = (
        "The day is the last of a cycle, on which the fees of all its days are added up, and `earlier_day` is not "
        "settled."
    )
    remedy = (
        "Run `coalition settlement status` to see why the earlier day failed, fix that, and run `coalition settlement "
        "run`. It settles both."
    )
    facts = ("earlier_day",)


def is_settled(session: Session, day: date) -> bool:
    """Whether `day` was settled."""
    return bool(
        session.scalar(text("SELECT EXISTS (SELECT FROM settlement.settled_day WHERE day = :day)"), {"day": day})
    )


def all_of_them(session: Session) -> list[date]:
    """All settled days in order."""
    return list(session.scalars(text("SELECT day FROM settlement.settled_day ORDER BY day")))


def all_settled(session: Session, first: date, last: date) -> bool:
    """Whether every day from `first` to `last` was settled that the coalition had."""
    begun = business_days.first_closed(session)
    if begun is None or last < begun:
        return False
    found = session.scalar(
        text("SELECT count(*) FROM settlement.settled_day WHERE day BETWEEN :first AND :last"),
        {"first": first, "last": last},
    )
    return bool(found == (last - max(first, begun)).days + 1)


def last(session: Session) -> date | None:
    """The last day that is settled."""
    day: date | None = session.scalar(text("SELECT max(day) FROM settlement.settled_day"))
    return day


def content_hash(session: Session, day: date) -> bytes | None:
    """The SHA-256 over a settled day's obligations and their lines; None: it is not settled."""
    kept = session.scalar(text("SELECT content_hash FROM settlement.settled_day WHERE day = :day"), {"day": day})
    return None if kept is None else bytes(kept)


def is_of_the_version_before(session: Session, day: date) -> bool:
    """Whether the version before settled `day`: then it has no lines, and its statements are files of that time."""
    form = session.scalar(text("SELECT form FROM settlement.settled_day WHERE day = :day"), {"day": day})
    return form is not None and form != FORM


def keep(session: Session, day: date, now: datetime) -> list[Kept]:
    """Settle a sealed day: decide what has a price, and write down who owes whom, with all lines.

    Raises EarlierDayUnsettled.
    """
    for cycle in cycles.ending_on(day):
        _require_settled_before(session, day, cycle)
    set_aside.decide(session, day)
    kept = obligations.keep(session, day, obligations.calculate(session, day))
    session.execute(
        text("""
            INSERT INTO settlement.settled_day (day, content_hash, calculated_at, form)
            VALUES (:day, :content_hash, :now, :form)
        """),
        {"day": day, "content_hash": obligations.content_hash(kept), "now": now, "form": FORM},
    )
    return kept


def _require_settled_before(session: Session, day: date, cycle: str) -> None:
    """Raise EarlierDayUnsettled where somebody settles by the cycle and not all of its closed days are settled."""
    first = cycles.span(cycle, day).first
    somebody = text("SELECT EXISTS (SELECT FROM settlement.agreement WHERE cycle = :cycle)")
    if first == day or not session.scalar(somebody, {"cycle": cycle}):
        return
    closed = {one for one in business_days.closed_after(session, first - timedelta(days=1)) if one < day}
    if missing := sorted(closed.difference(all_of_them(session))):
        raise EarlierDayUnsettled(f"{missing[0]} is not settled", earlier_day=missing[0])


def first_difference(session: Session, day: date) -> str | None:
    """How what is kept of a settled day differs from what it comes out as now; None: not at all."""
    if (found := set_aside.first_difference(session, day) or obligations.first_difference(session, day)) is not None:
        return found
    again = obligations.content_hash(obligations.of_days(session, day, day))
    if not is_of_the_version_before(session, day) and again != content_hash(session, day):
        return f"content: comes out {again.hex()}"
    return None
