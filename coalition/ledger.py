"""The points ledger: earn, burn, reverse, claw back; and what a wallet holds.

Points are whole numbers ≥ 0, amounts whole minor units ≥ 0; the kind of a transaction gives its direction. Every verb
is idempotent twice: by the partner's key (what was answered is answered again, refusals included) and for ever by the
partner's reference. Each is one call of a database function, which is the only thing that may write the ledger's
tables (docs/decisions/0002-one-write-path.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import text

from coalition.refusals import ConcurrentRequest, refusal_of
from kit import ids
from kit.db import Session, call
from kit.errors import CoalitionError, NotFound


class TransactionNotFound(NotFound):
    """No transaction of yours has this id."""

    code = "transaction_not_found"
    title = "Transaction not found"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What makes a posting idempotent: who asks, under which key, and a hash of all they asked for (32 bytes)."""

    partner_id: UUID
    key: str
    request_hash: bytes
    now: datetime


@dataclass(frozen=True, kw_only=True)
class Earn:
    """Issue `points`, or what `amount_minor` of `currency` earns at the partner's rate; one of the two is None."""

    member_id: UUID
    reference: str
    points: int | None = None
    amount_minor: int | None = None
    currency: str | None = None
    effective_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Burn:
    """Spend `points`, first-expiring lots first, whoever issued them."""

    member_id: UUID
    reference: str
    points: int
    effective_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Reversal:
    """Reverse `points` of a transaction, or what `amount_minor` of its purchase earned, or (both None) all the rest."""

    transaction_id: UUID
    reference: str
    points: int | None = None
    amount_minor: int | None = None
    currency: str | None = None
    effective_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Clawback:
    """Take back what `amount_minor` earns, for a return whose purchase is not known."""

    member_id: UUID
    reference: str
    amount_minor: int
    currency: str
    effective_at: datetime | None = None


@dataclass(frozen=True)
class Transaction:
    """One entry of a member's history; fields as in `coalition.txn`.

    `points` moved; `uncovered` should have been taken back but was no longer there. `available_after` is the wallet's
    balance right after it. `member_seq` counts a member's transactions from 1 without gaps.
    """

    member_id: UUID
    member_seq: int
    transaction_id: UUID
    kind: str
    partner_id: UUID
    points: int
    uncovered: int
    available_after: int
    reference: str
    reverses_transaction_id: UUID | None
    amount_minor: int | None
    currency: str | None
    points_per_unit: Decimal | None
    minor_per_unit: int | None
    expires_on: date | None
    effective_at: datetime
    booked_at: datetime
    business_date: date
    original_business_date: date


@dataclass(frozen=True)
class Outcome:
    """What came of a posting. A refusal is stored like a success, so it is a value: raise it *after* the commit."""

    replayed: bool
    transaction: Transaction | None
    refusal: CoalitionError | None

    def unwrap(self) -> Transaction:
        """The transaction; raises the refusal."""
        if self.refusal is not None:
            raise self.refusal
        if self.transaction is None:
            raise RuntimeError("an outcome without refusal has its transaction")
        return self.transaction


_COLUMNS = "SELECT o.replayed, o.refusal, o.detail, (o.txn).* FROM "
_REQUEST = "%(now)s, %(partner_id)s, %(key)s, %(request_hash)s, %(txn_id)s, %(event_id)s"
_EARN = (
    f"{_COLUMNS} coalition.ledger_earn({_REQUEST}, %(member_id)s, %(reference)s, %(points)s, %(amount_minor)s, "
    "%(currency)s, %(effective_at)s) o"
)
_BURN = f"{_COLUMNS} coalition.ledger_burn({_REQUEST}, %(member_id)s, %(reference)s, %(points)s, %(effective_at)s) o"
_REVERSE = (
    f"{_COLUMNS} coalition.ledger_reverse({_REQUEST}, %(transaction_id)s, %(reference)s, %(points)s, %(amount_minor)s, "
    "%(currency)s, %(effective_at)s) o"
)
_CLAW_BACK = (
    f"{_COLUMNS} coalition.ledger_claw_back({_REQUEST}, %(member_id)s, %(reference)s, %(amount_minor)s, %(currency)s, "
    "%(effective_at)s) o"
)


def earn(session: Session, request: Request, command: Earn) -> Outcome:
    """Issue points to a member as one lot of the partner's; the event is `points.earned`.

    Refusals: member_not_found, no_earning_rate, effective_in_future, reference_reused, reference_of_another_member,
    idempotency_key_reused.
    """
    return _post(session, _EARN, request, command)


def burn(session: Session, request: Request, command: Burn) -> Outcome:
    """Spend a member's points at the partner; the event is `points.burned`.

    Refusals: those of `earn` but the rate, and insufficient_points, which names the balance.
    """
    return _post(session, _BURN, request, command)


def reverse(session: Session, request: Request, command: Reversal) -> Outcome:
    """Counter an earn or burn of the same partner, never more in sum than the original; the event is `points.reversed`.

    A burn's points return to the lots they came from with their expiry. An earn's points leave its own lot first, then
    the partner's other lots, newest first; what the member no longer has is `uncovered`.
    Refusals: transaction_not_found, not_reversible, more_than_reversible, amount_not_comparable, and those of `earn`.
    """
    return _post(session, _REVERSE, request, command)


def claw_back(session: Session, request: Request, command: Clawback) -> Outcome:
    """Take back what an amount earns from the partner's own lots, newest first; the event is `points.reversed`.

    Refusals: those of `earn`.
    """
    return _post(session, _CLAW_BACK, request, command)


def _post(session: Session, statement: str, request: Request, command: Any) -> Outcome:
    parameters = {**vars(request), **vars(command), "txn_id": ids.new(), "event_id": ids.new()}
    try:
        replayed, refusal, detail, *txn = call(session, statement, parameters)
    except psycopg.errors.UniqueViolation as error:
        # Two receipts with one reference for two members at the same instant: the later may simply ask again.
        raise ConcurrentRequest("the same reference is being posted at this moment") from error
    if refusal is not None:
        return Outcome(replayed, None, refusal_of(refusal, detail))
    return Outcome(replayed, Transaction(*txn), None)


@dataclass(frozen=True)
class ExpiringPoints:
    """`points` that can be spent up to the day before `expires_on`."""

    expires_on: date
    points: int


@dataclass(frozen=True)
class Balance:
    """What a wallet holds: `issued_by_partner` are those of the asking partner's own lots, the rest are others'."""

    member_id: UUID
    available: int
    issued_by_partner: int
    issued_by_others: int
    expiring: tuple[ExpiringPoints, ...]


def balance(session: Session, *, member_id: UUID, partner_id: UUID) -> Balance:
    """The balance and when it expires, soonest first, as one consistent picture; raises MemberNotFound."""
    rows = session.execute(
        text("""
            SELECT w.available, l.expires_on, l.issuer_id = :partner_id AS own, sum(l.remaining)::bigint AS points
            FROM coalition.wallet w
            LEFT JOIN coalition.lot l ON l.member_id = w.member_id AND l.is_open
            WHERE w.member_id = :member_id
            GROUP BY 1, 2, 3 ORDER BY 2
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
