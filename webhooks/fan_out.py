"""Fan-out: committed events get their places in the feed, and a delivery for each endpoint that wants them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from kit import ids, outbox
from kit.db import Session, try_lock
from kit.outbox import Waiting
from kit.secrets import Keyring
from webhooks.event_types import matches

MOST_EVENTS = 500  # of one transaction
MOST_DELIVERIES = 2_000

# By partner: its endpoints, and the patterns of what each wants.
Subscriptions = dict[UUID, list[tuple[UUID, list[str]]]]


def fan_out(session: Session, *, now: datetime, keyring: Keyring) -> Counter[str]:
    """Sequence waiting events and make a delivery for each endpoint that wants one; how many events of each type.

    At most MOST_DELIVERIES at once, or those of one event, so that nobody's many endpoints make a transaction that
    never ends; what is left waits for the next.
    """
    if not try_lock(session, "webhooks.fan_out"):
        return Counter()
    waiting = outbox.next_waiting(session, limit=MOST_EVENTS)
    if not waiting:
        return Counter()
    wanted = _subscriptions(session, {event.partner_id for event in waiting})
    events = outbox.sequence(session, _as_many_as_fit(waiting, wanted), keyring=keyring)
    pairs = [(event, endpoint_id) for event in events for endpoint_id in _who_wants(event, wanted)]
    if pairs:
        session.execute(
            text("""
                INSERT INTO webhooks.delivery (delivery_id, endpoint_id, subject_id, event_id, position, state, due_at)
                SELECT u.*, 'pending', :now
                FROM unnest(CAST(:ids AS uuid[]), CAST(:endpoints AS uuid[]), CAST(:subjects AS uuid[]),
                            CAST(:events AS uuid[]), CAST(:positions AS bigint[])) AS u
                ON CONFLICT (event_id, endpoint_id) DO NOTHING
            """),
            {
                "ids": [ids.new() for _ in pairs],
                "endpoints": [endpoint_id for _, endpoint_id in pairs],
                "subjects": [event.subject_id for event, _ in pairs],
                "events": [event.event_id for event, _ in pairs],
                "positions": [event.position for event, _ in pairs],
                "now": now,
            },
        )
    return Counter(event.type for event in events)


def _subscriptions(session: Session, partner_ids: set[UUID]) -> Subscriptions:
    rows = session.execute(
        text("""
            SELECT partner_id, endpoint_id, event_types FROM webhooks.endpoint
            WHERE partner_id = ANY(:ids) AND removed_at IS NULL
        """),
        {"ids": list(partner_ids)},
    )
    found: Subscriptions = {}
    for row in rows:
        found.setdefault(row.partner_id, []).append((row.endpoint_id, row.event_types))
    return found


def _who_wants(event: Waiting | outbox.Sequenced, wanted: Subscriptions) -> list[UUID]:
    return [one for one, patterns in wanted.get(event.partner_id, ()) if matches(patterns, event.type)]


def _as_many_as_fit(waiting: Sequence[Waiting], wanted: Subscriptions) -> Sequence[Waiting]:
    deliveries = 0
    for number, event in enumerate(waiting):
        deliveries += len(_who_wants(event, wanted))
        if number and deliveries > MOST_DELIVERIES:
            return waiting[:number]
    return waiting
