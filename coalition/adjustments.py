"""Adjustments: a wallet corrected by hand, with a reason, and above the programme's limit with a second person."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import text

from coalition import ledger
from coalition.ledger import Command, Outcome, Request
from kit.db import Session
from kit.errors import Forbidden, Invalid

LONGEST_REASON = 500


class SecondPersonNeeded(Forbidden):
    """More points than one person may move: somebody else has to approve."""

    code = "second_person_needed"
    title = "Second person needed"


class ReasonMissing(Invalid):
    """An adjustment says why."""

    code = "reason_missing"
    title = "Reason missing"


@dataclass(frozen=True, kw_only=True)
class Adjustment(Command):
    """Give (`credit`) or take `points`; the request's partner stands behind the points given."""

    kind = "adjustment"
    member_id: UUID
    points: int
    credit: bool
    reason: str
    made_by: str
    approved_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Posted(Command):
    kind = "adjustment"
    member_id: UUID
    points: int
    meta: Jsonb


def adjust(session: Session, request: Request, command: Adjustment) -> Outcome:
    """Correct a wallet; the event is `points.adjusted`.

    Raises ReasonMissing, SecondPersonNeeded. Refusals: insufficient_points, and those of every command.
    """
    if not 1 <= len(command.reason.strip()) <= LONGEST_REASON or not command.made_by.strip():
        raise ReasonMissing(f"say who makes the adjustment, and why in 1 to {LONGEST_REASON} characters")
    limit = session.scalar(text("SELECT adjustment_limit FROM coalition.programme")) or 0
    if command.points > limit and command.approved_by in (None, "", command.made_by):
        raise SecondPersonNeeded(f"more than {limit} points need the approval of somebody else", limit=limit)
    meta = {
        "direction": "credit" if command.credit else "debit",
        "reason": command.reason.strip(),
        "made_by": command.made_by,
        "approved_by": command.approved_by,
    }
    posted = _Posted(
        reference=command.reference,
        effective_at=command.effective_at,
        member_id=command.member_id,
        points=command.points,
        meta=Jsonb(meta),
    )
    return ledger.post(session, request, posted)
