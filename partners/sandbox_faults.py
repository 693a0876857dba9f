"""Faults of the sandbox: what a posting's reference can order to go wrong, and which requests met theirs already.

`sandbox:insufficient_points` is refused for that; `sandbox:commit_then_drop:17` is posted, and the answer lost. Behind
the name anything may follow, since a reference is posted once for ever.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from kit.db import Session

PREFIX = "sandbox:"
SLOW_S = 10
REMEMBERED = timedelta(days=1)
# What is no refusal: the posting is made, and something else goes wrong.
FAULTS = {
    "commit_then_drop": "We make the posting, then close the connection without an answer.",
    "slow": f"We make the posting and answer after {SLOW_S} seconds.",
    "duplicate_webhook": "We make the posting and deliver its event twice.",
    "late_webhook": "We make the posting and deliver its event late, after later events.",
}
OF_WEBHOOKS = ("duplicate_webhook", "late_webhook")


def fault_in(reference: str) -> str | None:
    """The fault `reference` names, or None."""
    name = reference.removeprefix(PREFIX).partition(":")[0]
    return name if reference.startswith(PREFIX) and name in FAULTS else None


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
