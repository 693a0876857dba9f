"""Daily digests: how many events a partner's feed got on a day, and a hash over their ids, signed.

Who compares them with what it received knows that it has everything, and who keeps them can show what there was. Each
digest begins where the one before ends, so every event is in exactly one. They are signed as seals are
(docs/decisions/0019), in the transaction that makes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from coalition import programme
from kit import event_feed, ids
from kit.db import Database, Session, try_lock
from kit.errors import NotFound
from kit.secrets import Keyring

PURPOSE = "event digests"
DAY = timedelta(days=1)
# Events are written before midnight and have their places soon after; those that are later are in the next digest.
GRACE = timedelta(minutes=10)
MOST_DAYS_AT_ONCE = 100


class DigestNotFound(NotFound):
    code = "digest_not_found"
    title = "Digest not found"
    description = (
        "You have no digest of this day. We make it within two hours after the day has ended in UTC. Your first digest "
        "is of the day of your first event."
    )
    remedy = "List your digests with GET /v1/event-digests. Write a day as in 2026-03-02."


@dataclass(frozen=True)
class Digest:
    """A partner's events of one day in UTC: those behind the place `after_position`, up to `last_position`."""

    partner_id: UUID
    day: date
    after_position: int
    last_position: int
    events: int
    ids_hash: bytes
    signature: bytes
    made_at: datetime


_COLUMNS = "partner_id, day, after_position, last_position, events, ids_hash, signature, made_at"


def signed_text(programme_id: UUID, digest: Digest) -> str:
    """What is signed, to the letter. No places: they would tell how many events other partners have."""
    lines = (
        "coalition.event-digest/1",
        f"programme {programme_id}",
        f"partner {ids.show(ids.PARTNER, digest.partner_id)}",
        f"day {digest.day}",
        f"events {digest.events}",
        f"ids {digest.ids_hash.hex()}",
        f"made {digest.made_at.astimezone(UTC).isoformat(timespec='microseconds')}",
    )
    return "\n".join(lines) + "\n"


def signed(session: Session, digest: Digest) -> str:
    """The text that `digest`, of this coalition, was signed as."""
    return signed_text(programme.get(session).programme_id, digest)


def public_key(keyring: Keyring) -> bytes:
    """What the signatures verify under (Ed25519, 32 bytes)."""
    return keyring.public_key(purpose=PURPOSE)


def get(session: Session, *, partner_id: UUID, day: date) -> Digest:
    """The digest of a day; raises DigestNotFound."""
    row = session.execute(
        text(f"SELECT {_COLUMNS} FROM webhooks.digest WHERE partner_id = :partner_id AND day = :day"),  # noqa: S608
        {"partner_id": partner_id, "day": day},
    ).first()
    if row is None:
        raise DigestNotFound("there is no digest of this day")
    return _digest(row)


def of_partner(session: Session, partner_id: UUID, *, before: date, limit: int) -> list[Digest]:
    """A partner's digests of days before `before`, the newest first."""
    rows = session.execute(
        text(f"""
            SELECT {_COLUMNS} FROM webhooks.digest WHERE partner_id = :partner_id AND day < :before
            ORDER BY day DESC LIMIT :limit
        """),  # noqa: S608
        {"partner_id": partner_id, "before": before, "limit": limit},
    )
    return [_digest(row) for row in rows]


def make_due(database: Database, *, now: datetime, keyring: Keyring) -> int:
    """Make the digests of all days that are over, each in a transaction of its own; how many were made.

    Of a partner without one, first that of the day of the oldest event that is kept; at most MOST_DAYS_AT_ONCE for
    each partner.
    """
    over = (now - GRACE).astimezone(UTC).date() - DAY
    with database.reading() as session:
        waiting = [(one, day) for one in _partners(session) for day in _days_due(session, one, over)]
    made = 0
    for partner_id, day in waiting:
        with database.transaction() as session:
            if not try_lock(session, "webhooks.digests"):
                return made
            made += _make(session, partner_id, day, now=now, keyring=keyring)
    return made


def _partners(session: Session) -> list[UUID]:
    with_endpoints = session.scalars(text("SELECT DISTINCT partner_id FROM webhooks.endpoint"))
    return sorted({*with_endpoints, *event_feed.partners(session)})


def _days_due(session: Session, partner_id: UUID, over: date) -> Iterator[date]:
    day = _first_day(session, partner_id, over)
    for _ in range(MOST_DAYS_AT_ONCE):
        if day > over:
            return
        yield day
        day += DAY


def _first_day(session: Session, partner_id: UUID, over: date) -> date:
    """The day after its last digest; without one that of its oldest event that is kept, or the last that is over."""
    statement = "SELECT max(day) FROM webhooks.digest WHERE partner_id = :partner_id"
    last: date | None = session.scalar(text(statement), {"partner_id": partner_id})
    if last is not None:
        return last + DAY
    kept = event_feed.before_kept(session, partner_id=partner_id)
    first = next(event_feed.ids_between(session, partner_id=partner_id, after=kept, until=kept + 2**62), None)
    return over if first is None else event_feed.written_at(first).date()


def _make(session: Session, partner_id: UUID, day: date, *, now: datetime, keyring: Keyring) -> int:
    """Make one digest; 0 where somebody else has made it meanwhile."""
    ends = datetime.combine(day, time(), UTC) + DAY
    statement = """
        SELECT day, last_position FROM webhooks.digest WHERE partner_id = :partner_id ORDER BY day DESC LIMIT 1
    """
    before = session.execute(text(statement), {"partner_id": partner_id}).first()
    if before is not None and before.day >= day:
        return 0
    after = event_feed.before_kept(session, partner_id=partner_id) if before is None else before.last_position
    until = max(after, event_feed.last_before(session, partner_id=partner_id, at=ends))
    hashed, events = sha256(), 0
    for event_id in event_feed.ids_between(session, partner_id=partner_id, after=after, until=until):
        hashed.update(ids.show(ids.EVENT, event_id).encode() + b"\n")
        events += 1
    unsigned = Digest(partner_id, day, after, until, events, hashed.digest(), b"", now)
    signature = keyring.sign(signed(session, unsigned).encode(), purpose=PURPOSE)
    session.execute(
        text(f"""
            INSERT INTO webhooks.digest ({_COLUMNS})
            VALUES (:partner_id, :day, :after_position, :last_position, :events, :ids_hash, :signature, :made_at)
        """),  # noqa: S608
        {**vars(unsigned), "signature": signature},
    )
    return 1


def _digest(row: Row[Any]) -> Digest:
    return Digest(
        row.partner_id,
        row.day,
        row.after_position,
        row.last_position,
        row.events,
        bytes(row.ids_hash),
        bytes(row.signature),
        row.made_at,
    )
