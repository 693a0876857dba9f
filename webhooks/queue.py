"""The pump's moves on the queue, as plain transactions: claim, complete, and release what a pump that died had claimed.

A claim writes what is begun into the delivery's own row before anything is sent, and touches no index; how an attempt
ended goes into the log of attempts, which nothing here searches. A completion counts only for the claim it was made
under.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from kit import ids
from kit.db import Session, fetch
from webhooks import ordering, places
from webhooks.phases import Phases
from webhooks.places import Free
from webhooks.slots import ALONE, Share

LEASE = timedelta(seconds=90)  # longer than the longest attempt and its completion

LOST_QUICKLY = 3  # attempts whose pump may have died, before the next has to wait
MOST_LOST = 30  # more than any schedule has
LOOKED_THROUGH = 1_000  # deliveries of an endpoint's lane, for what a pump that died had claimed

# Lanes, in the order in which they are claimed.
FIRST_ATTEMPTS, RETRIES, REPLAYS = 0, 1, 2
# Behind another of its ordering key: claimed by nobody until that one came to its end. By the lane it goes to then.
BEHIND_ANOTHER = {FIRST_ATTEMPTS: 3, REPLAYS: 4}


@dataclass(frozen=True)
class Claim:
    """What one attempt needs beside its endpoint; `tries` are those so far of the schedule, this one included.

    `gap` are deliveries of its ordering key that were given up or cancelled just before it.
    """

    delivery_id: UUID
    claim_id: UUID
    endpoint_id: UUID
    partner_id: UUID
    event_id: UUID
    attempt_no: int
    tries: int
    sequence: int | None
    started_at: datetime
    endpoint_version: int
    ordering_key: UUID | None
    position: int
    body: bytes  # none, for a moment, of an event that is kept no longer
    batch_id: UUID | None = None
    gap: int = 0


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of one attempt. `retry_in` is None when it succeeded, or failed for the last time.

    `on_exhausted` says what becomes of a delivery of an ordering key that failed for the last time: skip or hold.
    """

    claim: Claim
    succeeded: bool
    status_code: int | None
    error: str | None
    duration_ms: int
    response: bytes
    retry_in: timedelta | None
    is_gone: bool = False
    on_exhausted: str = "skip"
    remote_ip: str | None = None
    phases: Phases = field(default_factory=Phases)
    is_behind: bool = False  # in a batch, another one's
    is_ours: bool = False  # the fault: it counts neither for the schedule nor for the endpoint

    @property
    def is_held(self) -> bool:
        """Whether it failed for the last time, and what is behind it waits for its partner."""
        exhausted = not self.succeeded and self.retry_in is None
        return exhausted and self.claim.ordering_key is not None and self.on_exhausted == "hold"

    @property
    def state(self) -> str:
        """The delivery's state behind it."""
        if self.succeeded:
            return "delivered"
        if self.is_held:
            return "pending" if self.is_behind else "held"
        return "failed" if self.retry_in is None else "pending"


# Of the partners, counted by their ids, those that fall to this pump. An endpoint whose breaker is open has one attempt
# when its time has come, in flight until `probe_at` is set anew.
_CLAIM = """
    WITH mine AS (
        SELECT e.endpoint_id, e.partner_id, e.version, e.endpoint_id = ANY(%(slow)b::uuid[]) AS is_slow,
               CASE WHEN s.probe_at IS NOT NULL THEN 1 ELSE coalesce(known.free, %(at_first)s) END AS free,
               CASE WHEN s.probe_at IS NOT NULL THEN 1 ELSE coalesce(known.replays, 1) END AS replays
        FROM (SELECT endpoint_id, partner_id, version, dense_rank() OVER (ORDER BY partner_id) AS n
              FROM webhooks.endpoint WHERE status = 'enabled') e
        LEFT JOIN webhooks.endpoint_state s USING (endpoint_id)
        LEFT JOIN unnest(%(endpoints)b::uuid[], %(free)b::int[], %(replays)b::int[])
               AS known (endpoint_id, free, replays) ON known.endpoint_id = e.endpoint_id
        WHERE e.n %% %(of)s = %(rank)s AND (s.probe_at IS NULL OR s.probe_at <= %(now)s)
    ), due AS (
        SELECT d.delivery_id, d.endpoint_id, d.partner_id, d.version
        FROM (
            SELECT m.endpoint_id, m.partner_id, m.version, m.is_slow, m.free, x.delivery_id, x.due_at, l.lane,
                   row_number() OVER (PARTITION BY m.endpoint_id ORDER BY l.lane, x.due_at, x.position) AS of_endpoint,
                   row_number() OVER (PARTITION BY m.partner_id ORDER BY l.lane, x.due_at, x.position) AS of_partner,
                   row_number() OVER (PARTITION BY m.is_slow ORDER BY l.lane = 2, x.due_at) AS of_slow
            FROM mine m CROSS JOIN (VALUES (0::smallint), (1), (2)) AS l (lane)
            CROSS JOIN LATERAL (
                SELECT y.delivery_id, y.due_at, y.position FROM webhooks.delivery y
                WHERE y.endpoint_id = m.endpoint_id AND y.state = 'pending' AND y.lane = l.lane
                  AND y.due_at <= %(now)s AND (y.lease_until IS NULL OR y.lease_until <= %(now)s)
                ORDER BY y.due_at LIMIT CASE l.lane WHEN 2 THEN m.replays ELSE m.free END
                FOR UPDATE SKIP LOCKED) x) d
        LEFT JOIN unnest(%(partners)b::uuid[], %(partners_free)b::int[]) AS busy (partner_id, free)
               ON busy.partner_id = d.partner_id
        WHERE d.of_endpoint <= d.free AND d.of_partner <= coalesce(busy.free, %(of_partner)s)
          AND (d.of_slow <= %(slow_free)s OR NOT d.is_slow)
        ORDER BY d.lane = 2, d.due_at LIMIT %(limit)s
    ), lost AS (  -- attempts whose lease ran out: nobody knows what came of them
        INSERT INTO webhooks.attempt (delivery_id, attempt_no, started_at, outcome)
        SELECT delivery_id, attempts, coalesce(started_at, %(now)s), 'unknown'
        FROM due JOIN webhooks.delivery USING (delivery_id) WHERE claim_id IS NOT NULL
        ON CONFLICT DO NOTHING
    ), probes AS (
        UPDATE webhooks.endpoint_state SET probe_at = %(lease_until)s
        WHERE endpoint_id IN (  -- who is held by a fan-out just now is probed twice rather than waited for
            SELECT endpoint_id FROM webhooks.endpoint_state WHERE probe_at IS NOT NULL
            AND endpoint_id IN (SELECT endpoint_id FROM due) FOR UPDATE SKIP LOCKED)
    ), claimed AS (
        UPDATE webhooks.delivery d
        SET claim_id = %(claim_id)s, lease_until = %(lease_until)s, started_at = %(now)s, slot = %(slot)s,
            attempts = d.attempts + 1
        FROM due WHERE d.delivery_id = due.delivery_id
        RETURNING d.delivery_id, d.claim_id, d.endpoint_id, due.partner_id, d.event_id, d.attempts,
                  d.attempts - d.by_hand AS tries, d.sequence, d.started_at, due.version, d.ordering_key, d.position,
                  d.subject_id, d.batch_id
    )
    SELECT c.delivery_id, c.claim_id, c.endpoint_id, c.partner_id, c.event_id, c.attempts, c.tries, c.sequence,
           c.started_at, c.version, c.ordering_key, c.position, v.body, c.batch_id
    FROM claimed c JOIN kit.event v ON v.subject_id = c.subject_id AND v.event_id = c.event_id
    ORDER BY c.position
"""


def claim(session: Session, *, now: datetime, free: Free, share: Share = ALONE, slot: int = 0) -> list[Claim]:
    """Claim due deliveries of the partners in `share` for the places that are `free`: first attempts, retries, replays.

    Each endpoint and each partner has its own places, so whoever hangs delays nobody else.
    """
    rows = fetch(
        session,
        _CLAIM,
        {
            "slow": list(free.slow),
            "slow_free": free.of_slow,
            "endpoints": list(free.of_endpoint),
            "free": list(free.of_endpoint.values()),
            "replays": [free.of_replays[one] for one in free.of_endpoint],
            "at_first": places.AT_FIRST,
            "partners": list(free.of_partner),
            "partners_free": list(free.of_partner.values()),
            "of_partner": places.OF_PARTNER,
            "of": share.of,
            "rank": share.rank,
            "now": now,
            "limit": max(free.in_all, 0),
            "claim_id": ids.new(),
            "lease_until": now + LEASE,
            "slot": slot,
        },
        binary=True,
    )
    found = [Claim(*row) for row in rows]
    if gone := [one for one in found if one.body is None]:
        _cancel(session, gone, now=now)
        found = [one for one in found if one.body is not None]
    return _with_gaps(session, found) if any(one.ordering_key for one in found) else found


def _cancel(session: Session, gone: list[Claim], *, now: datetime) -> None:
    """Give up deliveries whose events are kept no longer: a replay may have come to them too late."""
    session.execute(
        text("""
            UPDATE webhooks.delivery SET state = 'cancelled', completed_at = :now, claim_id = NULL, lease_until = NULL
            WHERE delivery_id = ANY(:ids)
        """),
        {"ids": [one.delivery_id for one in gone], "now": now},
    )
    for one in gone:
        if one.ordering_key is not None:
            ordering.release_next(session, endpoint_id=one.endpoint_id, ordering_key=one.ordering_key, now=now)


_GAPS = """
    SELECT u.delivery_id, (
        SELECT count(*)::int FROM webhooks.delivery g
        WHERE g.endpoint_id = u.endpoint_id AND g.ordering_key = u.ordering_key AND g.position < u.position
          AND g.state IN ('failed', 'cancelled') AND g.position > coalesce((
            SELECT p.position FROM webhooks.delivery p
            WHERE p.endpoint_id = u.endpoint_id AND p.ordering_key = u.ordering_key AND p.position < u.position
              AND p.state = 'delivered' ORDER BY p.position DESC LIMIT 1), 0))
    FROM unnest(%(ids)b::uuid[], %(endpoints)b::uuid[], %(keys)b::uuid[], %(positions)b::bigint[])
         AS u (delivery_id, endpoint_id, ordering_key, position)
"""


def _with_gaps(session: Session, found: list[Claim]) -> list[Claim]:
    ordered = [one for one in found if one.ordering_key is not None]
    rows = fetch(
        session,
        _GAPS,
        {
            "ids": [one.delivery_id for one in ordered],
            "endpoints": [one.endpoint_id for one in ordered],
            "keys": [one.ordering_key for one in ordered],
            "positions": [one.position for one in ordered],
        },
    )
    gaps = {delivery_id: gap for delivery_id, gap in rows if gap}
    return [replace(one, gap=gaps[one.delivery_id]) if one.delivery_id in gaps else one for one in found]


# A claim takes what is due first, so that what is claimed stands at the beginning of its endpoint's lane.
_LOST = text("""
    SELECT x.delivery_id, x.endpoint_id
    FROM webhooks.endpoint e CROSS JOIN generate_series(0, 4) AS l (lane)
    CROSS JOIN LATERAL (
        SELECT d.delivery_id, d.endpoint_id, d.slot, d.claim_id FROM webhooks.delivery d
        WHERE d.endpoint_id = e.endpoint_id AND d.state = 'pending' AND d.lane = l.lane
        ORDER BY d.due_at LIMIT :first) x
    WHERE x.slot = :slot AND x.claim_id IS NOT NULL
""")


def release(session: Session, *, slot: int, now: datetime) -> int:
    """Make due again what the pump that held `slot` before had claimed; returns how many. Only for who holds it now.

    What was lost again and again may be what ends the pumps: it waits ever longer, so that others have their turn, and
    is given up at last. What stands farther behind than LOOKED_THROUGH is due again when its lease is over.
    """
    session.execute(text("SET LOCAL jit = off"))  # to compile it takes ten times as long as it does
    lost = session.execute(_LOST, {"slot": slot, "first": LOOKED_THROUGH}).all()
    # In the order of whoever completes: what is known of endpoints, then deliveries, and none that another has.
    session.execute(
        text("SELECT FROM webhooks.endpoint_state WHERE endpoint_id = ANY(:ids) ORDER BY endpoint_id FOR UPDATE"),
        {"ids": sorted({row.endpoint_id for row in lost})},
    )
    rows = session.execute(
        text("""
            WITH lost AS (
                UPDATE webhooks.delivery d
                SET lease_until = :now, due_at = CASE WHEN attempts - by_hand <= :quickly THEN due_at ELSE :now
                        + least('5 seconds'::interval * 2 ^ least(attempts - by_hand - :quickly - 1, 10), '1 hour') END,
                    state = CASE WHEN attempts - by_hand < :most THEN state
                                 WHEN ordering_key IS NOT NULL AND (SELECT on_exhausted FROM webhooks.endpoint e
                                      WHERE e.endpoint_id = d.endpoint_id) = 'hold' THEN 'held' ELSE 'failed' END,
                    completed_at = CASE WHEN attempts - by_hand >= :most THEN CAST(:now AS timestamptz) END,
                    claim_id = CASE WHEN attempts - by_hand < :most THEN claim_id END
                WHERE delivery_id IN (
                    SELECT delivery_id FROM webhooks.delivery
                    WHERE delivery_id = ANY(:ids) AND state = 'pending' AND slot = :slot AND claim_id IS NOT NULL
                    FOR UPDATE SKIP LOCKED)
                RETURNING delivery_id, endpoint_id, ordering_key, attempts, started_at, state
            ), probes AS (
                UPDATE webhooks.endpoint_state SET probe_at = :now
                WHERE probe_at > :now AND endpoint_id IN (SELECT endpoint_id FROM lost)
            ), logged AS (
                INSERT INTO webhooks.attempt (delivery_id, attempt_no, started_at, outcome)
                SELECT delivery_id, attempts, coalesce(started_at, :now), 'unknown' FROM lost WHERE state <> 'pending'
                ON CONFLICT DO NOTHING
            )
            SELECT endpoint_id, ordering_key, state FROM lost
        """),
        {
            "ids": [row.delivery_id for row in lost],
            "slot": slot,
            "now": now,
            "quickly": LOST_QUICKLY,
            "most": MOST_LOST,
        },
    ).all()
    for endpoint_id, key, state in rows:
        if state == "failed" and key is not None:
            ordering.release_next(session, endpoint_id=endpoint_id, ordering_key=key, now=now)
    return len(rows)


_COMPLETE = """
    UPDATE webhooks.delivery d
    SET state = CASE WHEN d.state = 'cancelled' AND u.state <> 'delivered' THEN d.state ELSE u.state END,
        completed_at = CASE WHEN d.state = 'cancelled' AND u.state <> 'delivered' THEN d.completed_at
                            WHEN u.state = 'pending' THEN NULL ELSE %(now)s::timestamptz END,
        claim_id = NULL, lease_until = NULL, started_at = NULL, due_at = coalesce(u.due_at, d.due_at),
        lane = CASE WHEN u.due_at IS NOT NULL AND d.lane = 0 THEN %(retries)s ELSE d.lane END,
        batch_id = CASE WHEN u.is_held THEN NULL ELSE d.batch_id END, by_hand = d.by_hand + u.is_ours::int
    FROM unnest(%(ids)b::uuid[], %(claims)b::uuid[], %(states)b::text[], %(dues)b::timestamptz[], %(held)b::bool[],
                %(ours)b::bool[]) AS u (delivery_id, claim_id, state, due_at, is_held, is_ours)
    WHERE d.delivery_id = u.delivery_id AND d.claim_id = u.claim_id
    RETURNING d.delivery_id, u.claim_id
"""
_LOG = """
    INSERT INTO webhooks.attempt AS a (delivery_id, attempt_no, started_at, outcome, status_code, error, duration_ms,
                                       response, remote_ip, dns_ms, connect_ms, tls_ms, first_byte_ms)
    SELECT u.delivery_id, u.attempt_no, u.started_at, u.outcome, u.status_code, u.error, u.duration_ms, u.response,
           u.remote_ip, u.dns_ms, u.connect_ms, u.tls_ms, u.first_byte_ms
    FROM unnest(%(ids)b::uuid[], %(numbers)b::int[], %(begun)b::timestamptz[], %(outcomes)b::text[],
                %(codes)b::int[], %(errors)b::text[], %(durations)b::int[], %(responses)b::bytea[], %(remote)b::inet[],
                %(dns)b::int[], %(connects)b::int[], %(handshakes)b::int[], %(first_bytes)b::int[])
         AS u (delivery_id, attempt_no, started_at, outcome, status_code, error, duration_ms, response, remote_ip,
               dns_ms, connect_ms, tls_ms, first_byte_ms)
    ON CONFLICT (delivery_id, attempt_no) DO UPDATE  -- its lease ran out, so it was taken for lost
    SET outcome = excluded.outcome, status_code = excluded.status_code, error = excluded.error,
        duration_ms = excluded.duration_ms, response = excluded.response, remote_ip = excluded.remote_ip,
        dns_ms = excluded.dns_ms, connect_ms = excluded.connect_ms, tls_ms = excluded.tls_ms,
        first_byte_ms = excluded.first_byte_ms
    WHERE a.outcome = 'unknown'
    RETURNING a.attempt_no
"""


def complete(session: Session, results: Sequence[Result], *, now: datetime) -> list[Result]:
    """Write down what came of attempts, when each is due again, and let those behind them go.

    Returns those whose claims held until now. Of the others, whose leases were over and which may be on their way
    anew, only the log tells.
    """
    if not results:
        return []
    done = {
        tuple(row)
        for row in fetch(
            session,
            _COMPLETE,
            {
                "ids": [r.claim.delivery_id for r in results],
                "claims": [r.claim.claim_id for r in results],
                "states": [r.state for r in results],
                "dues": [None if r.retry_in is None else now + r.retry_in for r in results],
                "held": [r.is_held for r in results],
                "retries": RETRIES,
                "ours": [r.is_ours for r in results],
                "now": now,
            },
        )
    }
    fetch(session, _LOG, _as_logged(results))
    ended = {
        (r.claim.endpoint_id, r.claim.ordering_key)
        for r in results
        if r.claim.ordering_key is not None and r.state in ("delivered", "failed") and _is_in(r, done)
    }
    for endpoint_id, key in sorted(ended):
        ordering.release_next(session, endpoint_id=endpoint_id, ordering_key=key, now=now)
    return [r for r in results if _is_in(r, done)]


def _is_in(result: Result, done: set[tuple[object, ...]]) -> bool:
    return (result.claim.delivery_id, result.claim.claim_id) in done


def _as_logged(results: Sequence[Result]) -> dict[str, object]:
    return {
        "ids": [r.claim.delivery_id for r in results],
        "numbers": [r.claim.attempt_no for r in results],
        "begun": [r.claim.started_at for r in results],
        "outcomes": ["succeeded" if r.succeeded else "failed" for r in results],
        "codes": [r.status_code for r in results],
        "errors": [r.error for r in results],
        "durations": [r.duration_ms for r in results],
        "responses": [r.response for r in results],
        "remote": [r.remote_ip for r in results],
        "dns": [r.phases.dns_ms for r in results],
        "connects": [r.phases.connect_ms for r in results],
        "handshakes": [r.phases.tls_ms for r in results],
        "first_bytes": [r.phases.first_byte_ms for r in results],
    }
