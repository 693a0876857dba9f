"""The outbox: an event is a row written in the transaction of what it tells of, so it exists exactly if that does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from kit import ids, pairwise
from kit.db import Session
from kit.secrets import Keyring

VERSION = 1  # of every event's data so far


@dataclass(frozen=True, kw_only=True)
class Event:
    """What happened, when, and to whom it is told.

    `subject_id` is what it happened to (a member, or a partner for its statement); `partner_id` is the partner it
    is told to; `data` holds whole numbers, text and ids only.
    """

    type: str
    subject_id: UUID
    partner_id: UUID
    occurred_at: datetime
    data: dict[str, Any]
    event_id: UUID = field(default_factory=ids.new)


_APPEND = text("""
    INSERT INTO kit.event (subject_id, event_id, partner_id, type, occurred_at, data)
    VALUES (:subject_id, :event_id, :partner_id, :type, :occurred_at, CAST(:data AS jsonb))
""")


def append(session: Session, event: Event) -> None:
    """Write `event` into this transaction."""
    session.execute(
        _APPEND,
        {
            "subject_id": event.subject_id,
            "event_id": event.event_id,
            "partner_id": event.partner_id,
            "type": event.type,
            "occurred_at": event.occurred_at,
            "data": json.dumps(event.data, default=str),
        },
    )


def freeze(
    *, event_id: UUID, type_: str, occurred_at: datetime, data: dict[str, Any], view: ids.View | None = None
) -> bytes:
    """The event as its receivers get it: made once, stored, signed and sent as these very bytes.

    Ids are raw UUIDs in the row and TypeIDs here, by the name of their field; members' as `view` has them.
    """
    with ids.seen_by(view):
        shown = ids.show_fields(data)
    body = {
        "id": ids.show(ids.EVENT, event_id),
        "type": type_,
        "version": VERSION,
        "timestamp": occurred_at.isoformat().replace("+00:00", "Z"),
        "data": shown,
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Waiting:
    """An event that is committed and has no place in the feed yet."""

    subject_id: UUID
    event_id: UUID
    partner_id: UUID
    type: str
    occurred_at: datetime
    data: dict[str, Any]


@dataclass(frozen=True)
class Sequenced:
    """An event with its place in the feed and its frozen body."""

    subject_id: UUID
    event_id: UUID
    partner_id: UUID
    type: str
    position: int


def waiting(session: Session) -> int:
    """How many events have no place in the feed yet."""
    return session.scalar(text("SELECT count(*) FROM kit.event WHERE position IS NULL")) or 0


def next_waiting(session: Session, *, limit: int) -> list[Waiting]:
    """The up to `limit` events that get their places next."""
    rows = session.execute(
        text("""
            SELECT subject_id, event_id, partner_id, type, occurred_at, data FROM kit.event
            WHERE position IS NULL ORDER BY event_id LIMIT :limit
        """),
        {"limit": limit},
    )
    return [Waiting(*row) for row in rows]


def sequence(session: Session, found: Sequence[Waiting], *, keyring: Keyring) -> list[Sequenced]:
    """Give waiting events their places and freeze their bodies, each for the partner it is told to.

    One sequencer at a time (the caller holds a lock): a position is taken only by what is committed already, and all
    of a batch become visible together, so a reader of the feed never sees a place filled behind its back.
    """
    last = session.scalar(text("SELECT max(position) FROM kit.event")) or 0
    done = [Sequenced(e.subject_id, e.event_id, e.partner_id, e.type, last + n) for n, e in enumerate(found, start=1)]
    bodies = [
        freeze(
            event_id=e.event_id,
            type_=e.type,
            occurred_at=e.occurred_at,
            data=e.data,
            view=pairwise.view_of(keyring, e.partner_id),
        )
        for e in found
    ]
    session.execute(
        text("""
            UPDATE kit.event e SET position = u.position, body = u.body
            FROM unnest(CAST(:subjects AS uuid[]), CAST(:ids AS uuid[]), CAST(:positions AS bigint[]),
                        CAST(:bodies AS bytea[])) AS u (subject_id, event_id, position, body)
            WHERE e.subject_id = u.subject_id AND e.event_id = u.event_id
        """),
        {
            "subjects": [e.subject_id for e in done],
            "ids": [e.event_id for e in done],
            "positions": [e.position for e in done],
            "bodies": bodies,
        },
    )
    return done
