"""Named consumers: we remember how far each of a partner's readers has come in the feed."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from kit import audit, event_feed
from kit.audit import Act
from kit.db import Session, wait_for_lock
from kit.errors import Conflict, NotFound
from webhooks import feed
from webhooks.feed import Page, Where

MOST_PER_PARTNER = 50
NAME = r"[a-z0-9][a-z0-9_.-]{0,63}"


class ConsumerNotFound(NotFound):
    code = "consumer_not_found"
    title = "Consumer not found"
    description = "You have no event consumer with this name."
    remedy = "List your consumers with GET /v1/event-consumers, or create one with POST /v1/event-consumers."


class ConsumerExists(Conflict):
    code = "consumer_exists"
    title = "Consumer exists"
    description = "You already have an event consumer with this name. We changed nothing."
    remedy = "Use the consumer that exists, choose another name, or delete the consumer first."


class TooManyConsumers(Conflict):
    code = "too_many_consumers"
    title = "Too many consumers"
    description = "A partner can have fifty event consumers."
    remedy = "Delete a consumer that you no longer use with DELETE /v1/event-consumers/{consumer_name}."


class CursorBehind(Conflict):
    code = "cursor_behind"
    title = "Cursor behind the committed position"
    description = (
        "The consumer has already committed a later position, perhaps from another of your processes. A commit never "
        "moves a consumer back."
    )
    remedy = (
        "Poll again and go on from there. To read events a second time, move the consumer back with "
        "POST /v1/event-consumers/{consumer_name}/seek."
    )


@dataclass(frozen=True)
class Consumer:
    """A reader of a partner's feed; `position` is that of the last event it committed.

    `lag` is how many events come after that place, where it was asked for.
    """

    partner_id: UUID
    name: str
    event_types: list[str]
    position: int
    created_at: datetime
    committed_at: datetime | None
    lag: int | None = None


_COLUMNS = "partner_id, name, event_types, position, created_at, committed_at"
_SELECT = f"SELECT {_COLUMNS} FROM webhooks.consumer WHERE partner_id = :partner_id"  # noqa: S608 -- names of ours


def create(
    session: Session, act: Act, *, partner_id: UUID, name: str, event_types: list[str], start: Where
) -> Consumer:
    """A new consumer that begins at `start`; raises ConsumerExists, TooManyConsumers, CursorExpired, TimeInFuture."""
    wait_for_lock(session, f"event consumers of {partner_id}")  # two at once would both be the last
    there = of_partner(session, partner_id)
    if any(one.name == name for one in there):
        raise ConsumerExists(f"you already have a consumer named {name}")
    if len(there) >= MOST_PER_PARTNER:
        raise TooManyConsumers(f"a partner can have {MOST_PER_PARTNER} consumers; delete one", most=MOST_PER_PARTNER)
    position = feed.place(session, partner_id=partner_id, where=start, now=act.now)
    made = Consumer(partner_id, name, sorted(set(event_types)), position, act.now, None)
    session.execute(
        text("""
            INSERT INTO webhooks.consumer (partner_id, name, event_types, position, created_at)
            VALUES (:partner_id, :name, :event_types, :position, :created_at)
        """),
        vars(made),
    )
    made = _with_lag(session, made)
    audit.append(session, act, "event_consumer.created", name, event_types=made.event_types)
    return made


def of_partner(session: Session, partner_id: UUID) -> list[Consumer]:
    """All consumers of a partner by name, without their lag."""
    rows = session.execute(text(_SELECT + " ORDER BY name"), {"partner_id": partner_id})
    return [Consumer(*row) for row in rows]


def get(session: Session, *, partner_id: UUID, name: str) -> Consumer:
    """One consumer with its lag; raises ConsumerNotFound."""
    return _with_lag(session, _get(session, partner_id, name))


def check_exists(session: Session, *, partner_id: UUID, name: str) -> None:
    """Raise ConsumerNotFound unless the partner has this consumer: before what is asked of it is read."""
    _get(session, partner_id, name)


def remove(session: Session, act: Act, *, partner_id: UUID, name: str) -> None:
    """Forget a consumer and how far it came; raises ConsumerNotFound."""
    _get(session, partner_id, name)
    session.execute(
        text("DELETE FROM webhooks.consumer WHERE partner_id = :partner_id AND name = :name"),
        {"partner_id": partner_id, "name": name},
    )
    audit.append(session, act, "event_consumer.removed", name)


def poll(session: Session, *, partner_id: UUID, name: str, limit: int) -> Page:
    """What comes after the committed position, which stays where it is; raises ConsumerNotFound, CursorExpired."""
    found = _get(session, partner_id, name)
    return feed.read(session, partner_id=partner_id, after=found.position, event_types=found.event_types, limit=limit)


def commit(session: Session, *, partner_id: UUID, name: str, position: int, now: datetime) -> Consumer:
    """Go on from `position` from now on; raises ConsumerNotFound, and CursorBehind where it is further already.

    Of two that commit at once the later position stays.
    """
    row = session.execute(
        text(f"""
            UPDATE webhooks.consumer SET position = :position, committed_at = :now
            WHERE partner_id = :partner_id AND name = :name AND position <= :position
            RETURNING {_COLUMNS}
        """),  # noqa: S608
        {"partner_id": partner_id, "name": name, "position": position, "now": now},
    ).first()
    if row is None:
        _get(session, partner_id, name)
        raise CursorBehind("the consumer has already committed a later position")
    return Consumer(*row)  # without its lag, which costs more than the commit


def seek(session: Session, act: Act, *, partner_id: UUID, name: str, to: Where) -> Consumer:
    """Go on from `to`, further back or further on; raises ConsumerNotFound, CursorExpired, TimeInFuture."""
    position = feed.place(session, partner_id=partner_id, where=to, now=act.now)
    row = session.execute(
        text(f"""
            UPDATE webhooks.consumer SET position = :position WHERE partner_id = :partner_id AND name = :name
            RETURNING {_COLUMNS}
        """),  # noqa: S608
        {"partner_id": partner_id, "name": name, "position": position},
    ).first()
    if row is None:
        raise _not_found()
    moved = _with_lag(session, Consumer(*row))
    audit.append(session, act, "event_consumer.moved", name)
    return moved


def _get(session: Session, partner_id: UUID, name: str) -> Consumer:
    if not re.fullmatch(NAME, name):  # of an address: what is no name is nobody's
        raise _not_found()
    row = session.execute(text(_SELECT + " AND name = :name"), {"partner_id": partner_id, "name": name}).first()
    if row is None:
        raise _not_found()
    return Consumer(*row)


def _not_found() -> ConsumerNotFound:
    return ConsumerNotFound("you have no event consumer with this name")


def _with_lag(session: Session, found: Consumer) -> Consumer:
    lag = event_feed.count(
        session, partner_id=found.partner_id, after=found.position, types=feed.names(found.event_types)
    )
    return replace(found, lag=lag)
