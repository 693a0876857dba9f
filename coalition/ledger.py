"""The points ledger: one verb, `post`, and a command for each thing that can be posted.

Points are whole numbers ≥ 0, amounts whole minor units ≥ 0; the kind of a transaction gives its direction. Every verb
is idempotent twice: by the partner's key (what was answered is answered again, refusals included) and for ever by the
partner's reference. Each is one call of a database function, which is the only thing that may write the ledger's
tables (docs/decisions/0002-one-write-path.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from coalition.refusals import ConcurrentRequest, refusal_of
from kit import ids
from kit.db import Session, call, fetch
from kit.errors import CoalitionError

KINDS = [
    "earn",
    "burn",
    "reversal",
    "clawback",
    "hold",
    "capture",
    "void",
    "lapse",
    "vest",
    "expiry",
    "adjustment",
    "merge",
]  # of transactions


@dataclass(frozen=True, kw_only=True)
class Request:
    """What makes a posting idempotent: who asks, under which key, and a hash of all they asked for (32 bytes).

    The coalition's own nightly work has no key: its references are enough.
    """

    partner_id: UUID
    key: str | None
    request_hash: bytes | None
    now: datetime


@dataclass(frozen=True, kw_only=True)
class Command:
    """What every posting says; `reference` is the partner's own name for it, used once for ever.

    Any may be refused with idempotency_key_reused, reference_reused, reference_of_another_member, member_not_found,
    member_merged, effective_in_future, effective_too_old; those that earn or spend with member_blocked too.
    """

    kind: ClassVar[str]
    reference: str
    effective_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Earn(Command):
    """Issue `points`, or what `amount_minor` of `currency` earns at the partner's rate; one of the two is None.

    They are one lot of the partner's; debts of the wallet are repaid out of it first. With `due_at` the points are
    pending until then. Event `points.earned`. Refusals: no_earning_rate, vests_out_of_range.
    """

    kind = "earn"
    member_id: UUID
    points: int | None = None
    amount_minor: int | None = None
    currency: str | None = None
    due_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Burn(Command):
    """Spend `points`, first-expiring lots first, whoever issued them.

    Event `points.burned`. Refusals: insufficient_points, which names the balance.
    """

    kind = "burn"
    member_id: UUID
    points: int


@dataclass(frozen=True, kw_only=True)
class Hold(Command):
    """Set `points` aside for a purchase in progress; they return by themselves at `due_at`.

    The transaction's id is the hold's. Event `points.held`. Refusals: insufficient_points, hold_out_of_range.
    """

    kind = "hold"
    member_id: UUID
    points: int
    due_at: datetime


@dataclass(frozen=True, kw_only=True)
class Capture(Command):
    """Take `points` of the hold `original_id`, or (None) all of it; the rest returns to the wallet.

    Event `points.captured`. Refusals: hold_not_found, hold_finished, hold_lapsed, more_than_held.
    """

    kind = "capture"
    original_id: UUID
    points: int | None = None


@dataclass(frozen=True, kw_only=True)
class Void(Command):
    """Give the hold `original_id` back to the wallet.

    Event `points.released`. Refusals: hold_not_found, hold_finished, hold_lapsed.
    """

    kind = "void"
    original_id: UUID


@dataclass(frozen=True, kw_only=True)
class Reversal(Command):
    """Reverse `points` of `original_id`, or what `amount_minor` of its purchase earned, or (both None) all the rest.

    The original is an earn, burn or capture of the same partner, and never reversed by more than it was; all the rest
    may be nothing. A burn's points return to the lots they came from with their expiry, or, when that has passed, as a
    lot of their own for the programme's days of grace. An earn's points leave its own lot first, then the partner's
    other lots, last issued first, and never exceed what the partner issued to the member and has not taken back; what
    is spent already the programme's policy decides. Where that lets the wallet owe it, only a partner that `may_owe`
    makes the debt; for another it is written off. Event `points.reversed`. Refusals: transaction_not_found,
    not_reversible, more_than_reversible, amount_not_comparable, points_spent.
    """

    kind = "reversal"
    original_id: UUID
    points: int | None = None
    amount_minor: int | None = None
    currency: str | None = None
    may_owe: bool = True


@dataclass(frozen=True, kw_only=True)
class Clawback(Command):
    """Take back what `amount_minor` earns, for a return whose purchase is not known: the partner's last lots first.

    At most what the partner issued to the member and has not taken back; that may be nothing. What is spent already is
    dealt with as in a reversal. Event `points.reversed`. Refusals: no_earning_rate, points_spent.
    """

    kind = "clawback"
    member_id: UUID
    amount_minor: int
    currency: str
    may_owe: bool = True


MOST_REVERSED = 20  # transactions of one purchase


@dataclass(frozen=True, kw_only=True)
class Return:
    """Reverse the transactions of one purchase, all or none: what it spent comes back, what it earned is taken back.

    `parts` are 1 to MOST_REVERSED reversals of different transactions of one member, under one reference. Refusals:
    several_members, and those of a reversal, with the `transaction_id` of the part.
    """

    parts: tuple[Reversal, ...]


@dataclass(frozen=True)
class Transaction:
    """One entry of a member's history; fields as in `coalition.txn`.

    `points` moved, the kind says which way. Of an earn, `repaid` of them went to debts at once. Of a return,
    `uncovered` were spent already: written off, or owed from then on; `expires_on` is how long points live that came
    back after their expiry. The `*_after` are the wallet right after it. `member_seq` counts a member's transactions
    from 1 without gaps. `due_at` is when a hold lapses or an earn's points can be spent.
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
    held_after: int
    pending_after: int
    owed_after: int
    repaid: int
    hold_id: UUID | None
    due_at: datetime | None
    meta: dict[str, Any] | None


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


# The fields of coalition.request in its order, with the types of those that psycopg can't tell from an empty list.
_TYPES = {
    "kind": "coalition.txn_kind",
    "partner_id": "uuid",
    "key": "text",
    "request_hash": "bytea",
    "txn_id": "uuid",
    "event_id": "uuid",
    "now": "timestamptz",
    "member_id": "uuid",
    "original_id": "uuid",
    "reference": "text",
    "points": "bigint",
    "amount_minor": "bigint",
    "currency": "text",
    "effective_at": "timestamptz",
    "due_at": "timestamptz",
    "meta": "jsonb",
}
_FIELDS = tuple(_TYPES)
_NOTHING = dict.fromkeys(_FIELDS)
_COLUMNS = "SELECT o.replayed, o.refusal, o.detail, (o.txn).* FROM "
_REQUEST = f"ROW({', '.join(f'%({name})s' for name in _FIELDS)})::coalition.request"
_NAMES = ", ".join(_FIELDS)
_ARRAYS = f"unnest({', '.join(f'%({name}s)s::{type_}[]' for name, type_ in _TYPES.items())})"
_EACH = f"ROW({', '.join(f'r.{name}' for name in _FIELDS)})::coalition.request"
_MANY = f"{_COLUMNS} {_ARRAYS} WITH ORDINALITY AS r ({_NAMES}, n) CROSS JOIN LATERAL {{door}}({_EACH}) o ORDER BY r.n"
_RETURN = f"{_COLUMNS} {{door}}({_REQUEST}, ARRAY(SELECT {_EACH} FROM {_ARRAYS} AS r ({_NAMES}))) o"  # noqa: S608


DOOR = "coalition.ledger_post"  # the dispatcher inside the database, which knows every kind
# Going past it saves those at a till a call.
_FUNCTION_OF_KIND = {
    "earn": "coalition.ledger_earn",
    "burn": "coalition.ledger_burn",
    "hold": "coalition.ledger_burn",
    "capture": "coalition.ledger_end_hold",
    "void": "coalition.ledger_end_hold",
    "reversal": "coalition.ledger_reverse",
    "clawback": "coalition.ledger_claw_back",
}


def post(session: Session, request: Request, command: Command, *, through: str | None = None) -> Outcome:
    """Post a command; its class says what it does, which event tells of it, and how it may be refused.

    `through` is a database function of a room above that decides first whether it may be posted, with the room's
    own refusals.
    """
    return _call(session, through or _FUNCTION_OF_KIND.get(command.kind, DOOR), request, command)


_ANSWERED = "SELECT coalition.ledger_is_answered(%(partner_id)s, %(key)s, %(reference)s, %(kind)s)"


def is_answered(session: Session, request: Request, command: Command) -> bool:
    """Whether the request's key or the command's reference came before: `post` then moves no points any more."""
    asked = {"partner_id": request.partner_id, "key": request.key, "reference": command.reference, "kind": command.kind}
    return bool(call(session, _ANSWERED, asked)[0])


MOST_AT_ONCE = 250


def post_many(
    session: Session, wanted: Sequence[tuple[Request, Command]], *, through: str | None = None
) -> list[Outcome]:
    """Post up to MOST_AT_ONCE commands of any kinds in one round trip; each has its own outcome, in the order given.

    A wallet stays locked until the transaction ends, so commands should come in the order of their members: whoever
    posts two batches at once can otherwise meet a deadlock, of which PostgreSQL ends one (DatabaseUnavailable).
    """
    if len(wanted) > MOST_AT_ONCE:
        raise ValueError(f"{len(wanted)} postings at once, {MOST_AT_ONCE} at most")
    rows = [_parameters(request, command) for request, command in wanted]
    columns = {f"{name}s": [row[name] for row in rows] for name in _FIELDS}
    try:
        return [_outcome(row) for row in fetch(session, _MANY.replace("{door}", through or DOOR), columns)]
    except psycopg.errors.UniqueViolation as error:
        raise ConcurrentRequest("one of the references is being posted at this moment") from error


def post_return(
    session: Session, request: Request, command: Return, *, through: str = "coalition.ledger_return"
) -> list[Outcome]:
    """Post a return of a purchase: the outcome of each part in the order given, or one refusal for all of them."""
    keyless = replace(request, key=None, request_hash=None)
    rows = [_parameters(keyless, part) for part in command.parts]
    whole = {**rows[0], "key": request.key, "request_hash": request.request_hash}
    columns = {f"{name}s": [row[name] for row in rows] for name in _FIELDS}
    try:
        outcomes = [_outcome(row) for row in fetch(session, _RETURN.replace("{door}", through), {**whole, **columns})]
    except psycopg.errors.UniqueViolation as error:
        raise ConcurrentRequest("one of the references is being posted at this moment") from error
    order: dict[UUID | None, int] = {part.original_id: number for number, part in enumerate(command.parts)}
    return sorted(outcomes, key=lambda each: order[each.unwrap().reverses_transaction_id] if not each.refusal else 0)


def _call(session: Session, function: str, request: Request, command: Command) -> Outcome:
    statement = f"{_COLUMNS}{function}({_REQUEST}) o"
    try:
        return _outcome(call(session, statement, _parameters(request, command)))
    except psycopg.errors.UniqueViolation as error:
        # Two receipts with one reference for two members at the same instant: the later may simply ask again.
        raise ConcurrentRequest("the same reference is being posted at this moment") from error


def _parameters(request: Request, command: Command) -> dict[str, Any]:
    ours = {"kind": command.kind, "txn_id": ids.new(), "event_id": ids.new()}
    said = {**_NOTHING, **vars(request), **vars(command), **ours}
    if not said.pop("may_owe", True):
        said["meta"] = Jsonb({"may_owe": False})
    return said


def _outcome(row: tuple[Any, ...]) -> Outcome:
    replayed, refusal, detail, *txn = row
    if refusal is not None:
        return Outcome(replayed, None, refusal_of(refusal, detail))
    return Outcome(replayed, Transaction(*txn), None)
