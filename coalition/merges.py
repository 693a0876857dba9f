"""Members merged, blocked and opened again."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import text

from coalition import approvals, business_days, ledger, members, throttle, verifications
from coalition.ledger import Command, Outcome, Request, Transaction
from coalition.members import MemberNotFound
from kit import audit, ids, outbox
from kit.audit import Act
from kit.db import Session


@dataclass(frozen=True, kw_only=True)
class _Merge(Command):
    kind = "merge"
    member_id: UUID
    original_id: UUID
    meta: Jsonb


def merge(session: Session, act: Act, *, member_id: UUID, into: UUID, reference: str) -> Outcome:
    """Make two members one: points, pending points, debts and cards of `member_id` become those of `into`.

    The emptied member stays, closed, and says whom it was merged into; its transactions can still be reversed.
    Two transactions of the partner that enrolled it, and two events `points.merged`. Raises MemberNotFound,
    ReasonMissing, SecondPersonNeeded.
    Refusals: same_member, holds_open, member_merged, member_not_found, reference_reused.
    """
    audit.require_reason(act)
    business_days.close_over(session, now=act.now)
    # In the order of their ids, so that two merges can't wait for each other.
    enrolled_by = {one: members.lock_even_merged(session, one) for one in sorted({member_id, into})}
    partner_id = enrolled_by[member_id]
    outcome = ledger.post(
        session,
        Request(partner_id=partner_id, key=None, request_hash=None, now=act.now),
        _Merge(
            member_id=member_id,
            original_id=into,
            reference=reference,
            meta=Jsonb({"txn_id": str(ids.new()), "event_id": str(ids.new())}),
        ),
    )
    if outcome.refusal is None:
        # Known only now that the wallet is locked; raised, it takes everything back.
        done = outcome.unwrap()
        points = done.points + debt_before(session, done)
        approvals.require_second(session, points=points, made_by=act.decider, approved_by=act.approved_by)
        # Codes on their way were asked for by who might then: for neither of the two as they were.
        for one in (member_id, into):
            verifications.drop(session, one)
        session.execute(
            text("UPDATE coalition.member_identifier SET member_id = :into WHERE member_id = :member_id"),
            {"into": into, "member_id": member_id},
        )
        # What the emptied member proved itself with: the other has its own, or none on purpose.
        throttle.drop(session, member_id)
        if not outcome.replayed:
            subject, kept = ids.show_our_own(member_id), ids.show_our_own(into)
            audit.append(session, act, "member.merged", subject, into=kept, reference=reference)
    return outcome


def debt_before(session: Session, merged: Transaction) -> int:
    """What the emptied member owed, and the other does since: as good as points taken from it."""
    debt: int | None = session.scalar(
        text("SELECT coalition.debt_after(:member_id, :member_seq)"),
        {"member_id": merged.member_id, "member_seq": merged.member_seq - 1},
    )
    return debt or 0


def block(session: Session, act: Act, *, member_id: UUID, blocked: bool) -> bool:
    """Block a member (it can neither earn nor spend, returns still work) or open it again; whether that changed it.

    The event, `member.blocked` or `member.unblocked`, goes to the partner that enrolled it. Raises MemberNotFound.
    """
    partner_id = members.lock(session, member_id)
    changed = session.scalar(
        text("SELECT coalition.ledger_set_blocked(:member_id, :blocked)"),
        {"member_id": member_id, "blocked": blocked},
    )
    if changed is None:
        raise MemberNotFound("no such member, or it was merged into another")
    if changed:
        done = "member.blocked" if blocked else "member.unblocked"
        outbox.append(
            session,
            outbox.Event(
                type=done,
                subject_id=member_id,
                partner_id=partner_id,
                occurred_at=act.now,
                data={"member_id": member_id, "partner_id": partner_id},
            ),
        )
        audit.append(session, act, done, ids.show_our_own(member_id))
    return bool(changed)
