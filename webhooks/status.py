"""How delivery stands: what waits, for how long, who sends, and how each endpoint does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from kit import outbox
from kit.db import Session
from kit.exposition import Gauge
from partners import accounts
from webhooks import slots

MOST_COUNTED = 100_000
LATELY = timedelta(minutes=15)


@dataclass(frozen=True)
class EndpointStatus:
    """One endpoint: its backlog (counted up to MOST_COUNTED), what is overdue, and attempts of the last 15 minutes.

    `overdue_s` is the age of what is due longest; until `open_until` its breaker is open.
    """

    endpoint_id: UUID
    partner_code: str
    status: str
    backlog: int
    overdue_s: float
    failures: int
    open_until: datetime | None
    succeeded: int
    failed: int


@dataclass(frozen=True)
class Status:
    """All of it: `lag_s` is the age of the oldest event without a place in the feed, `held` stop those behind them."""

    pumps: int
    waiting: int
    lag_s: float
    backlog: int
    held: int
    overdue_s: float
    endpoints: list[EndpointStatus]


def read(session: Session, *, now: datetime) -> Status:
    """How delivery stands at `now`; the endpoints with the largest backlog first."""
    found = _endpoints(session, now)
    return Status(
        pumps=len(slots.taken(session)),
        waiting=outbox.waiting(session),
        lag_s=_lag_s(session, now),
        backlog=sum(one.backlog for one in found),
        held=int(_held(session, now)),
        overdue_s=_overdue_s(session, now),
        endpoints=found,
    )


def _endpoints(session: Session, now: datetime) -> list[EndpointStatus]:
    codes = {one.partner_id: one.code for one in accounts.everybody(session)}
    rows = session.execute(
        text("""
            SELECT e.endpoint_id, e.partner_id, e.status, q.backlog, q.oldest, coalesce(h.failures, 0), h.probe_at,
                   coalesce(t.succeeded, 0), coalesce(t.failed, 0)
            FROM webhooks.endpoint e
            LEFT JOIN webhooks.endpoint_state h USING (endpoint_id)
            CROSS JOIN LATERAL (
                SELECT count(*) AS backlog, min(due_at) FILTER (WHERE lane < 3 AND due_at <= :now) AS oldest
                FROM (SELECT due_at, lane FROM webhooks.delivery d
                      WHERE d.endpoint_id = e.endpoint_id AND d.state = 'pending' LIMIT :most) AS pending) q
            CROSS JOIN LATERAL (
                SELECT sum(succeeded)::int AS succeeded, sum(failed)::int AS failed FROM webhooks.traffic f
                WHERE f.endpoint_id = e.endpoint_id AND f.began_at > :since) t
            WHERE e.removed_at IS NULL ORDER BY q.backlog DESC, e.endpoint_id
        """),
        {"now": now, "since": now - LATELY, "most": MOST_COUNTED},
    )
    return [
        EndpointStatus(id_, codes[partner_id], status, backlog, _age_s(oldest, now), *rest)
        for id_, partner_id, status, backlog, oldest, *rest in rows
    ]


def _age_s(since: datetime | None, now: datetime) -> float:
    return max((now - since).total_seconds(), 0.0) if since else 0.0


def _lag_s(session: Session, now: datetime) -> float:
    oldest = session.scalar(text("SELECT occurred_at FROM kit.event WHERE position IS NULL ORDER BY event_id LIMIT 1"))
    return _age_s(oldest, now)


def _overdue_s(session: Session, now: datetime) -> float:
    # What an endpoint is not sent, since it is disabled or its breaker open, waits for nobody; nor do replays.
    statement = """
        SELECT min(d.due_at) FROM webhooks.endpoint e
        LEFT JOIN webhooks.endpoint_state s USING (endpoint_id)
        CROSS JOIN (VALUES (0::smallint), (1)) AS l (lane)
        CROSS JOIN LATERAL (SELECT x.due_at FROM webhooks.delivery x
                            WHERE x.endpoint_id = e.endpoint_id AND x.state = 'pending' AND x.lane = l.lane
                            ORDER BY x.due_at LIMIT 1) d
        WHERE e.status = 'enabled' AND s.probe_at IS NULL
    """
    return _age_s(session.scalar(text(statement)), now)


def _pending(session: Session, now: datetime) -> float:
    # Enough to tell a queue from a flood, and never a walk through millions.
    statement = "SELECT count(*) FROM (SELECT FROM webhooks.delivery WHERE state = 'pending' LIMIT :most) AS found"
    return float(session.scalar(text(statement), {"most": MOST_COUNTED}) or 0)


def _held(session: Session, now: datetime) -> float:
    # By the index of what is open in an order, whatever its endpoint asks for meanwhile.
    statement = """
        SELECT count(*) FROM webhooks.delivery
        WHERE ordering_key IS NOT NULL AND state IN ('pending', 'held') AND state = 'held'
    """
    return float(session.scalar(text(statement)) or 0)


def _broken(session: Session, now: datetime) -> float:
    statement = "SELECT count(*) FROM webhooks.endpoint_state WHERE probe_at IS NOT NULL"
    return float(session.scalar(text(statement)) or 0)


def _counted(status: str) -> Callable[[Session, datetime], float]:
    statement = text("SELECT count(*) FROM webhooks.endpoint WHERE status = :status AND removed_at IS NULL")
    return lambda session, now: float(session.scalar(statement, {"status": status}) or 0)


GAUGES = (
    Gauge("coalition_events_waiting", "Events not fanned out yet", lambda session, now: float(outbox.waiting(session))),
    Gauge("coalition_events_lag_seconds", "Age of the oldest event not fanned out", _lag_s),
    Gauge("coalition_webhook_pumps", "Pumps that send", lambda session, now: float(len(slots.taken(session)))),
    Gauge("coalition_deliveries_pending", f"Deliveries to be made, counted up to {MOST_COUNTED}", _pending),
    Gauge("coalition_deliveries_held", "Deliveries given up that stop those behind them", _held),
    Gauge("coalition_deliveries_overdue_seconds", "Age of the delivery longest due", _overdue_s),
    Gauge("coalition_webhook_endpoints_enabled", "Endpoints that are sent events", _counted("enabled")),
    Gauge("coalition_webhook_endpoints_paused", "Endpoints that their partners paused", _counted("paused")),
    Gauge("coalition_webhook_endpoints_disabled", "Endpoints that are sent nothing", _counted("disabled")),
    Gauge("coalition_webhook_breakers_open", "Endpoints that fail and are only probed", _broken),
)
