"""What attempts say of their endpoints: breakers open and close, and nothing happens without telling the partner."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from kit import outbox
from kit.db import Session, fetch
from webhooks import health
from webhooks.health import Health, Verdict
from webhooks.queue import LEASE, Result

FAILING, DISABLED, RECOVERED = (f"webhook_endpoint.{what}" for what in ("failing", "disabled", "recovered"))


_COUNT = """
    INSERT INTO webhooks.traffic AS t (endpoint_id, began_at, succeeded, failed, given_up, duration_ms, slowest_ms)
    SELECT u.endpoint_id, date_bin('5 minutes', %(now)s::timestamptz, '2000-01-01+00'), count(*) FILTER (WHERE u.good),
           count(*) FILTER (WHERE NOT u.good), count(*) FILTER (WHERE u.over AND NOT u.good), sum(u.took), max(u.took)
    FROM unnest(%(endpoints)b::uuid[], %(good)b::bool[], %(over)b::bool[], %(durations)b::int[])
         AS u (endpoint_id, good, over, took)
    GROUP BY u.endpoint_id ORDER BY u.endpoint_id
    ON CONFLICT (endpoint_id, began_at) DO UPDATE
    SET succeeded = t.succeeded + excluded.succeeded, failed = t.failed + excluded.failed,
        given_up = t.given_up + excluded.given_up, duration_ms = t.duration_ms + excluded.duration_ms,
        slowest_ms = greatest(t.slowest_ms, excluded.slowest_ms)
    RETURNING t.endpoint_id
"""


@dataclass(frozen=True)
class Notice:
    """What a partner is told of an endpoint, once: by an event and by mail."""

    type: str
    endpoint_id: UUID
    partner_id: UUID
    data: dict[str, Any]


def hold(session: Session, results: Sequence[Result]) -> None:
    """Hold what is known of the endpoints that these results may change, the smallest id first.

    Who fans out holds several, too, in that order. Taken as they are needed, by `queue.complete` and by `record`, they
    would be in another one, and the two could come to wait for each other.
    """
    failed = sorted({r.claim.endpoint_id for r in results if not r.succeeded})
    if failed:
        session.execute(
            text("""
                INSERT INTO webhooks.endpoint_state (endpoint_id) SELECT unnest(CAST(:ids AS uuid[]))
                ON CONFLICT DO NOTHING
            """),
            {"ids": failed},
        )
    changed = {r.claim.endpoint_id for r in results if r.claim.ordering_key is not None}.union(failed)
    session.execute(
        text("""
            SELECT FROM webhooks.endpoint_state
            WHERE endpoint_id = ANY(:changed) OR (endpoint_id = ANY(:all) AND failures > 0)
            ORDER BY endpoint_id FOR UPDATE
        """),
        {"changed": list(changed), "all": list({r.claim.endpoint_id for r in results})},
    )


def record(session: Session, results: Sequence[Result], *, now: datetime) -> list[Notice]:
    """Keep how the endpoints do, and append an event for each that is failing, disabled or well again; those told.

    Attempts that failed by our own fault say nothing of them. The caller holds what is known of them.
    """
    results = [r for r in results if not r.is_ours]
    if not results:
        return []
    _count(session, results, now=now)
    succeeded = {r.claim.endpoint_id for r in results if r.succeeded}
    failed = {r.claim.endpoint_id for r in results if not r.succeeded}
    in_a_row = _failed_in_a_row(results)
    gone = {r.claim.endpoint_id for r in results if r.is_gone}
    partners = {r.claim.endpoint_id: r.claim.partner_id for r in results}
    notices = []
    for endpoint_id, before in _held(session, succeeded, failed).items():
        probed = any(_is_probe(r, endpoint_id, before) for r in results)
        verdict = _verdict(before, endpoint_id in succeeded, in_a_row[endpoint_id], now=now, probed=probed)
        _keep(session, endpoint_id, verdict.health)
        if endpoint_id in gone or verdict.disable:
            reason = "gone" if endpoint_id in gone else "failing"
            told = _disabled(session, endpoint_id, partners[endpoint_id], reason)
        else:
            told = _told(endpoint_id, partners[endpoint_id], before, verdict)
        notices += [] if told is None else [told]
    for notice in notices:
        outbox.append(
            session,
            outbox.Event(
                type=notice.type,
                subject_id=notice.partner_id,
                partner_id=notice.partner_id,
                occurred_at=now,
                data=notice.data,
            ),
        )
    return notices


def _count(session: Session, results: Sequence[Result], *, now: datetime) -> None:
    fetch(
        session,
        _COUNT,
        {
            "endpoints": [r.claim.endpoint_id for r in results],
            "good": [r.succeeded for r in results],
            "over": [r.retry_in is None for r in results],
            "durations": [r.duration_ms for r in results],
            "now": now,
        },
    )


def _failed_in_a_row(results: Sequence[Result]) -> Counter[UUID]:
    """By endpoint, the attempts that failed since one succeeded, in the order in which they ended."""
    found: Counter[UUID] = Counter()
    for result in results:
        if result.succeeded:
            found[result.claim.endpoint_id] = 0
        elif not result.is_behind:
            found[result.claim.endpoint_id] += 1
    return found


def _is_probe(result: Result, endpoint_id: UUID, before: Health) -> bool:
    # Who claims the probe puts the next one off by its lease; what else ends meanwhile had begun before.
    claim = result.claim
    return claim.endpoint_id == endpoint_id and claim.started_at + LEASE == before.probe_at


def _held(session: Session, succeeded: set[UUID], failed: set[UUID]) -> dict[UUID, Health]:
    """The endpoints whose health changes; that of healthy ones doesn't."""
    rows = session.execute(
        text("""
            SELECT endpoint_id, failures, failing_since, warned, probe_at FROM webhooks.endpoint_state
            WHERE endpoint_id = ANY(:failed) OR (endpoint_id = ANY(:succeeded) AND failures > 0)
            ORDER BY endpoint_id
        """),
        {"failed": list(failed), "succeeded": list(succeeded)},
    )
    return {endpoint_id: Health(*known) for endpoint_id, *known in rows}


def _verdict(before: Health, succeeded: bool, failures: int, *, now: datetime, probed: bool) -> Verdict:
    if not succeeded:
        return health.after_failures(before, failures, now=now, probed=probed)
    well = health.after_success(before)
    if not failures:
        return well
    # Of some that ended together: it takes messages, but not all of them.
    return Verdict(health.after_failures(well.health, failures, now=now).health, recovered=well.recovered)


def _keep(session: Session, endpoint_id: UUID, known: Health) -> None:
    session.execute(
        text("""
            UPDATE webhooks.endpoint_state
            SET failures = :failures, failing_since = :failing_since, warned = :warned, probe_at = :probe_at
            WHERE endpoint_id = :endpoint_id
        """),
        {"endpoint_id": endpoint_id, **vars(known)},
    )


def _disabled(session: Session, endpoint_id: UUID, partner_id: UUID, reason: str) -> Notice | None:
    done = session.execute(
        text("""
            UPDATE webhooks.endpoint SET status = 'disabled', status_reason = :reason
            WHERE endpoint_id = :endpoint_id AND status = 'enabled'
        """),
        {"endpoint_id": endpoint_id, "reason": reason},
    )
    if done.rowcount == 0:  # somebody did it meanwhile
        return None
    return Notice(DISABLED, endpoint_id, partner_id, {"endpoint_id": str(endpoint_id), "reason": reason})


def _told(endpoint_id: UUID, partner_id: UUID, before: Health, verdict: Verdict) -> Notice | None:
    if verdict.warn is not None and verdict.health.failing_since is not None:
        since = verdict.health.failing_since
        return Notice(
            FAILING,
            endpoint_id,
            partner_id,
            {
                "endpoint_id": str(endpoint_id),
                "failing_since": since.isoformat(),
                "percent": verdict.warn,
                "disabled_at": health.disabled_at(since).isoformat(),
            },
        )
    if verdict.recovered and before.failing_since is not None:
        since = before.failing_since
        data = {"endpoint_id": str(endpoint_id), "failing_since": since.isoformat()}
        return Notice(RECOVERED, endpoint_id, partner_id, data)
    return None
