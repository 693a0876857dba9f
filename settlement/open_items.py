"""What people decide about a bank's entries: which payments they are for, or that they are for none."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text

from coalition import programme
from kit import audit, ids
from kit.audit import Act
from kit.db import Session, wait_for_lock
from kit.errors import Conflict
from settlement import bank_entries, matching, payment_files, payments, run_progress
from settlement.bank_entries import BankEntry
from settlement.payments import UNMATCHED, Change, Standing


class MatchRefused(Conflict):
    code = "match_refused"
    title = "Match refused"
    description = (
        "The bank entry can't be for this payment: nothing of it is open, nothing of the payment is, or account, "
        "currency or the run's state don't fit."
    )
    remedy = (
        "Compare the entry in `coalition settlement open-items` with the payment in `coalition settlement show`. Take "
        "a wrong match back with `coalition settlement unmatch` first."
    )


def match(
    session: Session, act: Act, *, bank_entry_id: UUID, payment_id: UUID, amount_minor: int | None = None
) -> Standing:
    """Say that what is open of an entry, or `amount_minor` of it, is for a payment; a return takes from what was paid.

    Raises BankEntryNotFound, PaymentNotFound, MatchRefused, ReasonMissing.
    """
    reason = audit.require_reason(act)
    entry, standing = _both(session, bank_entry_id, payment_id)
    if not entry.open_minor:
        raise MatchRefused("nothing of the entry is open")
    forward = matching.is_forward(entry, standing, fund=programme.get(session).programme_id)
    if forward is None:
        raise MatchRefused(
            f"an entry in {entry.currency} on this account can't be for a payment of {standing.payment.currency} in a "
            f"run that is {standing.run_state}"
        )
    most = entry.open_minor if amount_minor is None else amount_minor
    if not 0 < most <= entry.open_minor:
        raise MatchRefused(f"give an amount from 1 to {entry.open_minor} minor units")
    made = matching.change(entry, standing, forward=forward, most_minor=most, found_by="hand", reason=reason)
    if made is None or (amount_minor is not None and abs(made.amount_minor) != amount_minor):
        raise MatchRefused(f"of the payment {standing.open_minor} minor units are open, {standing.paid_minor} are paid")
    bank_entries.take(session, bank_entry_id, abs(made.amount_minor))
    payments.write_down(session, made, at=act.now, by=act.decider)
    progress = run_progress.follow(session, act, [payment_id])
    found = payments.get(session, payment_id)
    audit.append(
        session, act, "settlement.matched", ids.show(ids.BANK_ENTRY, bank_entry_id),
        payment=ids.show(ids.PAYMENT, payment_id), amount_minor=made.amount_minor, **progress.facts,
    )  # fmt: skip
    return found


def unmatch(session: Session, act: Act, *, bank_entry_id: UUID, payment_id: UUID) -> Standing:
    """Take back that an entry is for a payment: it is open again, and so is the payment.

    Raises BankEntryNotFound, PaymentNotFound, MatchRefused, ReasonMissing.
    """
    reason = audit.require_reason(act)
    entry, standing = _both(session, bank_entry_id, payment_id)
    taken = session.scalar(
        text("""
            SELECT coalesce(sum(amount_minor), 0)::bigint FROM settlement.payment_change
            WHERE bank_entry_id = :entry AND payment_id = :payment
        """),
        {"entry": entry.bank_entry_id, "payment": standing.payment.payment_id},
    )
    if not taken:
        raise MatchRefused("the payment has nothing of this entry")
    if taken < 0 and payment_files.stands_in_later_file(session, payment_id, bank_entry_id):
        raise MatchRefused("what came back by this entry stands in another payment file since: it would be paid twice")
    if not 0 <= standing.paid_minor - taken <= standing.payment.amount_minor:
        raise MatchRefused("the payment changed after this entry: take its later matches back first")
    undone = Change(payment_id, UNMATCHED, -taken, bank_entry_id, "hand", reason)
    bank_entries.take(session, bank_entry_id, -abs(taken))
    payments.write_down(session, undone, at=act.now, by=act.decider)
    progress = run_progress.follow(session, act, [payment_id])
    found = payments.get(session, payment_id)
    audit.append(
        session, act, "settlement.unmatched", ids.show(ids.BANK_ENTRY, bank_entry_id),
        payment=ids.show(ids.PAYMENT, payment_id), amount_minor=-taken, **progress.facts,
    )  # fmt: skip
    return found


def write_off(session: Session, act: Act, *, bank_entry_id: UUID) -> BankEntry:
    """Say that no payment will have what is open of an entry. Raises BankEntryNotFound, MatchRefused, ReasonMissing."""
    reason = audit.require_reason(act)
    wait_for_lock(session, payments.LOCK)
    entry = bank_entries.get(session, bank_entry_id)
    if not entry.open_minor:
        raise MatchRefused("nothing of the entry is open")
    bank_entries.take(session, bank_entry_id, entry.open_minor)
    session.execute(
        text("""
            INSERT INTO settlement.write_off (bank_entry_id, amount_minor, reason, at, by)
            VALUES (:id, :amount_minor, :reason, :at, :by)
        """),
        {"id": bank_entry_id, "amount_minor": entry.open_minor, "reason": reason, "at": act.now, "by": act.decider},
    )
    audit.append(
        session, act, "settlement.written_off", ids.show(ids.BANK_ENTRY, bank_entry_id),
        amount_minor=entry.open_minor, currency=entry.currency,
    )  # fmt: skip
    return entry


def _both(session: Session, bank_entry_id: UUID, payment_id: UUID) -> tuple[BankEntry, Standing]:
    wait_for_lock(session, payments.LOCK)
    return bank_entries.get(session, bank_entry_id), payments.get(session, payment_id)
