"""The events a partner can pull: all that webhooks send, in one order, from any place within retention.

A place is a number that never leaves us but sealed: numbers would tell how much other partners do.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

from kit import event_feed
from kit.db import Session
from kit.errors import Conflict, Invalid
from webhooks.event_types import EVENT_TYPES, matches

MOST_PER_PAGE = 1_000
DEFAULT_PER_PAGE = 100
CLOCKS_APART = timedelta(minutes=5)


class CursorExpired(Conflict):
    code = "cursor_expired"
    title = "Events no longer kept"
    description = (
        "The next events after this place are older than the time for which we keep events. We skip none of them in "
        "silence. `oldest_at` is the time of the oldest event that you can still read."
    )
    facts = ("oldest_at",)
    remedy = (
        "Read what you missed with GET /v1/transactions. Then start again without `cursor`, or move your consumer with "
        "POST /v1/event-consumers/{consumer_name}/seek to `beginning`."
    )


class TimeInFuture(Invalid):
    code = "time_in_future"
    title = "Time in the future"
    description = "You asked to read events from a time that has not come yet."
    remedy = "Send a time that has passed. To read only what happens from now on, send the present time."


class AmbiguousStart(Invalid):
    code = "ambiguous_start"
    title = "Ambiguous start"
    description = "You named two places to read from: a cursor, and a time in `since`."
    remedy = "Send `since` with your first request only, and from then on the `next_cursor` of each answer as `cursor`."


class Start(Enum):
    """Where one can begin without knowing a place."""

    BEGINNING = "beginning"
    END = "end"


# Where to begin: at either end, at a time, or after a place.
Where = Start | datetime | int


@dataclass(frozen=True)
class Page:
    """Events as they were sent, up to the place `position`; `has_more`: whether more may follow now."""

    events: list[dict[str, Any]]
    position: int
    has_more: bool


def read(session: Session, *, partner_id: UUID, after: int, event_types: list[str], limit: int) -> Page:
    """Up to `limit` events after the place `after`, of the types that the patterns `event_types` take.

    A page may be short, or empty, although more follow: where few of very many are wanted. Raises CursorExpired.
    """
    found = event_feed.read(session, partner_id=partner_id, after=after, types=names(event_types), limit=limit)
    if found.is_purged:
        raise _expired(session, partner_id)
    return Page([json.loads(body) for body in found.bodies], found.position, found.has_more)


def read_from(
    session: Session, *, partner_id: UUID, where: Where, event_types: list[str], limit: int, now: datetime
) -> Page:
    """`read` from where one wants to begin; raises CursorExpired, TimeInFuture."""
    after = place(session, partner_id=partner_id, where=where, now=now)
    return read(session, partner_id=partner_id, after=after, event_types=event_types, limit=limit)


def place(session: Session, *, partner_id: UUID, where: Where, now: datetime) -> int:
    """The place that `where` means; raises CursorExpired, TimeInFuture.

    A time means the place before the first event that was written then or later.
    """
    if where is Start.BEGINNING:
        return event_feed.before_kept(session, partner_id=partner_id)
    if where is Start.END:
        return event_feed.last(session, partner_id=partner_id)
    if isinstance(where, datetime):
        if where > now + CLOCKS_APART:
            raise TimeInFuture("you asked for events from a time that has not come yet")
        found = event_feed.before_time(session, partner_id=partner_id, at=where)
    else:
        found = where
    if event_feed.is_purged(session, partner_id=partner_id, after=found):
        raise _expired(session, partner_id)
    return found


def names(patterns: list[str]) -> list[str] | None:
    """The types of events that `patterns` take; None: all."""
    return None if "*" in patterns else [name for name in EVENT_TYPES if matches(patterns, name)]


def _expired(session: Session, partner_id: UUID) -> CursorExpired:
    after = event_feed.before_kept(session, partner_id=partner_id)
    oldest = event_feed.occurred_after(session, partner_id=partner_id, after=after)
    return CursorExpired(
        "the events after this place are no longer kept", oldest_at=None if oldest is None else oldest.isoformat()
    )
