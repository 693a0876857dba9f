"""Replays, carried out by the pump a few hundred events at a turn, behind what happens now.

A replay goes on only while few of its endpoint's deliveries wait in that lane: the queue stays short.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from kit import outbox
from kit.db import Session
from kit.outbox import Sequenced
from webhooks.event_types import matches
from webhooks.fan_out import Subscription, insert, subscriptions, wants

log = logging.getLogger("webhooks.replaying")

EVENTS_PER_STEP = 200
MOST_QUEUED = 1_000
FIRST_WAIT, LONGEST_WAIT, MOST_DOUBLINGS = timedelta(seconds=1), timedelta(minutes=5), 10  # behind steps that failed


@dataclass(frozen=True)
class Replay:
    """One that runs: what it is about, how far in the feed it is, and how many of its steps failed in a row."""

    replay_id: UUID
    partner_id: UUID
    endpoint_id: UUID
    since: datetime
    until: datetime
    event_types: list[str]
    selection: str
    position: int
    last_position: int
    failures: int


# Whoever's step was longest ago, so that none holds up another.
_NEXT = text("""
    SELECT replay_id, partner_id, endpoint_id, since, until, event_types, selection, position, last_position, failures
    FROM webhooks.replay r
    WHERE state = 'running' AND due_at <= :now AND (
        SELECT count(*) FROM (SELECT FROM webhooks.delivery d
                              WHERE d.endpoint_id = r.endpoint_id AND d.state = 'pending' AND d.lane = 2
                              LIMIT :most) AS queued) < :most
    ORDER BY due_at, replay_id LIMIT 1 FOR UPDATE SKIP LOCKED
""")


def advance(session: Session, *, now: datetime) -> bool:
    """Take one step of the replay whose turn it is, if one may go on; whether one did.

    One whose step fails has its next turn ever later, and changes nothing by it.
    """
    row = session.execute(_NEXT, {"most": MOST_QUEUED, "now": now}).first()
    if row is None:
        return False
    replay = Replay(*row)
    try:
        with session.begin_nested():
            _step(session, replay, now=now)
    except Exception:
        if session.invalidated:
            raise
        log.exception("a replay failed: %s", replay.replay_id)
        _put_off(session, replay, now=now)
        return False
    return True


def _step(session: Session, replay: Replay, *, now: datetime) -> None:
    found = outbox.between(
        session,
        partner_id=replay.partner_id,
        after=replay.position,
        up_to=replay.last_position,
        limit=EVENTS_PER_STEP,
    )
    there = subscriptions(session, {replay.partner_id}).get(replay.partner_id, [])
    target = next((one for one in there if one.endpoint_id == replay.endpoint_id), None)
    sent = 0 if target is None else _send_again(session, replay, target, _concerned(replay, target, found), now=now)
    over = target is None or len(found) < EVENTS_PER_STEP
    session.execute(
        text("""
            UPDATE webhooks.replay
            SET processed = processed + :processed, sent_again = sent_again + :sent, position = :position,
                due_at = :now, failures = 0,
                state = CASE WHEN :over THEN 'done' ELSE state END,
                ended_at = CASE WHEN :over THEN :now ELSE ended_at END
            WHERE replay_id = :replay_id
        """),
        {
            "processed": sum(_is_asked(replay, event) for event in found),
            "sent": sent,
            "position": found[-1].position if found else replay.last_position,
            "over": over,
            "now": now,
            "replay_id": replay.replay_id,
        },
    )


def _put_off(session: Session, replay: Replay, *, now: datetime) -> None:
    wait = min(FIRST_WAIT * 2 ** min(replay.failures, MOST_DOUBLINGS), LONGEST_WAIT)
    session.execute(
        text("UPDATE webhooks.replay SET due_at = :due_at, failures = failures + 1 WHERE replay_id = :replay_id"),
        {"due_at": now + wait, "replay_id": replay.replay_id},
    )


def _is_asked(replay: Replay, event: Sequenced) -> bool:
    return replay.since <= event.occurred_at < replay.until and matches(replay.event_types, event.type)


def _concerned(replay: Replay, target: Subscription, found: Sequence[Sequenced]) -> list[Sequenced]:
    """Of `found`, what the replay is about and its endpoint wants."""
    return [event for event in found if _is_asked(replay, event) and wants(target, event)]


def _send_again(
    session: Session, replay: Replay, target: Subscription, events: list[Sequenced], *, now: datetime
) -> int:
    states = {"failed": ["failed"], "missing": [], "all": ["failed", "delivered", "cancelled"]}[replay.selection]
    again = session.execute(
        text("""
            UPDATE webhooks.delivery
            SET state = 'pending', lane = 2, due_at = :now, completed_at = NULL, ordering_key = NULL, batch_id = NULL,
                by_hand = attempts
            WHERE endpoint_id = :endpoint_id AND event_id = ANY(:events) AND state = ANY(:states)
              AND (claim_id IS NULL OR lease_until <= :now)
        """),
        {
            "endpoint_id": target.endpoint_id,
            "events": [event.event_id for event in events],
            "states": states,
            "now": now,
        },
    ).rowcount
    if replay.selection == "failed":
        return again
    return again + insert(session, [(event, target) for event in events], is_replay=True, now=now)
