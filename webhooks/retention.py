"""How long deliveries, their attempts and the feed reach back; what is older goes, a bounded number at a time."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import text

from kit import outbox
from kit.db import Database, Session

AT_ONCE = 5_000
MOST_STEPS = 1_000  # what is left waits for the next time


def forget_all(database: Database, *, now: datetime, keep: timedelta) -> int:
    """Let go of all that is older than `keep`, a transaction for each few thousand; how many."""
    gone = 0
    for _ in range(MOST_STEPS):
        with database.transaction() as session:
            step = forget(session, now=now, keep=keep)
        gone += step
        if not step:
            break
    return gone


def forget(session: Session, *, now: datetime, keep: timedelta) -> int:
    """Let go of up to AT_ONCE of each that is older than `keep`, or of endpoints that were removed; how many in all.

    What waits that long for an endpoint that is paused or disabled is cancelled.
    """
    before = now - keep
    # Bodies first: erasure changes events, and then what was made of them. No delivery is waited for that a pump has.
    return (
        _bodies(session, before=before)
        + _cancel(session, now=now, before=before)
        + _deliveries(session, before=before)
        + _traffic(session, before=before)
    )


def _cancel(session: Session, *, now: datetime, before: datetime) -> int:
    gone = session.execute(
        text("""
            UPDATE webhooks.delivery SET state = 'cancelled', completed_at = :now
            WHERE delivery_id IN (
                SELECT x.delivery_id FROM webhooks.endpoint e
                CROSS JOIN generate_series(0, 4) AS l (lane)
                CROSS JOIN LATERAL (
                    SELECT delivery_id FROM webhooks.delivery d
                    WHERE d.endpoint_id = e.endpoint_id AND d.state = 'pending' AND d.lane = l.lane
                      AND (d.due_at < :before OR e.removed_at IS NOT NULL)
                      AND (d.claim_id IS NULL OR d.lease_until <= :now)
                    LIMIT :limit FOR UPDATE SKIP LOCKED) x
                LIMIT :limit)
        """),
        {"now": now, "before": before, "limit": AT_ONCE},
    )
    held = session.execute(
        text("""
            UPDATE webhooks.delivery SET state = 'cancelled', completed_at = :now
            WHERE delivery_id IN (
                SELECT delivery_id FROM webhooks.delivery
                WHERE ordering_key IS NOT NULL AND state IN ('pending', 'held') AND state = 'held'
                  AND completed_at < :before
                FOR UPDATE SKIP LOCKED)
        """),
        {"now": now, "before": before},
    )
    return gone.rowcount + held.rowcount + _release_heads(session, now=now)


def _release_heads(session: Session, *, now: datetime) -> int:
    """Let go whatever waits for one that is there no more: cancelled just now, or ended by who knew of no order."""
    done = session.execute(
        text("""
            UPDATE webhooks.delivery SET lane = CASE lane WHEN 4 THEN 2 ELSE 0 END, due_at = :now
            WHERE delivery_id IN (
                SELECT delivery_id FROM webhooks.delivery
                WHERE lane >= 3 AND state = 'pending' AND delivery_id IN (
                    SELECT DISTINCT ON (endpoint_id, ordering_key) delivery_id FROM webhooks.delivery
                    WHERE ordering_key IS NOT NULL AND state IN ('pending', 'held')
                    ORDER BY endpoint_id, ordering_key, position)
                FOR UPDATE SKIP LOCKED)
        """),
        {"now": now},
    )
    return done.rowcount


def _deliveries(session: Session, *, before: datetime) -> int:
    done = session.execute(
        text("""
            WITH old AS (
                SELECT delivery_id FROM webhooks.delivery
                WHERE completed_at < :before AND state <> 'held' LIMIT :limit
                FOR UPDATE SKIP LOCKED
            ), logged AS (
                DELETE FROM webhooks.attempt WHERE delivery_id IN (SELECT delivery_id FROM old)
            )
            DELETE FROM webhooks.delivery WHERE delivery_id IN (SELECT delivery_id FROM old)
        """),
        {"before": before, "limit": AT_ONCE},
    )
    return done.rowcount


def _bodies(session: Session, *, before: datetime) -> int:
    gone = session.scalar(text("SELECT position FROM webhooks.retention FOR UPDATE")) or 0
    last = outbox.forget_bodies(session, after=gone, before=before, limit=AT_ONCE)
    session.execute(text("UPDATE webhooks.retention SET position = :last"), {"last": last})
    return last - gone


def _traffic(session: Session, *, before: datetime) -> int:
    done = session.execute(
        text("""
            DELETE FROM webhooks.traffic WHERE (endpoint_id, began_at) IN (
                SELECT endpoint_id, began_at FROM webhooks.traffic WHERE began_at < :before LIMIT :limit)
        """),
        {"before": before, "limit": AT_ONCE},
    )
    return done.rowcount
