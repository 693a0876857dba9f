"""The feed: a partner's events in the order of their places, for who reads on from a place of its own.

Places are given by one sequencer to what is committed, and those of a batch become visible together: whoever read up
to a place has read all before it. The bodies of events older than retention are gone, from the oldest on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from kit import ids
from kit.db import Session

MOST_LOOKED_AT = 10_000  # events, to find those of the wanted types
MOST_COUNTED = 100_000
IDS_PER_READ = 10_000
# No transaction is open longer. So an event that was written this much before another stands before it in the feed.
LONGEST_TRANSACTION_MS = 3_600_000


@dataclass(frozen=True)
class Stretch:
    """Part of a feed: the bodies of the wanted events, up to the place `position`.

    `has_more`: whether more may follow. `is_purged`: there is nothing to read, for what follows is older than
    retention.
    """

    bodies: list[bytes]
    position: int
    has_more: bool
    is_purged: bool = False


@dataclass(frozen=True)
class Found:
    """One event of a feed; `body` is None when it is older than retention."""

    event_id: UUID
    type: str
    position: int
    body: bytes | None


# A partner's index is of an expression, so that none of these can take the index of all places: the planner would, and
# walk through everybody's events to find the few of a quiet partner. It is one whose function is leakproof: others may
# look at a row only after its policy has, and so in no index.
_BEHIND = "partner_id = :partner_id AND position IS NOT NULL AND greatest(position, 0) > CAST(:after AS bigint)"
_BETWEEN = _BEHIND + " AND greatest(position, 0) <= CAST(:until AS bigint)"
_IN_ORDER = "ORDER BY greatest(position, 0)"
_BACKWARDS = "ORDER BY greatest(position, 0) DESC"
_READ = text(f"""
    WITH looked AS MATERIALIZED (
        SELECT position, type, body FROM kit.event WHERE {_BEHIND} {_IN_ORDER} LIMIT :look_at
    ), kept AS (
        SELECT position, type, body FROM looked
        WHERE position < coalesce((SELECT min(position) FROM looked WHERE body IS NULL), 9223372036854775807)
    )
    SELECT s.looked, s.purged, s.farthest, f.position, f.body
    FROM (SELECT count(*) AS looked, count(*) FILTER (WHERE body IS NULL) AS purged,
                 (SELECT max(position) FROM kept) AS farthest FROM looked) s
    LEFT JOIN LATERAL (
        SELECT position, body FROM kept
        WHERE CAST(:types AS text[]) IS NULL OR type = ANY(:types) ORDER BY position LIMIT :limit + 1) f ON true
    ORDER BY f.position
""")  # noqa: S608 -- words of ours


def read(session: Session, *, partner_id: UUID, after: int, types: list[str] | None, limit: int) -> Stretch:
    """Up to `limit` events behind the place `after`, of `types` or of all; looks at MOST_LOOKED_AT of them at most."""
    look_at = limit + 1 if types is None else MOST_LOOKED_AT
    given = {"types": types, "limit": limit, "look_at": look_at}
    rows = session.execute(_READ, {**_part(partner_id, after), **given}).all()
    first = rows[0]
    found = [row for row in rows if row.position is not None]
    if len(found) > limit:
        return Stretch([bytes(row.body) for row in found[:limit]], found[limit - 1].position, has_more=True)
    position = after if first.farthest is None else first.farthest
    return Stretch(
        [bytes(row.body) for row in found],
        position,
        has_more=bool(first.purged) or first.looked == look_at,
        is_purged=bool(first.purged) and first.farthest is None,
    )


def last(session: Session, *, partner_id: UUID) -> int:
    """The place of a partner's last event; 0 without any."""
    return _one(session, "position", _part(partner_id, 0), order=_BACKWARDS) or 0


def before_kept(session: Session, *, partner_id: UUID) -> int:
    """The place behind which everything is kept still."""
    return _before_first(session, "body IS NOT NULL", partner_id=partner_id)


def before_time(session: Session, *, partner_id: UUID, at: datetime) -> int:
    """A place behind which all stands that was written at `at` or later, right before the first such event."""
    behind = _part(partner_id, _long_before(session, partner_id, _ms(at)))
    first: int | None = _one(session, "position", behind, "event_id >= :floor", floor=ids.first_at(_ms(at)))
    return last(session, partner_id=partner_id) if first is None else first - 1


def last_before(session: Session, *, partner_id: UUID, at: datetime) -> int:
    """The place of the last event, in the feed's order, that was written before `at`; 0 without any."""
    until = _long_before(session, partner_id, _ms(at) + 2 * LONGEST_TRANSACTION_MS)
    given = {"until": until, "floor": ids.first_at(_ms(at))}
    condition = "position IS NOT NULL AND greatest(position, 0) <= :until AND event_id < :floor"
    return _one(session, "position", _part(partner_id, 0), condition, order=_BACKWARDS, **given) or 0


def occurred_after(session: Session, *, partner_id: UUID, after: int) -> datetime | None:
    """When the first event behind a place occurred."""
    at: datetime | None = _one(session, "occurred_at", _part(partner_id, after))
    return at


def is_purged(session: Session, *, partner_id: UUID, after: int) -> bool:
    """Whether the first event behind a place is older than retention."""
    return bool(_one(session, "body IS NULL", _part(partner_id, after)))


def count(session: Session, *, partner_id: UUID, after: int, types: list[str] | None) -> int:
    """How many events, of `types` or all, stand behind a place; no more than MOST_COUNTED are looked at."""
    statement = f"""
        SELECT count(*) FROM (SELECT type FROM kit.event WHERE {_BEHIND} {_IN_ORDER} LIMIT :most) AS behind
        WHERE CAST(:types AS text[]) IS NULL OR type = ANY(:types)
    """  # noqa: S608
    given = {**_part(partner_id, after), "types": types, "most": MOST_COUNTED}
    return session.scalar(text(statement), given) or 0


def find(session: Session, *, partner_id: UUID, event_id: UUID) -> Found | None:
    """One event of a partner's feed."""
    row = session.execute(
        text("""
            SELECT event_id, type, position, body FROM kit.event
            WHERE event_id = :event_id AND partner_id = :partner_id AND position IS NOT NULL
        """),
        {"event_id": event_id, "partner_id": partner_id},
    ).first()
    return None if row is None else Found(row.event_id, row.type, row.position, row.body and bytes(row.body))


def ids_between(session: Session, *, partner_id: UUID, after: int, until: int) -> Iterator[UUID]:
    """The ids of a partner's events behind the place `after`, up to the place `until`, in order."""
    while True:
        rows = session.execute(
            text(f"SELECT position, event_id FROM kit.event WHERE {_BETWEEN} {_IN_ORDER} LIMIT :most"),  # noqa: S608
            {**_part(partner_id, after), "until": until, "most": IDS_PER_READ},
        ).all()
        yield from (row.event_id for row in rows)
        if len(rows) < IDS_PER_READ:
            return
        after = rows[-1].position


def partners(session: Session) -> list[UUID]:
    """Whoever has events in its feed: one step through the index for each."""
    rows = session.execute(
        text("""
            WITH RECURSIVE found AS (
                (SELECT partner_id FROM kit.event WHERE position IS NOT NULL ORDER BY partner_id LIMIT 1)
                UNION ALL
                SELECT (SELECT e.partner_id FROM kit.event e
                        WHERE e.position IS NOT NULL AND e.partner_id > found.partner_id
                        ORDER BY e.partner_id LIMIT 1)
                FROM found WHERE found.partner_id IS NOT NULL)
            SELECT partner_id FROM found WHERE partner_id IS NOT NULL
        """)
    )
    return list(rows.scalars())


def written_at(event_id: UUID) -> datetime:
    """When an event was written: its id tells (RFC 9562)."""
    # What is no time of ours is nobody's id, and is looked for where nothing stands.
    return datetime.fromtimestamp(min(event_id.int >> 80, ids.LATEST_MS) / 1000, UTC)


def _long_before(session: Session, partner_id: UUID, at_ms: int) -> int:
    """A place that no event written at `at_ms` or later stands before."""
    floor = ids.first_at(at_ms - LONGEST_TRANSACTION_MS)
    return _before_first(session, "event_id >= :floor", partner_id=partner_id, floor=floor)


# Halves the feed until it comes to the first event that `condition` is true of, as it is of all later ones: an index
# look-up for each half, and no index of its own that every posting would pay for.
_BISECT = """
    WITH RECURSIVE search (low, high) AS (
        SELECT CAST(:first AS bigint), CAST(:last AS bigint) + 1
        UNION ALL
        SELECT CASE WHEN probe.is_behind THEN s.low ELSE probe.position + 1 END,
               CASE WHEN probe.is_behind THEN (s.low + s.high) / 2 ELSE s.high END
        FROM search s CROSS JOIN LATERAL (
            SELECT position, {condition} AS is_behind FROM kit.event
            WHERE partner_id = :partner_id AND position IS NOT NULL AND greatest(position, 0) >= (s.low + s.high) / 2
            ORDER BY greatest(position, 0) LIMIT 1) probe
        WHERE s.low < s.high)
    SELECT low - 1 FROM search WHERE low >= high
"""


def _before_first(session: Session, condition: str, *, partner_id: UUID, **given: Any) -> int:
    first = _one(session, "position", _part(partner_id, 0))
    if first is None:
        return 0
    ends = {"partner_id": partner_id, "first": first, "last": last(session, partner_id=partner_id)}
    return session.scalar(text(_BISECT.format(condition=condition)), {**ends, **given}) or 0


def _part(partner_id: UUID, after: int) -> dict[str, Any]:
    """What _BEHIND asks for."""
    return {"partner_id": partner_id, "after": after}


def _one(
    session: Session, what: str, part: dict[str, Any], condition: str = "true", *, order: str = _IN_ORDER, **given: Any
) -> Any:
    statement = f"SELECT {what} FROM kit.event WHERE {_BEHIND} AND {condition} {order} LIMIT 1"  # noqa: S608
    return session.scalar(text(statement), {**part, **given})


def _ms(at: datetime) -> int:
    """Milliseconds since 1970."""
    return int(at.timestamp() * 1000)
