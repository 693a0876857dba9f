"""Erasure: everything that says who a member is goes; the ledger's rows stay, with an id that means nobody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text

from coalition import event_types, ledger, members, programme, throttle
from coalition.ledger import Request
from coalition.members import MemberNotFound
from coalition.refusals import refusal_of
from coalition.scheduled_postings import Expire
from kit import audit, ids, outbox
from kit.audit import Act
from kit.db import Session
from kit.errors import Conflict
from kit.secrets import Keyring

_ALL_EXPIRED = datetime(9999, 12, 31, tzinfo=UTC)


class WalletNotEmpty(Conflict):
    code = "wallet_not_empty"
    title = "Wallet not empty"
    description = "The member still has points or debts. Wait until they are spent and settled, or have them forfeited."
    remedy = (
        "Wait until the points are spent and the debts repaid, or erase the member with `coalition member erase "
        "--forfeit`, which lets them go."
    )


@dataclass(frozen=True)
class Erased:
    """What was left in the wallet: `forfeited` went to breakage, with what was unfunded.

    `pending` vests and expires on its dates without anybody to spend it; `debt` stays in the books and is never repaid.
    """

    forfeited: int
    pending: int
    debt: int


def erase(session: Session, act: Act, *, member_id: UUID, forfeit: bool) -> Erased:
    """Take identifiers, PIN and rotating code from the member and close its wallet for good: event `member.erased`.

    What events say of it goes as well, also of those that were sent, and what receivers answered to them. Points that
    can be spent expire now if `forfeit`, in their issuers' names like those of any expiry. Raises MemberNotFound
    (erased before, too), MemberMerged, HoldsOpen, WalletNotEmpty.
    """
    enrolled_by = members.lock(session, member_id)
    throttle.drop(session, member_id)
    # Blocking locks the wallet: nothing can be posted between what is read of it here and the commit.
    if session.scalar(text("SELECT coalition.ledger_set_blocked(:member_id, true)"), {"member_id": member_id}) is None:
        raise MemberNotFound("the member was merged into another")
    left = session.execute(
        text("SELECT available, held, pending, debt FROM coalition.wallet_of(:member_id)"),
        {"member_id": member_id},
    ).one()
    if left.held:
        raise refusal_of("holds_open", {"held": left.held})
    if (left.available or left.pending or left.debt) and not forfeit:
        raise WalletNotEmpty(
            f"{left.available} points available, {left.pending} pending, a debt of {left.debt}",
            available=left.available, pending=left.pending, debt=left.debt,
        )  # fmt: skip
    forfeited = sum(_expire_all(session, member_id=member_id, now=act.now))
    pending = left.pending - (forfeited - left.available)
    session.execute(
        text("DELETE FROM coalition.member_identifier WHERE member_id = :member_id"), {"member_id": member_id}
    )
    _forget_events(session, member_id=member_id, keyring=act.keyring)
    at = programme.get(session).time(act.now)
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
    audit.append(session, act, "member.erased", ids.show_our_own(member_id), forfeited=forfeited)
    return Erased(forfeited, pending, left.debt)


def _forget_events(session: Session, *, member_id: UUID, keyring: Keyring) -> None:
    """Take what says who it is out of the events of the member, and of all who were merged into it.

    And them out of what partners' files and the ledger disagree about.
    """
    subjects = session.scalars(text("SELECT coalition.all_merged_into(:member_id)"), {"member_id": member_id}).all()
    told = outbox.forget(session, subject_ids=subjects, fields=event_types.PERSONAL, keyring=keyring)
    # Functions of the rooms that keep the rest: there is no erasure without them, whoever asks for one.
    session.execute(text("SELECT webhooks.forget_answers(:event_ids)"), {"event_ids": told})
    session.execute(text("SELECT settlement.forget_members(:member_ids)"), {"member_ids": list(subjects)})


def _expire_all(session: Session, *, member_id: UUID, now: datetime) -> list[int]:
    issuers = session.execute(
        text("SELECT i FROM coalition.issuers_of(:member_id) i ORDER BY 1"), {"member_id": member_id}
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
