"""How an endpoint does: now, and over time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from kit.db import Session
from kit.errors import Invalid
from webhooks import endpoints

MOST_COUNTED = 10_000
MOST_BUCKETS = 1_000
BUCKETS = {"5m": timedelta(minutes=5), "hour": timedelta(hours=1), "day": timedelta(days=1)}


class TooManyBuckets(Invalid):
    code = "too_many_buckets"
    title = "Too many buckets"
    description = "You asked for figures of no time at all, or of more buckets than one answer has. `most` is how many."
    remedy = "Let `until` be after `since`, and ask for a shorter time or a larger `bucket`."
    facts = ("most",)


@dataclass(frozen=True)
class Health:
    """An endpoint now.

    `failures` are attempts in a row. Until `open_until` nothing is sent, then one attempt is made to see. `backlog` is
    counted up to MOST_COUNTED.
    """

    failures: int
    failing_since: datetime | None
    open_until: datetime | None
    last_sequence: int
    backlog: int
    oldest_due_at: datetime | None


@dataclass(frozen=True)
class Bucket:
    """Attempts that began within a time: how many ended how, and their milliseconds."""

    began_at: datetime
    succeeded: int
    failed: int
    given_up: int
    average_ms: int
    slowest_ms: int


def health(session: Session, *, endpoint_id: UUID) -> Health:
    """How the endpoint does now; the caller has seen that it may know."""
    row = session.execute(
        text("""
            SELECT coalesce(s.failures, 0), s.failing_since, s.probe_at, coalesce(s.last_sequence, 0),
                   (SELECT count(*) FROM (SELECT FROM webhooks.delivery d
                                          WHERE d.endpoint_id = e.endpoint_id AND d.state = 'pending'
                                          LIMIT :most) AS pending),
                   (SELECT min(first.due_at) FROM generate_series(0, 2) AS lanes (lane)
                    CROSS JOIN LATERAL (SELECT d.due_at FROM webhooks.delivery d
                                        WHERE d.endpoint_id = e.endpoint_id AND d.state = 'pending'
                                          AND d.lane = lanes.lane
                                        ORDER BY d.due_at LIMIT 1) AS first)
            FROM webhooks.endpoint e LEFT JOIN webhooks.endpoint_state s USING (endpoint_id)
            WHERE e.endpoint_id = :id
        """),
        {"id": endpoint_id, "most": MOST_COUNTED},
    ).one()
    return Health(*row)


def stats(
    session: Session, *, endpoint_id: UUID, partner_id: UUID, since: datetime, until: datetime, bucket: str
) -> list[Bucket]:
    """What came of attempts from `since` up to `until`, by buckets of UTC, those without any left out.

    Raises EndpointNotFound, TooManyBuckets.
    """
    width = BUCKETS[bucket]
    if not since < until or (until - since) / width > MOST_BUCKETS:
        raise TooManyBuckets(f"one answer has 1 to {MOST_BUCKETS} buckets", most=MOST_BUCKETS)
    endpoints.get(session, endpoint_id=endpoint_id, partner_id=partner_id)
    rows = session.execute(
        text("""
            SELECT date_bin(:width, began_at, '2000-01-01T00:00Z') AS bucket, sum(succeeded), sum(failed),
                   sum(given_up), CAST(round(sum(duration_ms) / greatest(sum(succeeded) + sum(failed), 1)) AS bigint),
                   max(slowest_ms)
            FROM webhooks.traffic
            WHERE endpoint_id = :id AND began_at >= date_bin(:width, :since, '2000-01-01T00:00Z') AND began_at < :until
            GROUP BY bucket ORDER BY bucket
        """),
        {"id": endpoint_id, "width": width, "since": since, "until": until},
    )
    return [Bucket(*row) for row in rows]
