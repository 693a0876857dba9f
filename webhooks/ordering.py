"""Deliveries in order: one of a key goes at a time, and the next one when it has come to its end."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from kit.db import Session


def hold(session: Session, endpoint_id: UUID) -> None:
    """Keep others from beginning or ending anything in an endpoint's order until the end of the transaction."""
    session.execute(
        text("SELECT FROM webhooks.endpoint_state WHERE endpoint_id = :endpoint_id FOR UPDATE"),
        {"endpoint_id": endpoint_id},
    )


def release_next(session: Session, *, endpoint_id: UUID, ordering_key: UUID, now: datetime) -> None:
    """Let the first delivery of an ordering key go that has not come to its end, if it waited for another."""
    hold(session, endpoint_id)
    session.execute(
        text("""
            UPDATE webhooks.delivery SET lane = CASE lane WHEN 4 THEN 2 ELSE 0 END, due_at = :now
            WHERE lane >= 3 AND state = 'pending' AND delivery_id = (
                SELECT delivery_id FROM webhooks.delivery
                WHERE endpoint_id = :endpoint_id AND ordering_key = :ordering_key AND state IN ('pending', 'held')
                ORDER BY position LIMIT 1)
        """),
        {"endpoint_id": endpoint_id, "ordering_key": ordering_key, "now": now},
    )
