"""What a wallet holds, now and at any time before, and the transactions behind it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import text

from coalition import members
from coalition.ledger import Transaction, columns
from coalition.refusals import refusal_of
from kit.db import Session, fetch
from kit.errors import NotFound


class TransactionNotFound(NotFound):
    code = "transaction_not_found"
    title = "Transaction not found"
    description = "You have no transaction with this id."
    remedy = (
        "Use a `transaction_id` from your own answers or GET /v1/transactions. Transactions of other partners are not "
        "yours to see."
    )


@dataclass(frozen=True)
class ExpiringPoints:
    """`points` that can be spent up to the day before `expires_on`."""

    expires_on: date
    points: int


@dataclass(frozen=True)
class Balance:
    """What a wallet holds, all ≥ 0.

    `available` can be spent: `issued_by_partner` of it are the asking partner's own lots, the rest are others'. `held`
    is set aside, `pending` not spendable yet, `debt` taken out of what is earned next.
    """

    member_id: UUID
    available: int
    held: int
    pending: int
    debt: int
    issued_by_partner: int
    issued_by_others: int
    expiring: tuple[ExpiringPoints, ...]


_BALANCE = """
    SELECT w.available, w.held, w.pending, w.debt, l.expires_on, l.issuer_id = %(partner_id)s AS own,
           sum(l.remaining - l.held)::bigint AS points, w.merged_into
    FROM coalition.wallet w
    LEFT JOIN coalition.lot l ON l.member_id = w.member_id AND l.is_open
    WHERE w.member_id = %(member_id)s
    GROUP BY 1, 2, 3, 4, 5, 6, 8 ORDER BY 5
"""


def balance(session: Session, *, member_id: UUID, partner_id: UUID) -> Balance:
    """The balance and when it expires, soonest first, as one consistent picture.

    Raises MemberNotFound, MemberMerged.
    """
    rows = fetch(session, _BALANCE, {"member_id": member_id, "partner_id": partner_id})
    if not rows:
        raise refusal_of("member_not_found", {})
    members.refuse_merged(rows[0][-1])
    available, held, pending, debt = rows[0][:4]
    schedule: dict[date, int] = {}
    own = 0
    for *_, expires_on, is_own, points, _ in rows:
        if expires_on is not None:
            schedule[expires_on] = schedule.get(expires_on, 0) + points
            own += points if is_own else 0
    return Balance(
        member_id=member_id,
        available=available,
        held=held,
        pending=pending,
        debt=debt,
        issued_by_partner=own,
        issued_by_others=available - own,
        expiring=tuple(ExpiringPoints(day, points) for day, points in schedule.items()),
    )


@dataclass(frozen=True)
class Hold:
    """Points set aside; `status` is open, captured, voided or lapsed."""

    hold_id: UUID
    member_id: UUID
    points: int
    captured: int
    status: str
    expires_at: datetime


def hold(session: Session, *, hold_id: UUID, partner_id: UUID) -> Hold:
    """One of the partner's own holds; raises HoldNotFound."""
    row = session.execute(
        text("""
            SELECT h.hold_id, h.member_id, h.points, h.captured, h.status::text, h.expires_at
            FROM coalition.txn t JOIN coalition.hold h ON h.member_id = t.member_id AND h.hold_id = t.txn_id
            WHERE t.txn_id = :hold_id AND t.partner_id = :partner_id
        """),
        {"hold_id": hold_id, "partner_id": partner_id},
    ).first()
    if row is None:
        raise refusal_of("hold_not_found", {})
    return Hold(*row)


@dataclass(frozen=True)
class PastBalance:
    """What a wallet held at a time, all ≥ 0."""

    member_id: UUID
    at: datetime
    available: int
    held: int
    pending: int
    debt: int


def balance_at(session: Session, *, member_id: UUID, at: datetime) -> PastBalance:
    """What the member's last transaction booked up to `at` left in the wallet.

    Raises MemberNotFound, MemberMerged.
    """
    row = session.execute(
        text("""
            SELECT p.available, p.held, p.pending, p.debt, w.merged_into
            FROM coalition.wallet_of(:member_id) w, coalition.wallet_at(:member_id, :at) p
        """),
        {"member_id": member_id, "at": at},
    ).first()
    if row is None:
        raise refusal_of("member_not_found", {})
    members.refuse_merged(row.merged_into)
    return PastBalance(member_id, at, *row[:4])


_COLUMNS = columns("t")
_TRANSACTION = text(
    f"SELECT {_COLUMNS} FROM coalition.txn t WHERE t.txn_id = :txn_id AND t.partner_id = :partner_id"  # noqa: S608
)
_HISTORY = text(f"""
    SELECT {_COLUMNS} FROM coalition.txn t
    WHERE t.member_id = :member_id AND t.partner_id = coalesce(:partner_id, t.partner_id) AND t.member_seq < :before
    ORDER BY t.member_seq DESC LIMIT :limit
""")  # noqa: S608
_BY_REFERENCE = text(f"""
    SELECT {_COLUMNS} FROM coalition.txn t WHERE t.partner_id = :partner_id AND t.reference = :reference
    ORDER BY t.txn_id LIMIT :limit
""")  # noqa: S608
_OWNERS, _OWNERS_BY_REFERENCE = (
    text(f"""
        SELECT t.{name}, t.member_id FROM coalition.txn t WHERE t.{name} = ANY(:names) AND t.partner_id = :partner_id
    """)  # noqa: S608 -- made of constants
    for name in ("txn_id", "reference")
)
_MERGED = text("""
    SELECT w.member_id, w.merged_into FROM coalition.wallet w
    WHERE w.member_id = ANY(:member_ids) AND w.merged_into IS NOT NULL
""")
MOST_MERGES = 1_000
FROM_THE_NEWEST = 2**62


def transaction(session: Session, *, transaction_id: UUID, partner_id: UUID) -> Transaction:
    """One of the partner's own transactions; raises TransactionNotFound."""
    row = session.execute(_TRANSACTION, {"txn_id": transaction_id, "partner_id": partner_id}).first()
    if row is None:
        raise TransactionNotFound("you have no transaction with this id")
    return Transaction(*row)


def owners(session: Session, *, transaction_ids: Collection[UUID], partner_id: UUID) -> dict[UUID, UUID]:
    """Who has the points now that these transactions of the partner moved: the member, or whom it was merged into.

    A transaction that isn't the partner's is left out.
    """
    if not transaction_ids:
        return {}
    rows = session.execute(_OWNERS, {"names": list(transaction_ids), "partner_id": partner_id}).all()
    living = _living(session, {row.member_id for row in rows})
    return {row.txn_id: living[row.member_id] for row in rows}


def owners_by_reference(session: Session, *, references: Collection[str], partner_id: UUID) -> set[tuple[str, UUID]]:
    """Like `owners`, for all that the partner posted under these references: pairs of reference and member."""
    rows = session.execute(_OWNERS_BY_REFERENCE, {"names": list(references), "partner_id": partner_id}).all()
    living = _living(session, {row.member_id for row in rows})
    return {(row.reference, living[row.member_id]) for row in rows}


def _living(session: Session, member_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Who has the points of each of these members now: itself, or whom it was merged into."""
    living = {one: one for one in member_ids}
    for _ in range(MOST_MERGES):
        rows = session.execute(_MERGED, {"member_ids": list(set(living.values()))})
        if not (merged := {row.member_id: row.merged_into for row in rows}):
            return living
        living = {one: merged.get(last, last) for one, last in living.items()}
    raise RuntimeError("merges that lead nowhere; `coalition ledger verify` tells more")


def history(
    session: Session, *, member_id: UUID, partner_id: UUID | None, before: int = FROM_THE_NEWEST, limit: int
) -> list[Transaction]:
    """A partner's transactions with a member (None: all partners'), newest first, with `member_seq` < `before`."""
    parameters = {"member_id": member_id, "partner_id": partner_id, "before": before, "limit": limit}
    return [Transaction(*row) for row in session.execute(_HISTORY, parameters)]


def by_reference(session: Session, *, reference: str, partner_id: UUID, limit: int) -> list[Transaction]:
    """What the partner posted under one of its references, oldest first."""
    parameters = {"reference": reference, "partner_id": partner_id, "limit": limit}
    return [Transaction(*row) for row in session.execute(_BY_REFERENCE, parameters)]


@dataclass(frozen=True)
class MovedLot:
    """Points of one lot that a transaction moved from account `debit` to account `credit`."""

    points: int
    debit: str
    credit: str
    issuer_id: UUID
    issued_on: date
    expires_on: date


def moved_lots(session: Session, transaction: Transaction) -> list[MovedLot]:
    """The lots a transaction moved, in the order they were taken."""
    rows = session.execute(
        text(
            "SELECT points, debit, credit, issuer_id, issued_on, expires_on"
            " FROM coalition.moved_lots(:member_id, :txn_id)"
        ),
        {"member_id": transaction.member_id, "txn_id": transaction.transaction_id},
    )
    return [MovedLot(*row) for row in rows]


MOST_FOLLOWERS = 1_000


def followers(session: Session, transaction: Transaction) -> list[Transaction]:
    """What reversed the transaction or ended its hold, oldest first (at most MOST_FOLLOWERS)."""
    rows = session.execute(
        text(f"""
            SELECT {_COLUMNS} FROM coalition.txn t WHERE t.reverses_txn_id = :txn_id
            UNION ALL
            SELECT {_COLUMNS} FROM coalition.txn t
            WHERE t.member_id = :member_id AND t.hold_id = :txn_id AND t.txn_id <> :txn_id AND t.member_seq > :seq
            ORDER BY txn_id LIMIT :limit
        """),  # noqa: S608
        {
            "txn_id": transaction.transaction_id,
            "member_id": transaction.member_id,
            "seq": transaction.member_seq,
            "limit": MOST_FOLLOWERS,
        },
    )
    return [Transaction(*row) for row in rows]
