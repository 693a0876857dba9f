"""Adjustments: a wallet corrected by hand, with a reason, and above the programme's limit with a second person."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from psycopg.types.json import Jsonb

from coalition import approvals, business_days, ledger
from coalition.ledger import Command, Outcome, Request
from kit import audit, ids
from kit.audit import Act
from kit.db import Session


@dataclass(frozen=True, kw_only=True)
class Adjustment(Command):
    """Give (`credit`) or take `points`; the request's partner stands behind the points given."""

    kind = "adjustment"
    member_id: UUID
    points: int
    credit: bool


@dataclass(frozen=True, kw_only=True)
class _Posted(Command):
    kind = "adjustment"
    member_id: UUID
    points: int
    meta: Jsonb


def adjust(session: Session, act: Act, request: Request, command: Adjustment) -> Outcome:
    """Correct a wallet; the event is `points.adjusted`.

    Raises ReasonMissing, SecondPersonNeeded. Refusals: insufficient_points, and those of every command.
    """
    reason = audit.require_reason(act)
    business_days.close_over(session, now=request.now)
    approvals.require_second(session, points=command.points, made_by=act.decider, approved_by=act.approved_by)
    meta = {
        "direction": "credit" if command.credit else "debit",
        "reason": reason,
        "made_by": act.decider,
        "approved_by": act.approved_by,
    }
    posted = _Posted(
        reference=command.reference,
        effective_at=command.effective_at,
        member_id=command.member_id,
        points=command.points,
        meta=Jsonb(meta),
    )
    outcome = ledger.post(session, request, posted)
    if outcome.refusal is None and not outcome.replayed:
        subject, partner = ids.show_our_own(command.member_id), ids.show(ids.PARTNER, request.partner_id)
        points = command.points if command.credit else -command.points
        audit.append(session, act, "member.adjusted", subject, partner=partner, points=points)
    return outcome
