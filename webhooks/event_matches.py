"""One event, and what became of it at each endpoint: its delivery, or why there is none."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from kit import event_feed
from kit.db import Session
from kit.errors import NotFound
from webhooks import fan_out
from webhooks.fan_out import Subscription

REGISTERED_LATER = "registered_later"
UNKNOWN = "unknown"  # its settings were changed since, or its delivery is kept no longer
REASONS = (REGISTERED_LATER, *fan_out.REASONS, UNKNOWN)


class EventNotFound(NotFound):
    code = "event_not_found"
    title = "Event not found"
    description = "You have no event with this id, or it is older than the time for which we keep events."
    remedy = "Use an id from GET /v1/events, or the `webhook-id` of a webhook. An event appears there within seconds."


@dataclass(frozen=True)
class Match:
    """What became of an event at one endpoint; `reason` says why nothing did."""

    endpoint_id: UUID
    matched: bool
    delivery_id: UUID | None
    delivery_state: str | None
    reason: str | None


@dataclass(frozen=True)
class Matched:
    """An event as it was sent, and each of its partner's endpoints."""

    event: dict[str, Any]
    endpoints: list[Match]


def get(session: Session, *, event_id: UUID, partner_id: UUID) -> Matched:
    """One event of a partner, and what became of it at each endpoint that it has now; raises EventNotFound."""
    found = event_feed.find(session, partner_id=partner_id, event_id=event_id)
    if found is None or found.body is None:
        raise EventNotFound("you have no event with this id")
    event = json.loads(found.body)
    rows = session.execute(
        text("""
            SELECT e.endpoint_id, e.event_types, e.filter, e.created_at, d.delivery_id, d.state
            FROM webhooks.endpoint e
            LEFT JOIN webhooks.delivery d ON d.endpoint_id = e.endpoint_id AND d.event_id = :event_id
            WHERE e.partner_id = :partner_id AND e.removed_at IS NULL ORDER BY e.endpoint_id
        """),
        {"event_id": event_id, "partner_id": partner_id},
    )
    written_at = event_feed.written_at(event_id)
    return Matched(event, [_match(row, event, written_at) for row in rows])


def _match(row: Row[Any], event: dict[str, Any], written_at: datetime) -> Match:
    if row.delivery_id is not None:
        return Match(row.endpoint_id, True, row.delivery_id, row.state, None)
    return Match(row.endpoint_id, False, None, None, _why_not(row, event, written_at))


def _why_not(row: Row[Any], event: dict[str, Any], written_at: datetime) -> str:
    if row.created_at > written_at:
        return REGISTERED_LATER
    wanted = Subscription(row.endpoint_id, row.event_types, row.filter)
    return wanted.why_not(event["type"], event) or UNKNOWN
