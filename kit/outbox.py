"""The outbox: an event is a row written in the transaction of what it tells of, so it exists exactly if that does."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from kit import ids, pairwise
from kit.db import Session, execute, fetch, wait_for_lock
from kit.secrets import Keyring

VERSION = 1  # of every event's data so far
SEQUENCER = "webhooks.fan_out"  # the lock of whoever gives events their places and freezes their bodies


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


def freeze(*, event_id: UUID, type_: str, occurred_at: datetime, data: dict[str, Any], view: ids.View) -> bytes:
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
    body: bytes
    occurred_at: datetime


def waiting(session: Session) -> int:
    """How many events have no place in the feed yet."""
    return session.scalar(text("SELECT count(*) FROM kit.event WHERE position IS NULL")) or 0


def next_waiting(session: Session, *, limit: int, but: Collection[UUID] = ()) -> list[Waiting]:
    """The up to `limit` events that get their places next, none of those in `but`."""
    rows = fetch(
        session,
        """
            SELECT subject_id, event_id, partner_id, type, occurred_at, data FROM kit.event
            WHERE position IS NULL AND event_id <> ALL(%(but)b::uuid[]) ORDER BY event_id LIMIT %(limit)s
        """,
        {"limit": limit, "but": list(but)},
        binary=True,
    )
    return [Waiting(*row) for row in rows]


def sequence(
    session: Session, found: Sequence[Waiting], *, keyring: Keyring
) -> tuple[list[Sequenced], dict[UUID, Exception]]:
    """Give waiting events their places and freeze their bodies, each for the partner it is told to.

    The second result are those that can't be told as they are, with the reasons: they wait on, and hold up no other.

    One sequencer at a time (the caller holds a lock): a position is taken only by what is committed already, and all
    of a batch become visible together, so a reader of the feed never sees a place filled behind its back.
    """
    last = session.scalar(text("SELECT max(position) FROM kit.event")) or 0
    bodies, untellable = {}, {}
    for e in found:
        view = pairwise.view_of(keyring, e.partner_id)
        try:
            bodies[e.event_id] = freeze(
                event_id=e.event_id, type_=e.type, occurred_at=e.occurred_at, data=e.data, view=view
            )
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is one event's
            untellable[e.event_id] = error
    done = [
        Sequenced(e.subject_id, e.event_id, e.partner_id, e.type, last + n, bodies[e.event_id], e.occurred_at)
        for n, e in enumerate((e for e in found if e.event_id in bodies), start=1)
    ]
    execute(
        session,
        """
            UPDATE kit.event e SET position = u.position, body = u.body
            FROM unnest(%(subjects)b::uuid[], %(ids)b::uuid[], %(positions)b::bigint[], %(bodies)b::bytea[])
                 AS u (subject_id, event_id, position, body)
            WHERE e.subject_id = u.subject_id AND e.event_id = u.event_id
        """,
        {
            "subjects": [e.subject_id for e in done],
            "ids": [e.event_id for e in done],
            "positions": [e.position for e in done],
            "bodies": [e.body for e in done],
        },
    )
    return done, untellable


def between(session: Session, *, partner_id: UUID, after: int, up_to: int, limit: int) -> list[Sequenced]:
    """The partner's events at the positions behind `after` up to `up_to` that still have bodies, the first `limit`."""
    rows = session.execute(
        text("""
            SELECT subject_id, event_id, partner_id, type, position, body, occurred_at FROM kit.event
            WHERE partner_id = :partner_id AND position IS NOT NULL AND greatest(position, 0) > :after
              AND greatest(position, 0) <= :up_to AND body IS NOT NULL
            ORDER BY greatest(position, 0) LIMIT :limit
        """),
        {"partner_id": partner_id, "after": after, "up_to": up_to, "limit": limit},
    )
    return [Sequenced(*row) for row in rows]


def forget_bodies(session: Session, *, after: int, before: datetime, limit: int) -> int:
    """Let go of the bodies of up to `limit` events behind the position `after` that were written before `before`.

    That is told by their ids, for what happened long ago may be heard of today.
    Returns the position up to which bodies are gone: it stops at the first event that is younger.
    """
    last = session.scalar(
        text("""
            SELECT max(position) FROM (
                SELECT position, bool_and(event_id < :floor) OVER (ORDER BY position) AS old FROM (
                    SELECT position, event_id FROM kit.event
                    WHERE position > :after ORDER BY position LIMIT :limit
                ) AS next) AS seen
            WHERE old
        """),
        {"after": after, "floor": ids.first_at(int(before.timestamp() * 1000)), "limit": limit},
    )
    if last is None:
        return after
    session.execute(
        text("""
            UPDATE kit.event SET body = NULL
            WHERE position > :after AND position <= :last AND body IS NOT NULL
        """),
        {"after": after, "last": last},
    )
    return int(last)


def forget(session: Session, *, subject_ids: Sequence[UUID], fields: Sequence[str], keyring: Keyring) -> list[UUID]:
    """Make `fields` of these subjects' events null, in bodies that are frozen already, too; returns all their ids.

    Ids and places stay. The sequencer is waited for, since it may have read what goes and not have written it yet.
    """
    wait_for_lock(session, SEQUENCER)
    rows = session.execute(
        text("""
            SELECT subject_id, event_id, partner_id, type, occurred_at, data, body IS NOT NULL AS is_frozen
            FROM kit.event WHERE subject_id = ANY(:subjects)
        """),
        {"subjects": list(subject_ids)},
    ).all()
    for row in rows:
        if not any(row.data.get(field) is not None for field in fields):
            continue
        data = {name: None if name in fields else value for name, value in row.data.items()}
        body = None
        if row.is_frozen:
            view = pairwise.view_of(keyring, row.partner_id)
            body = freeze(event_id=row.event_id, type_=row.type, occurred_at=row.occurred_at, data=data, view=view)
        session.execute(
            text("""
                UPDATE kit.event SET data = CAST(:data AS jsonb), body = :body
                WHERE subject_id = :subject_id AND event_id = :event_id
            """),
            {"data": json.dumps(data), "body": body, "subject_id": row.subject_id, "event_id": row.event_id},
        )
    return [row.event_id for row in rows]
