"""Adjustments: a wallet corrected by hand, with a reason, and above the programme's limit with a second person."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from psycopg.types.json import Jsonb

from coalition import business_days, ledger
from coalition.approvals import Approval
from coalition.ledger import Command, Outcome, Request
from kit.db import Session


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
    approval = Approval(reason=command.reason, made_by=command.made_by, approved_by=command.approved_by)
    approval.check()
    business_days.close_over(session, now=request.now)
    approval.require_second(session, points=command.points)
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
