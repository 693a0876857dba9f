"""Erasure: everything that says who a member is goes; the ledger's rows stay, with an id that means nobody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text

from coalition import attempts, ledger, members, programme
from coalition.ledger import Request
from coalition.members import MemberNotFound
from coalition.refusals import refusal_of
from coalition.upkeep import Expire
from kit import ids, outbox
from kit.db import Session
from kit.errors import Conflict

_ALL_EXPIRED = datetime(9999, 12, 31, tzinfo=UTC)


class WalletNotEmpty(Conflict):
    """The member has points or debts; let them be spent and settled first, or have them forfeited."""

    code = "wallet_not_empty"
    title = "Wallet not empty"


@dataclass(frozen=True)
class Erased:
    """What was left in the wallet: `forfeited` went to breakage.

    `pending` vests and expires on its dates without anybody to spend it; `owed` stays in the books and is never repaid.
    """

    forfeited: int
    pending: int
    owed: int


def erase(session: Session, *, member_id: UUID, forfeit: bool, now: datetime) -> Erased:
    """Take identifiers, PIN and rotating code from the member and close its wallet for good: event `member.erased`.

    Points that can be spent expire now if `forfeit`, in their issuers' names like those of any expiry. Raises
    MemberNotFound (erased before, too), MemberMerged, HoldsOpen, WalletNotEmpty.
    """
    enrolled_by = members.lock(session, member_id)
    attempts.drop(session, member_id)
    # Blocking locks the wallet: nothing can be posted between what is read of it here and the commit.
    if session.scalar(text("SELECT coalition.ledger_set_blocked(:member_id, true)"), {"member_id": member_id}) is None:
        raise MemberNotFound("the member was merged into another")
    left = session.execute(
        text("SELECT available, held, pending, owed FROM coalition.wallet WHERE member_id = :member_id"),
        {"member_id": member_id},
    ).one()
    if left.held:
        raise refusal_of("holds_open", {"held": left.held})
    if (left.available or left.pending or left.owed) and not forfeit:
        raise WalletNotEmpty(
            f"{left.available} points available, {left.pending} pending, {left.owed} owed",
            available=left.available, pending=left.pending, owed=left.owed,
        )  # fmt: skip
    forfeited = sum(_expire_all(session, member_id=member_id, now=now))
    session.execute(
        text("DELETE FROM coalition.member_identifier WHERE member_id = :member_id"), {"member_id": member_id}
    )
    at = programme.get(session).time(now)
    session.execute(
        text("UPDATE coalition.member SET erased_at = :at WHERE member_id = :member_id"),
        {"at": at, "member_id": member_id},
    )
    outbox.append(
        session,
        outbox.Event(
            type="member.erased",
            subject_id=member_id,
            partner_id=enrolled_by,
            occurred_at=at,
            data={"member_id": member_id, "partner_id": enrolled_by},
        ),
    )
    return Erased(forfeited, left.pending, left.owed)


def _expire_all(session: Session, *, member_id: UUID, now: datetime) -> list[int]:
    issuers = session.execute(
        text("""
            SELECT DISTINCT issuer_id FROM coalition.lot WHERE member_id = :member_id AND is_open ORDER BY issuer_id
        """),
        {"member_id": member_id},
    ).scalars()
    return [
        ledger.post(
            session,
            Request(partner_id=issuer_id, key=None, request_hash=None, now=now),
            Expire(member_id=member_id, due_at=_ALL_EXPIRED, reference=f"erasure:{ids.new()}"),
        )
        .unwrap()
        .points
        for issuer_id in issuers.all()
    ]
