"""Deliveries as their partner sees them: one event for one endpoint, until it is delivered or given up.

What the pump does with them stands in webhooks.queue.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from kit import audit, ids, outbox
from kit.audit import Act
from kit.db import Session
from kit.errors import Conflict, NotFound
from webhooks import endpoints, ordering

STATES = ("pending", "delivered", "failed", "held", "cancelled")


class DeliveryNotFound(NotFound):
    code = "delivery_not_found"
    title = "Delivery not found"
    description = "You have no delivery with this id."
    remedy = "List your deliveries with GET /v1/webhook-deliveries, and use a `delivery_id` from there."


class DeliveryCancelled(Conflict):
    code = "delivery_cancelled"
    title = "Delivery cancelled"
    description = "The delivery was cancelled, so we do not send it again."
    remedy = "Replay the event with POST /v1/webhook-replays, or read it with GET /v1/events."


class EndpointDisabled(Conflict):
    code = "endpoint_disabled"
    title = "Endpoint disabled"
    description = (
        "The delivery's endpoint is disabled or paused, so we send nothing to it. When you enable it, we send what it "
        "missed."
    )
    remedy = (
        "Enable the endpoint with POST /v1/webhook-endpoints/{endpoint_id}/enable. You need not retry the delivery "
        "then."
    )


class AlreadyDelivered(Conflict):
    code = "already_delivered"
    title = "Already delivered"
    description = "The delivery has already succeeded. There is nothing to retry."
    remedy = "Do not retry it. If your side lost the event, read what it tells with GET /v1/transactions."


@dataclass(frozen=True)
class Attempt:
    """One HTTP try; `outcome` is `unknown` while it runs, and stays so when its process died meanwhile.

    Of `duration_ms`, what went into each phase as webhooks.phases.Phases says.
    """

    attempt_no: int
    started_at: datetime
    outcome: str
    status_code: int | None
    error: str | None
    duration_ms: int | None
    response: str | None = None
    remote_ip: str | None = None
    dns_ms: int | None = None
    connect_ms: int | None = None
    tls_ms: int | None = None
    first_byte_ms: int | None = None


@dataclass(frozen=True)
class Delivery:
    """One event for one endpoint, with its attempts where they were asked for."""

    delivery_id: UUID
    endpoint_id: UUID
    event_id: UUID
    event_type: str
    state: str
    sequence: int | None
    attempts_made: int
    due_at: datetime
    completed_at: datetime | None
    attempts: list[Attempt] | None = None


_SELECT = """
    SELECT d.delivery_id, d.endpoint_id, d.event_id, v.type, d.state, d.sequence, d.attempts, d.due_at, d.completed_at
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
        raise DeliveryNotFound("you have no delivery with this id")
    attempts = session.execute(
        text("""
            SELECT attempt_no, started_at, outcome, status_code, error, duration_ms, response, host(remote_ip),
                   dns_ms, connect_ms, tls_ms, first_byte_ms
            FROM webhooks.attempt WHERE delivery_id = :delivery_id
            UNION ALL  -- the one that runs now, or whose process died
            SELECT attempts, started_at, 'unknown', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
            FROM webhooks.delivery d
            WHERE delivery_id = :delivery_id AND claim_id IS NOT NULL AND started_at IS NOT NULL AND NOT EXISTS (
                SELECT FROM webhooks.attempt a WHERE a.delivery_id = d.delivery_id AND a.attempt_no = d.attempts)
            ORDER BY 1
        """),
        {"delivery_id": delivery_id},
    )
    return replace(Delivery(*row), attempts=[_attempt(*attempt) for attempt in attempts])


def _attempt(number: int, began: datetime, outcome: str, status: int | None, error: str | None, took_ms: int | None,
             response: bytes | None, remote_ip: str | None, *phases: int | None) -> Attempt:  # fmt: skip
    said = None if response is None else bytes(response).decode(errors="replace").replace("\0", "")
    return Attempt(number, began, outcome, status, error, took_ms, said, remote_ip, *phases)


# What is due already, or on its way, is sent anyway. An attempt that is asked for uses up none of the schedule's. What
# failed was skipped by those behind it: it comes beside their order.
_RETRY = """
    UPDATE webhooks.delivery
    SET ordering_key = CASE state WHEN 'failed' THEN NULL ELSE ordering_key END,
        batch_id = CASE state WHEN 'failed' THEN NULL ELSE batch_id END, state = 'pending', due_at = :now,
        lane = 0, completed_at = NULL, by_hand = by_hand + (attempts > by_hand)::int
    WHERE (claim_id IS NULL OR lease_until <= :now)
      AND (state IN ('failed', 'held') OR state = 'pending' AND lane < 3 AND due_at > :now)
"""


def retry(session: Session, *, delivery_id: UUID, partner_id: UUID, now: datetime) -> Delivery:
    """Make a delivery due now, also one that was given up, beside the attempts of its schedule.

    Raises DeliveryNotFound, AlreadyDelivered, DeliveryCancelled, EndpointDisabled.
    """
    found = get(session, delivery_id=delivery_id, partner_id=partner_id)
    if found.state == "delivered":
        raise AlreadyDelivered("this delivery has already succeeded")
    if found.state == "cancelled":
        raise DeliveryCancelled("this delivery was cancelled")
    if endpoints.get(session, endpoint_id=found.endpoint_id, partner_id=partner_id).status != "enabled":
        raise EndpointDisabled(
            "the delivery's endpoint is disabled", endpoint_id=ids.show(ids.ENDPOINT, found.endpoint_id)
        )
    session.execute(text(f"{_RETRY} AND delivery_id = :delivery_id"), {"delivery_id": delivery_id, "now": now})
    _probe(session, [found.endpoint_id], now=now)
    return get(session, delivery_id=delivery_id, partner_id=partner_id)


def _probe(session: Session, endpoint_ids: list[UUID], *, now: datetime) -> None:
    """Let an open breaker try the endpoint now: somebody said that it is well again."""
    session.execute(
        text("UPDATE webhooks.endpoint_state SET probe_at = :now WHERE endpoint_id = ANY(:ids) AND probe_at > :now"),
        {"ids": endpoint_ids, "now": now},
    )


def cancel(session: Session, act: Act, *, delivery_id: UUID, partner_id: UUID) -> Delivery:
    """Give up a delivery that waits, or is held: it is not sent any more, and what waits behind it goes on.

    One that is being sent at this moment may still arrive. Raises DeliveryNotFound, AlreadyDelivered.
    """
    found = get(session, delivery_id=delivery_id, partner_id=partner_id)
    if found.state == "delivered":
        raise AlreadyDelivered("this delivery has already succeeded")
    ordering.hold(session, found.endpoint_id)
    row = session.execute(
        text("""
            UPDATE webhooks.delivery SET state = 'cancelled', completed_at = :now
            WHERE delivery_id = :delivery_id AND state IN ('pending', 'held')
            RETURNING ordering_key, batch_id
        """),
        {"delivery_id": delivery_id, "now": act.now},
    ).first()
    if row is not None:
        if row.batch_id is not None:  # without it the batch is another one
            session.execute(
                text("""
                    UPDATE webhooks.delivery SET batch_id = NULL
                    WHERE endpoint_id = :endpoint_id AND ordering_key = :key AND batch_id = :batch_id
                      AND state = 'pending'
                """),
                {"endpoint_id": found.endpoint_id, "key": row.ordering_key, "batch_id": row.batch_id},
            )
        if row.ordering_key is not None:
            ordering.release_next(session, endpoint_id=found.endpoint_id, ordering_key=row.ordering_key, now=act.now)
        found = get(session, delivery_id=delivery_id, partner_id=partner_id)
        audit.append(session, act, "webhook_delivery.cancelled", ids.show(ids.DELIVERY, delivery_id))
    return found


@dataclass(frozen=True)
class Progress:
    """How far delivery is: `waiting` events not fanned out, and deliveries by state."""

    waiting: int
    pending: int
    delivered: int
    failed: int

    @property
    def missing(self) -> int:
        """How many are to be delivered still, given up or not."""
        return self.waiting + self.pending + self.failed


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
    _probe(session, endpoint_ids, now=now)
    return done.rowcount
