"""What a wallet holds, now and at any time before, and the transactions behind it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import text

from coalition.ledger import Transaction
from coalition.refusals import refusal_of
from kit.db import Session
from kit.errors import NotFound


class TransactionNotFound(NotFound):
    """No transaction of yours has this id."""

    code = "transaction_not_found"
    title = "Transaction not found"


@dataclass(frozen=True)
class ExpiringPoints:
    """`points` that can be spent up to the day before `expires_on`."""

    expires_on: date
    points: int


@dataclass(frozen=True)
class Balance:
    """What a wallet holds, all ≥ 0.

    `available` can be spent: `issued_by_partner` of it are the asking partner's own lots, the rest are others'. `held`
    is set aside, `pending` not spendable yet, `owed` taken out of what is earned next.
    """

    member_id: UUID
    available: int
    held: int
    pending: int
    owed: int
    issued_by_partner: int
    issued_by_others: int
    expiring: tuple[ExpiringPoints, ...]


def balance(session: Session, *, member_id: UUID, partner_id: UUID) -> Balance:
    """The balance and when it expires, soonest first, as one consistent picture; raises MemberNotFound."""
    rows = session.execute(
        text("""
            SELECT w.available, w.held, w.pending, w.owed, l.expires_on, l.issuer_id = :partner_id AS own,
                   sum(l.remaining - l.held)::bigint AS points
            FROM coalition.wallet w
            LEFT JOIN coalition.lot l ON l.member_id = w.member_id AND l.is_open
            WHERE w.member_id = :member_id
            GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 5
        """),
        {"member_id": member_id, "partner_id": partner_id},
    ).all()
    if not rows:
        raise refusal_of("member_not_found", {})
    schedule: dict[date, int] = {}
    for row in rows:
        if row.expires_on is not None:
            schedule[row.expires_on] = schedule.get(row.expires_on, 0) + row.points
    own = sum(row.points for row in rows if row.own)
    return Balance(
        member_id=member_id,
        available=rows[0].available,
        held=rows[0].held,
        pending=rows[0].pending,
        owed=rows[0].owed,
        issued_by_partner=own,
        issued_by_others=rows[0].available - own,
        expiring=tuple(ExpiringPoints(day, points) for day, points in schedule.items()),
    )


_TRANSACTION = text("SELECT t.* FROM coalition.txn t WHERE t.txn_id = :txn_id AND t.partner_id = :partner_id")
_HISTORY = text("""
    SELECT t.* FROM coalition.txn t
    WHERE t.member_id = :member_id AND t.partner_id = :partner_id AND t.member_seq < :before
    ORDER BY t.member_seq DESC LIMIT :limit
""")
_BY_REFERENCE = text("""
    SELECT t.* FROM coalition.txn t WHERE t.partner_id = :partner_id AND t.reference = :reference
    ORDER BY t.txn_id LIMIT :limit
""")
FROM_THE_NEWEST = 2**62


def transaction(session: Session, *, transaction_id: UUID, partner_id: UUID) -> Transaction:
    """One of the partner's own transactions; raises TransactionNotFound."""
    row = session.execute(_TRANSACTION, {"txn_id": transaction_id, "partner_id": partner_id}).first()
    if row is None:
        raise TransactionNotFound("no transaction of yours has this id")
    return Transaction(*row)


def history(
    session: Session, *, member_id: UUID, partner_id: UUID, before: int = FROM_THE_NEWEST, limit: int
) -> list[Transaction]:
    """The partner's own transactions with a member, newest first, those with `member_seq` < `before`."""
    parameters = {"member_id": member_id, "partner_id": partner_id, "before": before, "limit": limit}
    return [Transaction(*row) for row in session.execute(_HISTORY, parameters)]


def by_reference(session: Session, *, reference: str, partner_id: UUID, limit: int) -> list[Transaction]:
    """What the partner posted under one of its references, oldest first."""
    parameters = {"reference": reference, "partner_id": partner_id, "limit": limit}
    return [Transaction(*row) for row in session.execute(_BY_REFERENCE, parameters)]
