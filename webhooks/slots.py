"""Slots: as many pumps as there are workers share the partners. Locks say who is there, and end with their holder.

A partner's endpoints are one pump's, so that its caps, rates and order are kept by who sends. When a pump comes or
goes the shares move; what is claimed stays claimed, so that nothing is sent by two.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

MOST_SLOTS = 16
_SPACE = 815_300_047  # of our advisory locks with two keys; the other one is the slot

# Pumps of the version before know no slots: they hold this lock alone, all of ours share it.
_BESIDE_OLDER = "SELECT pg_try_advisory_lock_shared(hashtextextended('webhooks.pump', 0))"
_TAKE = "SELECT pg_try_advisory_lock(:space, :slot)"
_TAKEN = """
    SELECT objid::int FROM pg_locks
    WHERE locktype = 'advisory' AND classid = :space AND objsubid = 2 AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ORDER BY objid
"""


@dataclass(frozen=True)
class Share:
    """Of the partners, counted in the order of their ids, every `of`-th, beginning with number `rank`."""

    rank: int = 0
    of: int = 1


ALONE = Share()


def take(lock: Connection, *, most: int = MOST_SLOTS) -> int | None:
    """Take the first free slot for as long as `lock`, a connection of its own, lasts; None when there is none."""
    if not lock.scalar(text(_BESIDE_OLDER)):
        return None
    for slot in range(most):
        if lock.scalar(text(_TAKE), {"space": _SPACE, "slot": slot}):
            return slot
    return None


def share(lock: Connection, slot: int) -> Share | None:
    """What falls to the pump in `slot` now; None when its lock is lost, and the slot with it."""
    try:
        taken = lock.scalars(text(_TAKEN), {"space": _SPACE}).all()
    except DBAPIError:
        return None
    return Share(taken.index(slot), len(taken)) if slot in taken else None


def taken(session: Connection) -> list[int]:
    """The slots that pumps hold now."""
    return list(session.scalars(text(_TAKEN), {"space": _SPACE}))
