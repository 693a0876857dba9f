"""Terms that hold from a day on, version after version without overlap: rates, and the rooms' above agreements.

A version lasts until the next one begins. A business day that is over was priced with the version it had, so what holds
on it changes no more; until then a version can be corrected and withdrawn. Changes take turns, and the open day can't
close meanwhile; an exclusion constraint stands behind them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import text

from coalition import business_days
from kit.db import Session, wait_for_lock
from kit.errors import Conflict


class DayIsOver(Conflict):
    """The terms of a business day that is over stay as they were; `open_day` is the first that can still get others."""

    code = "day_is_over"
    title = "Business day is over"
    remedy = "Make new terms from the open business day on; they end the ones before."


class VersionTaken(Conflict):
    """Terms of this partner begin on that very day, `since`, already."""

    code = "version_taken"
    title = "Terms begin on that day already"
    remedy = "Correct or withdraw the terms that begin on this day."


@dataclass(frozen=True)
class _Span:
    partner_id: UUID
    since: date | None
    until: date | None


def take_turn(session: Session, *, table: str) -> date:
    """Wait until nobody else changes the terms in `table`, to the transaction's end; returns the open business day."""
    wait_for_lock(session, f"terms {table}")
    return business_days.hold_open(session)


def make_room(session: Session, *, table: str, partner_id: UUID, since: date) -> date | None:
    """Let the version in force on `since` end the day before; returns the day the next one begins, if there is one.

    A new version may hold from `since` up to that day. Days that no version covers may get one, also when they are
    over. Raises DayIsOver, VersionTaken.
    """
    open_day = take_turn(session, table=table)
    spans = _spans(session, table, "partner_id", partner_id)
    if since in [span.since for span in spans]:
        raise VersionTaken(f"terms of this partner begin on {since} already", since=since)
    covered = any((not s.since or s.since < since) and (not s.until or since < s.until) for s in spans)
    if covered and since < open_day:
        raise DayIsOver(f"what holds on {since} is settled; from {open_day} on it can change", open_day=open_day)
    session.execute(
        text(f"""
            UPDATE {table} SET valid = daterange(lower(valid), :since)
            WHERE partner_id = :partner_id AND valid @> CAST(:since AS date)
        """),  # noqa: S608 -- a name of ours
        {"partner_id": partner_id, "since": since},
    )
    return min((span.since for span in spans if span.since and span.since > since), default=None)


def take_out(session: Session, *, table: str, key: str, value: UUID) -> None:
    """Delete the version whose `key` is `value`; the one before it lasts as long as it would have. Raises DayIsOver."""
    open_day = take_turn(session, table=table)
    [span] = _spans(session, table, key, value)
    if span.since is None or span.since < open_day:
        raise DayIsOver(f"it holds since {span.since}, and days before {open_day} are over", open_day=open_day)
    session.execute(text(f"DELETE FROM {table} WHERE {key} = :value"), {"value": value})  # noqa: S608
    session.execute(
        text(f"""
            UPDATE {table} SET valid = daterange(lower(valid), :until)
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
