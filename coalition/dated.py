"""Terms that hold from a day on, version after version without overlap: rates, and the rooms' above agreements.

A version lasts until the next one begins. A business day that is over was priced with the version it had, so what holds
on it changes no more; until then a version can be corrected and withdrawn, unless somebody would be left without terms
that can't be. Changes take turns, and the open day can't close meanwhile; an exclusion constraint stands behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import text

from coalition import business_days
from kit.db import Session, wait_for_lock
from kit.errors import Conflict


class DayIsOver(Conflict):
    code = "day_is_over"
    title = "Business day is over"
    description = (
        "Terms never change for a business day that is over. `open_day` is the first day that new terms can begin on."
    )
    remedy = "Make new terms that begin on the open business day or later. They end the earlier ones."
    facts = ("open_day",)


class VersionTaken(Conflict):
    code = "version_taken"
    title = "Terms already begin on that day"
    description = "The partner already has terms that begin on this day, `since`."
    remedy = "Correct or withdraw the terms that begin on this day."
    facts = ("since",)


@dataclass(frozen=True)
class Versions:
    """A kind of terms: its noun, the table of its versions (their days are `valid`), the column of their ids."""

    noun: str
    table: str
    key: str


# What rooms above demand when a change leaves a partner without terms from a day on; each raises where that can't be.
Demand = Callable[[Session, Versions, UUID, date], None]
DEMANDS: list[Demand] = []


@dataclass(frozen=True)
class _Span:
    partner_id: UUID
    since: date | None
    until: date | None


def take_turn(session: Session) -> date:
    """Wait until nobody else changes terms of any kind, to the transaction's end; returns the open business day.

    Locks come in this order everywhere: a partner, the day's gate, the terms, wallets.
    """
    open_day = business_days.hold_open(session)
    wait_for_lock(session, "terms")
    return open_day


def first_gap(session: Session, kind: Versions, *, partner_id: UUID, since: date) -> date | None:
    """The first day from `since` on for which the partner has no terms; None where it has them for good."""
    statement = f"""
        SELECT lower(datemultirange(daterange(CAST(:since AS date), NULL)) - coalesce(range_agg(valid), '{{}}'))
        FROM {kind.table} WHERE partner_id = :partner_id
    """  # noqa: S608 -- a name of ours
    found: date | None = session.scalar(text(statement), {"since": since, "partner_id": partner_id})
    return found


@contextmanager
def changing(session: Session, kind: Versions, *, partner_id: UUID) -> Iterator[None]:
    """Around a change that may leave the partner without terms sooner than it was: then DEMANDS are asked."""
    open_day = take_turn(session)
    before = first_gap(session, kind, partner_id=partner_id, since=open_day)
    yield
    after = first_gap(session, kind, partner_id=partner_id, since=open_day)
    if after is not None and (before is None or after < before):
        for demand in DEMANDS:
            demand(session, kind, partner_id, after)


def find_room(session: Session, kind: Versions, *, partner_id: UUID, since: date) -> date | None:
    """The day the next version after one from `since` on begins, if there is one; None: it holds for good.

    A new version may hold from `since` up to that day. Days that no version covers may get one, also when they are
    over. Raises DayIsOver, VersionTaken.
    """
    open_day = take_turn(session)
    spans = _spans(session, kind.table, "partner_id", partner_id)
    if since in [span.since for span in spans]:
        raise VersionTaken(f"this partner already has terms that begin on {since}", since=since)
    covered = any((not s.since or s.since < since) and (not s.until or since < s.until) for s in spans)
    if covered and since < open_day:
        raise DayIsOver(f"the terms on {since} are final; you can change terms from {open_day} on", open_day=open_day)
    return min((span.since for span in spans if span.since and span.since > since), default=None)


def make_room(session: Session, kind: Versions, *, partner_id: UUID, since: date) -> date | None:
    """Let the version in force on `since` end the day before; returns and raises what `find_room` does."""
    until = find_room(session, kind, partner_id=partner_id, since=since)
    session.execute(
        text(f"""
            UPDATE {kind.table} SET valid = daterange(lower(valid), :since)
            WHERE partner_id = :partner_id AND valid @> CAST(:since AS date)
        """),  # noqa: S608 -- a name of ours
        {"partner_id": partner_id, "since": since},
    )
    return until


def take_out(session: Session, kind: Versions, *, version_id: UUID) -> None:
    """Delete a version; the one before it lasts as long as it would have. Raises DayIsOver."""
    open_day = take_turn(session)
    [span] = _spans(session, kind.table, kind.key, version_id)
    if span.since is None or span.since < open_day:
        raise DayIsOver(f"the terms began on {span.since}, and the days before {open_day} are over", open_day=open_day)
    session.execute(text(f"DELETE FROM {kind.table} WHERE {kind.key} = :id"), {"id": version_id})  # noqa: S608
    session.execute(
        text(f"""
            UPDATE {kind.table} SET valid = daterange(lower(valid), :until)
            WHERE partner_id = :partner_id AND upper(valid) = :since
        """),  # noqa: S608
        vars(span),
    )


def refuse_past(since: date, *, open_day: date) -> None:
    """Raise DayIsOver unless terms that are moved to `since` begin on a day that is not over."""
    if since < open_day:
        raise DayIsOver(f"days before {open_day} are over", open_day=open_day)


def _spans(session: Session, table: str, column: str, value: UUID) -> list[_Span]:
    rows = session.execute(
        text(f"SELECT partner_id, lower(valid), upper(valid) FROM {table} WHERE {column} = :value"),  # noqa: S608
        {"value": value},
    )
    return [_Span(*row) for row in rows]
