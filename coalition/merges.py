"""Members merged, blocked and opened again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import text

from coalition import ledger
from coalition.ledger import Command, Outcome, Request
from coalition.members import MemberNotFound
from kit import ids, outbox
from kit.db import Session


@dataclass(frozen=True, kw_only=True)
class _Merge(Command):
    kind = "merge"
    member_id: UUID
    original_id: UUID
    meta: Jsonb


def merge(session: Session, *, member_id: UUID, into: UUID, reference: str, now: datetime) -> Outcome:
    """Make two members one: points, pending points, debts and cards of `member_id` become those of `into`.

    The emptied member stays, closed, and says whom it was merged into; its transactions can still be reversed.
    Two transactions of the partner that enrolled it, and two events `points.merged`. Raises MemberNotFound.
    Refusals: same_member, holds_open, member_merged, member_not_found, reference_reused.
    """
    partner_id = session.scalar(
        text("SELECT enrolled_by FROM coalition.member WHERE member_id = :member_id"), {"member_id": member_id}
    )
    if partner_id is None:
        raise MemberNotFound("no such member")
    outcome = ledger.post(
        session,
        Request(partner_id=partner_id, key=None, request_hash=None, now=now),
        _Merge(
            member_id=member_id,
            original_id=into,
            reference=reference,
            meta=Jsonb({"txn_id": str(ids.new()), "event_id": str(ids.new())}),
        ),
    )
    if outcome.refusal is None:
        session.execute(
            text("UPDATE coalition.member_identifier SET member_id = :into WHERE member_id = :member_id"),
            {"into": into, "member_id": member_id},
        )
    return outcome


def block(session: Session, *, member_id: UUID, blocked: bool, now: datetime) -> bool:
    """Block a member (it can neither earn nor spend, returns still work) or open it again; whether that changed it.

    The event, `member.blocked` or `member.unblocked`, goes to the partner that enrolled it. Raises MemberNotFound.
    """
    changed = session.scalar(
        text("SELECT coalition.ledger_set_blocked(:member_id, :blocked)"),
        {"member_id": member_id, "blocked": blocked},
    )
    if changed is None:
        raise MemberNotFound("no such member, or it was merged into another")
    if changed:
        partner_id = session.scalar(
            text("SELECT enrolled_by FROM coalition.member WHERE member_id = :member_id"), {"member_id": member_id}
        )
        outbox.append(
            session,
            outbox.Event(
                type="member.blocked" if blocked else "member.unblocked",
                subject_id=member_id,
                partner_id=partner_id,
                occurred_at=now,
                data={"member_id": member_id, "partner_id": partner_id},
            ),
        )
    return bool(changed)
