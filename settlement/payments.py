"""Payments of runs and what became of them, as banks and people say: due, partly paid, paid, returned or rejected."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from coalition import programme
from kit import ids, outbox
from kit.db import Session
from kit.errors import NotFound
from settlement import runs, statements
from settlement.runs import Payment, Run
from settlement.statements import Party

LOCK = "settlement.payments"  # one at a time: what is booked for a payment hangs on what was before
DUE, PARTLY_PAID, PAID, RETURNED, REJECTED = "due", "partly_paid", "paid", "returned", "rejected"
BOOKED, UNMATCHED, COVERED = "booked", "unmatched", "covered"


class PaymentNotFound(NotFound):
    code = "payment_not_found"
    title = "Payment not found"
    description = "No settlement run has a payment with this id."
    remedy = "Show the run with `coalition settlement show`, and use the id of one of its payments."


@dataclass(frozen=True)
class Standing:
    """A payment and how it stands: `paid_minor` of it came, and `reason` is the bank's, why it came back or won't go.

    `last_change` is the kind of its last one that was not taken back, since it was put into a file; `change_number`
    that of the last of all. `is_refused`: since then it was rejected or sent back, whatever came after that.
    `is_covered`: the coalition pays for a partner in default; `is_covered_by_hand`: outside of any file.
    """

    payment: Payment
    run_id: UUID
    run_state: str
    paid_minor: int
    last_change: str | None
    reason: str | None
    is_covered: bool = False
    is_covered_by_hand: bool = False
    is_refused: bool = False
    change_number: int = 0

    def paid_by(self, fund: UUID) -> UUID:
        """Who pays: the payer, or the coalition where it covers for a partner in default (settlement.defaults)."""
        return fund if self.is_covered else self.payment.payer_id

    @property
    def open_minor(self) -> int:
        """What is still to be paid."""
        return max(self.payment.amount_minor - self.paid_minor, 0)

    @property
    def came_back(self) -> bool:
        """Whether what is open of it was sent back or rejected since it was put into a file."""
        return self.is_refused and self.open_minor > 0

    @property
    def status(self) -> str:
        """`due`, `partly_paid`, `paid`, `returned` or `rejected`."""
        if not self.open_minor:
            return PAID
        if self.last_change in (RETURNED, REJECTED):
            return self.last_change
        return PARTLY_PAID if self.paid_minor > 0 else DUE


@dataclass(frozen=True)
class Change:
    """What becomes of a payment: `kind` as settlement.payment_change has it, `amount_minor` with its sign."""

    payment_id: UUID
    kind: str
    amount_minor: int
    bank_entry_id: UUID | None
    found_by: str
    reason: str | None = None
    message_id: str | None = None  # of the file that the bank's entry or answer is about, where it says so


_SELECT = """
    SELECT p.payment_id, p.payer_id, p.payee_id, p.currency, p.amount_minor, p.run_id, r.state,
           coalesce(c.paid_minor, 0) AS paid_minor, c.last_change, c.reason, v.by_hand IS NOT NULL AS is_covered,
           coalesce(v.by_hand, false) AS is_covered_by_hand, coalesce(c.is_refused, false) AS is_refused,
           c.change_number
    FROM settlement.run_payment p JOIN settlement.run r USING (run_id)
    LEFT JOIN LATERAL (
        SELECT message_id, after_change FROM settlement.instructed_payment
        WHERE payment_id = p.payment_id ORDER BY after_change DESC LIMIT 1
    ) i ON true
    LEFT JOIN LATERAL (
        SELECT bool_or(by_hand) AS by_hand FROM settlement.cover WHERE payment_id = p.payment_id
    ) v ON true
    CROSS JOIN LATERAL (
        SELECT sum(amount_minor)::bigint AS paid_minor, coalesce(max(n), 0) AS change_number,
               bool_or(kind IN ('returned', 'rejected')) FILTER (WHERE is_since) AS is_refused,
               (array_agg(kind ORDER BY n DESC) FILTER (WHERE is_since))[1] AS last_change,
               (array_agg(reason ORDER BY n DESC) FILTER (WHERE is_since))[1] AS reason
        FROM (
            SELECT n, kind, reason, amount_minor, n > coalesce(i.after_change, 0)
                       AND coalesce(message_id = i.message_id, true) AND kind <> 'unmatched'
                       AND (bank_entry_id IS NULL OR sum(amount_minor) OVER (PARTITION BY bank_entry_id) <> 0)
                       AS is_since
            FROM settlement.payment_change WHERE payment_id = p.payment_id
        ) every
    ) c
"""


def reference(payment_id: UUID) -> str:
    """How a payment is called on its way through banks: its id in letters that they take."""
    return ids.show(ids.PAYMENT, payment_id).upper().replace("_", "-")


def find(session: Session, where: str, **values: Any) -> list[Standing]:
    """How the payments stand that `where` says, of `p` and its run `r`, in the order of runs and payments."""
    rows = session.execute(text(f"{_SELECT} WHERE {where} ORDER BY p.run_id, p.n"), values)
    return [
        Standing(
            Payment(*row[:5]), row.run_id, row.state, row.paid_minor, row.last_change, row.reason, row.is_covered,
            row.is_covered_by_hand, row.is_refused, row.change_number,
        )
        for row in rows
    ]  # fmt: skip


def of_run(session: Session, run_id: UUID) -> list[Standing]:
    """How a run's payments stand, in order."""
    return find(session, "p.run_id = :run_id", run_id=run_id)


def get(session: Session, payment_id: UUID) -> Standing:
    """How one payment stands; raises PaymentNotFound."""
    found = find(session, "p.payment_id = :id", id=payment_id)
    if not found:
        raise PaymentNotFound("there is no such payment")
    return found[0]


def write_down(session: Session, change: Change, *, at: datetime, by: str) -> bool:
    """Write down what became of a payment; the rejection of a file only once. Returns whether it was written."""
    made = session.execute(
        text("""
            INSERT INTO settlement.payment_change (payment_id, kind, amount_minor, bank_entry_id, found_by, reason,
                                                   message_id, at, by)
            VALUES (:payment_id, :kind, :amount_minor, :bank_entry_id, :found_by, :reason, :message_id, :at, :by)
            ON CONFLICT (payment_id, message_id) WHERE kind = 'rejected' DO NOTHING
        """),
        {**vars(change), "at": at, "by": by},
    )
    return made.rowcount == 1


def paid_by_other_files(session: Session, payment_id: UUID, message_id: str) -> int:
    """How much of a payment banks booked for other files than this one; negative amounts came back."""
    return (
        session.scalar(
            text("""
            SELECT coalesce(sum(amount_minor), 0)::bigint FROM settlement.payment_change
            WHERE payment_id = :payment_id AND message_id <> :message_id
        """),
            {"payment_id": payment_id, "message_id": message_id},
        )
        or 0
    )


def is_money_booked(session: Session, run_id: UUID) -> bool:
    """Whether money that a bank booked is with payments of a run."""
    there = text("""
        SELECT EXISTS (SELECT FROM settlement.run_payment p JOIN settlement.payment_change c USING (payment_id)
                       WHERE p.run_id = :run_id AND c.bank_entry_id IS NOT NULL
                       GROUP BY p.payment_id HAVING sum(c.amount_minor) <> 0)
    """)
    return bool(session.scalar(there, {"run_id": run_id}))


def paid_runs(session: Session) -> list[UUID]:
    """The instructed runs all of whose payments are paid, in order."""
    rows = session.scalars(
        text("""
            SELECT r.run_id FROM settlement.run r
            WHERE r.state = 'instructed' AND NOT EXISTS (
                SELECT FROM settlement.run_payment p WHERE p.run_id = r.run_id AND p.amount_minor > coalesce(
                    (SELECT sum(c.amount_minor) FROM settlement.payment_change c WHERE c.payment_id = p.payment_id), 0))
            ORDER BY r.run_id
        """)
    )
    return list(rows)


def unpaid_again(session: Session, payment_ids: Collection[UUID]) -> dict[UUID, Standing]:
    """The settled runs of payments that are no longer paid, each with the first of these."""
    found = find(session, "p.payment_id = ANY(:ids) AND r.state = 'settled'", ids=list(payment_ids))
    return {one.run_id: one for one in reversed(found) if one.status != PAID}


def tell(session: Session, run: Run, *, now: datetime) -> None:
    """Tell payers and payees, but for the coalition, of a run's payments."""
    parties = statements.parties(session)
    for payment in runs.payments(session, run.run_id):
        tell_of(session, run, payment, "settlement.payment_due", parties=parties, now=now)


def tell_of(
    session: Session, run: Run, payment: Payment, what: str, *, parties: Mapping[UUID, Party], now: datetime
) -> None:
    """Tell payer and payee, but for the coalition, `what` became of a payment: an event's type."""
    current = programme.get(session)
    for partner_id in (payment.payer_id, payment.payee_id):
        if partner_id != current.programme_id:
            data = {
                "payment_id": payment.payment_id,
                "partner_id": partner_id,
                "payer": parties[payment.payer_id].code,
                "payee": parties[payment.payee_id].code,
                "currency": payment.currency,
                "amount_minor": payment.amount_minor,
                "first_day": run.first_day,
                "last_day": run.last_day,
                "payment_reference": reference(payment.payment_id),
            }
            event = outbox.Event(
                type=what, subject_id=partner_id, partner_id=partner_id, occurred_at=current.time(now), data=data
            )
            outbox.append(session, event)
