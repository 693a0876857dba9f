"""Deliveries: one event for one endpoint, until it is delivered or given up. The schedule is in these rows.

The pump's three moves are here as plain transactions: fan out, claim, complete. A claim writes its attempt as `unknown`
before anything is sent; a completion counts only for the claim it was made under.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from kit import ids, outbox
from kit.db import Session
from kit.errors import Conflict, NotFound
from kit.exposition import Gauge
from webhooks import endpoints, places
from webhooks.places import Free

MOST_COUNTED = 100_000
LEASE = timedelta(seconds=90)  # longer than the longest attempt and its completion


class DeliveryNotFound(NotFound):
    """No delivery of yours has this id."""

    code = "delivery_not_found"
    title = "Delivery not found"


class EndpointDisabled(Conflict):
    """The endpoint of this delivery is disabled, so nothing is sent to it; enable it, and it gets what it missed."""

    code = "endpoint_disabled"
    title = "Endpoint disabled"


class AlreadyDelivered(Conflict):
    """The delivery has succeeded; there is nothing to retry."""

    code = "already_delivered"
    title = "Already delivered"


@dataclass(frozen=True)
class Claim:
    """What is needed for one attempt; `tries` are those so far of the schedule, this one included."""

    delivery_id: UUID
    claim_id: UUID
    endpoint_id: UUID
    partner_id: UUID
    event_id: UUID
    attempt_no: int
    tries: int
    url: str
    sealed_secret: bytes
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of one attempt. `retry_in` is None when it succeeded, or failed for the last time."""

    claim: Claim
    succeeded: bool
    status_code: int | None
    error: str | None
    duration_ms: int
    response: bytes
    retry_in: timedelta | None
    disable_endpoint: bool = False


_CLAIM = text("""
    WITH due AS (
        SELECT d.delivery_id
        FROM (
            SELECT x.delivery_id, x.due_at, e.partner_id, e.endpoint_id = ANY(:slow) AS is_slow,
                   row_number() OVER (PARTITION BY e.partner_id ORDER BY x.due_at) AS of_partner,
                   row_number() OVER (PARTITION BY e.endpoint_id = ANY(:slow) ORDER BY x.due_at) AS of_lane
            FROM webhooks.endpoint e
            LEFT JOIN unnest(CAST(:endpoints AS uuid[]), CAST(:endpoints_free AS int[])) AS known (endpoint_id, free)
                   ON known.endpoint_id = e.endpoint_id
            CROSS JOIN LATERAL (
                SELECT y.delivery_id, y.due_at FROM webhooks.delivery y
                WHERE y.endpoint_id = e.endpoint_id AND y.state = 'pending' AND y.due_at <= :now
                ORDER BY y.due_at, y.position LIMIT coalesce(known.free, :at_first)
                FOR UPDATE SKIP LOCKED) x
            WHERE e.status = 'enabled') d
        LEFT JOIN unnest(CAST(:partners AS uuid[]), CAST(:partners_free AS int[])) AS busy (partner_id, free)
               ON busy.partner_id = d.partner_id
        WHERE d.of_partner <= coalesce(busy.free, :of_partner) AND (d.of_lane <= :slow_free OR NOT d.is_slow)
        ORDER BY d.due_at LIMIT :limit
    ), claimed AS (
        UPDATE webhooks.delivery d SET claim_id = :claim_id, due_at = :lease_until, attempts = d.attempts + 1
        FROM due WHERE d.delivery_id = due.delivery_id
        RETURNING d.delivery_id, d.claim_id, d.endpoint_id, d.subject_id, d.event_id, d.attempts, d.by_hand,
                  d.position
    ), attempted AS (
        INSERT INTO webhooks.attempt (delivery_id, attempt_no, started_at, outcome)
        SELECT delivery_id, attempts, :now, 'unknown' FROM claimed
    )
    SELECT c.delivery_id, c.claim_id, c.endpoint_id, e.partner_id, c.event_id, c.attempts, c.attempts - c.by_hand,
           e.url, e.sealed_secret, v.body
    FROM claimed c JOIN webhooks.endpoint e USING (endpoint_id)
    JOIN kit.event v ON v.subject_id = c.subject_id AND v.event_id = c.event_id
    ORDER BY c.position
""")


def claim(session: Session, *, now: datetime, free: Free) -> list[Claim]:
    """Claim due deliveries for the places that are `free`, those due longest first.

    Each endpoint and each partner has its own places, so whoever hangs delays nobody else.
    """
    rows = session.execute(
        _CLAIM,
        {
            "slow": list(free.slow),
            "slow_free": free.of_slow,
            "endpoints": list(free.of_endpoint),
            "endpoints_free": list(free.of_endpoint.values()),
            "at_first": places.AT_FIRST,
            "partners": list(free.of_partner),
            "partners_free": list(free.of_partner.values()),
            "of_partner": places.OF_PARTNER,
            "now": now,
            "limit": max(free.in_all, 0),
            "claim_id": ids.new(),
            "lease_until": now + LEASE,
        },
    )
    return [Claim(*row) for row in rows]


def release_claims(session: Session, *, now: datetime) -> int:
    """Make what a pump that is gone had claimed due again; only for who holds the pump's lock."""
    done = session.execute(
        text("UPDATE webhooks.delivery SET claim_id = NULL, due_at = :now WHERE claim_id IS NOT NULL"),
        {"now": now},
    )
    return done.rowcount


_COMPLETE = text("""
    UPDATE webhooks.delivery d
    SET state = u.state, claim_id = NULL, due_at = coalesce(u.due_at, d.due_at),
        completed_at = CASE WHEN u.state = 'pending' THEN NULL ELSE CAST(:now AS timestamptz) END
    FROM unnest(CAST(:ids AS uuid[]), CAST(:claims AS uuid[]), CAST(:states AS text[]),
                CAST(:dues AS timestamptz[])) AS u (delivery_id, claim_id, state, due_at)
    WHERE d.delivery_id = u.delivery_id AND d.claim_id = u.claim_id
""")
_COMPLETE_ATTEMPTS = text("""
    UPDATE webhooks.attempt a
    SET outcome = u.outcome, status_code = u.status_code, error = u.error, duration_ms = u.duration_ms,
        response = u.response
    FROM unnest(CAST(:ids AS uuid[]), CAST(:numbers AS int[]), CAST(:outcomes AS text[]), CAST(:codes AS int[]),
                CAST(:errors AS text[]), CAST(:durations AS int[]), CAST(:responses AS bytea[]))
         AS u (delivery_id, attempt_no, outcome, status_code, error, duration_ms, response)
    WHERE a.delivery_id = u.delivery_id AND a.attempt_no = u.attempt_no
""")


def complete(session: Session, results: Sequence[Result], *, now: datetime) -> None:
    """Write down what came of attempts, and when each is due again."""
    if not results:
        return
    session.execute(
        _COMPLETE,
        {
            "ids": [r.claim.delivery_id for r in results],
            "claims": [r.claim.claim_id for r in results],
            "states": [_state(r) for r in results],
            "dues": [None if r.retry_in is None else now + r.retry_in for r in results],
            "now": now,
        },
    )
    session.execute(
        _COMPLETE_ATTEMPTS,
        {
            "ids": [r.claim.delivery_id for r in results],
            "numbers": [r.claim.attempt_no for r in results],
            "outcomes": ["succeeded" if r.succeeded else "failed" for r in results],
            "codes": [r.status_code for r in results],
            "errors": [r.error for r in results],
            "durations": [r.duration_ms for r in results],
            "responses": [r.response for r in results],
        },
    )
    if gone := [r.claim.endpoint_id for r in results if r.disable_endpoint]:
        session.execute(
            text("UPDATE webhooks.endpoint SET status = 'disabled' WHERE endpoint_id = ANY(:ids)"),
            {"ids": gone},
        )


def _state(result: Result) -> str:
    if result.succeeded:
        return "delivered"
    return "failed" if result.retry_in is None else "pending"


@dataclass(frozen=True)
class Attempt:
    """One HTTP try; `outcome` stays `unknown` when the process ended before its answer was written down."""

    attempt_no: int
    started_at: datetime
    outcome: str
    status_code: int | None
    error: str | None
    duration_ms: int | None


@dataclass(frozen=True)
class Delivery:
    """One event for one endpoint, with its attempts where they were asked for."""

    delivery_id: UUID
    endpoint_id: UUID
    event_id: UUID
    event_type: str
    state: str
    attempts_made: int
    due_at: datetime
    completed_at: datetime | None
    attempts: list[Attempt] | None = None


_SELECT = """
    SELECT d.delivery_id, d.endpoint_id, d.event_id, v.type, d.state, d.attempts, d.due_at, d.completed_at
    FROM webhooks.delivery d JOIN webhooks.endpoint e USING (endpoint_id)
    JOIN kit.event v ON v.subject_id = d.subject_id AND v.event_id = d.event_id
    WHERE e.partner_id = :partner_id
"""
_FIRST = UUID(int=0)


def of_endpoint(
    session: Session,
    *,
    endpoint_id: UUID,
    partner_id: UUID,
    state: str | None,
    after: UUID = _FIRST,
    limit: int,
) -> list[Delivery]:
    """Deliveries of an endpoint of the partner, oldest first, those behind `after`."""
    rows = session.execute(
        text(
            _SELECT + " AND d.endpoint_id = :endpoint_id AND d.delivery_id > :after "
            "AND (CAST(:state AS text) IS NULL OR d.state = :state) ORDER BY d.delivery_id LIMIT :limit"
        ),
        {
            "endpoint_id": endpoint_id,
            "partner_id": partner_id,
            "state": state,
            "after": after,
            "limit": limit,
        },
    )
    return [Delivery(*row) for row in rows]


def get(session: Session, *, delivery_id: UUID, partner_id: UUID) -> Delivery:
    """One delivery of the partner with its attempts; raises DeliveryNotFound."""
    row = session.execute(
        text(_SELECT + " AND d.delivery_id = :delivery_id"),
        {"delivery_id": delivery_id, "partner_id": partner_id},
    ).first()
    if row is None:
        raise DeliveryNotFound("no delivery of yours has this id")
    attempts = session.execute(
        text("""
            SELECT attempt_no, started_at, outcome, status_code, error, duration_ms
            FROM webhooks.attempt WHERE delivery_id = :delivery_id ORDER BY attempt_no
        """),
        {"delivery_id": delivery_id},
    )
    return replace(Delivery(*row), attempts=[Attempt(*attempt) for attempt in attempts])


# What is due already, or on its way, is sent anyway. An attempt that is asked for uses up none of the schedule's.
_RETRY = """
    UPDATE webhooks.delivery
    SET state = 'pending', due_at = :now, completed_at = NULL, by_hand = by_hand + (attempts > by_hand)::int
    WHERE claim_id IS NULL AND state <> 'delivered' AND (state = 'failed' OR due_at > :now)
"""


def retry(session: Session, *, delivery_id: UUID, partner_id: UUID, now: datetime) -> Delivery:
    """Make a delivery due now, also one that was given up, beside the attempts of its schedule.

    Raises DeliveryNotFound, AlreadyDelivered, EndpointDisabled.
    """
    found = get(session, delivery_id=delivery_id, partner_id=partner_id)
    if found.state == "delivered":
        raise AlreadyDelivered("this delivery has succeeded")
    if endpoints.get(session, endpoint_id=found.endpoint_id, partner_id=partner_id).status != "enabled":
        raise EndpointDisabled("its endpoint is disabled", endpoint_id=ids.show(ids.ENDPOINT, found.endpoint_id))
    session.execute(text(f"{_RETRY} AND delivery_id = :delivery_id"), {"delivery_id": delivery_id, "now": now})
    return get(session, delivery_id=delivery_id, partner_id=partner_id)


@dataclass(frozen=True)
class Progress:
    """How far delivery is: `waiting` events not fanned out, and deliveries by state."""

    waiting: int
    pending: int
    delivered: int
    failed: int


def progress(session: Session, *, endpoint_ids: list[UUID]) -> Progress:
    """How far delivery to these endpoints is; `waiting` counts events for anybody."""
    # First: an event that waits no more when deliveries are counted is one of them.
    waiting = outbox.waiting(session)
    row = session.execute(
        text("""
            SELECT count(*) FILTER (WHERE state = 'pending'), count(*) FILTER (WHERE state = 'delivered'),
                   count(*) FILTER (WHERE state = 'failed')
            FROM webhooks.delivery WHERE endpoint_id = ANY(:ids)
        """),
        {"ids": endpoint_ids},
    ).one()
    return Progress(waiting, *row)


def retry_all(session: Session, *, endpoint_ids: list[UUID], now: datetime) -> int:
    """Make everything of these endpoints that is not delivered due now; returns how many."""
    done = session.execute(text(f"{_RETRY} AND endpoint_id = ANY(:ids)"), {"ids": endpoint_ids, "now": now})
    return done.rowcount


def _oldest_due_s(session: Session, now: datetime) -> float:
    # What a disabled endpoint is not sent waits for nobody.
    statement = """
        SELECT min(d.due_at) FROM webhooks.endpoint e
        CROSS JOIN LATERAL (SELECT x.due_at FROM webhooks.delivery x
                            WHERE x.endpoint_id = e.endpoint_id AND x.state = 'pending'
                            ORDER BY x.due_at LIMIT 1) d
        WHERE e.status = 'enabled'
    """
    oldest: datetime | None = session.scalar(text(statement))
    return max((now - oldest).total_seconds(), 0.0) if oldest else 0.0


def _pending(session: Session, now: datetime) -> float:
    # Enough to tell a queue from a flood, and never a walk through millions.
    statement = "SELECT count(*) FROM (SELECT FROM webhooks.delivery WHERE state = 'pending' LIMIT :most) AS found"
    return float(session.scalar(text(statement), {"most": MOST_COUNTED}) or 0)


def _endpoints(status: str) -> Callable[[Session, datetime], float]:
    statement = text("SELECT count(*) FROM webhooks.endpoint WHERE status = :status")
    return lambda session, now: float(session.scalar(statement, {"status": status}) or 0)


GAUGES = (
    Gauge("coalition_events_waiting", "Events not fanned out yet", lambda session, now: float(outbox.waiting(session))),
    Gauge("coalition_deliveries_pending", f"Deliveries to be made, counted up to {MOST_COUNTED}", _pending),
    Gauge("coalition_deliveries_overdue_seconds", "Age of the delivery longest due", _oldest_due_s),
    Gauge("coalition_webhook_endpoints_enabled", "Endpoints that are sent events", _endpoints("enabled")),
    Gauge("coalition_webhook_endpoints_disabled", "Endpoints that are sent nothing", _endpoints("disabled")),
)
