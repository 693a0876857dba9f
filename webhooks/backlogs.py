"""What waits for endpoints that aren't enabled: it goes behind what happens once they are."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from kit.db import Session


def set_aside(session: Session, *, now: datetime, most: int, endpoint_id: UUID | None = None) -> int:
    """Put up to `most` deliveries that wait for endpoints that aren't enabled, or for one of them, behind what happens.

    So they wait in the lane of replays when it is enabled again, due at once; where fan-out puts what comes meanwhile.
    """
    done = session.execute(
        text("""
            WITH waiting AS MATERIALIZED (  -- once: a subquery may be run for each row, and lock more than the limit
                SELECT x.delivery_id FROM webhooks.endpoint e
                CROSS JOIN (VALUES (0::smallint), (1), (3)) AS l (lane)
                CROSS JOIN LATERAL (
                    SELECT d.delivery_id FROM webhooks.delivery d
                    WHERE d.endpoint_id = e.endpoint_id AND d.state = 'pending' AND d.lane = l.lane
                      AND (d.claim_id IS NULL OR d.lease_until <= :now)
                    ORDER BY d.due_at LIMIT :most FOR UPDATE SKIP LOCKED) x
                WHERE e.status <> 'enabled' AND e.removed_at IS NULL
                  AND (CAST(:endpoint_id AS uuid) IS NULL OR e.endpoint_id = :endpoint_id)
                LIMIT :most)
            UPDATE webhooks.delivery
            SET lane = CASE lane WHEN 3 THEN 4 ELSE 2 END, due_at = least(due_at, :now)
            WHERE delivery_id IN (SELECT delivery_id FROM waiting)
        """),
        {"now": now, "most": most, "endpoint_id": endpoint_id},
    )
    return done.rowcount
