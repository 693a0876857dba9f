"""Faults of the sandbox come once for each request, so that the same one, sent again, goes through."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from kit.db import Session

REMEMBERED = timedelta(days=1)


def is_first(session: Session, *, partner_id: UUID, key: str, now: datetime) -> bool:
    """Whether a request under this key meets a fault for the first time; remembered for a day."""
    done = session.execute(
        text("""
            INSERT INTO partners.fault_met (partner_id, idempotency_key, at) VALUES (:partner_id, :key, :now)
            ON CONFLICT DO NOTHING
        """),
        {"partner_id": partner_id, "key": key, "now": now},
    )
    return done.rowcount == 1


def forget(session: Session, *, now: datetime) -> int:
    """Forget what was met more than a day ago; returns how many requests."""
    return session.execute(
        text("DELETE FROM partners.fault_met WHERE at < :before"), {"before": now - REMEMBERED}
    ).rowcount
