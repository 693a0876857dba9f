"""What can be posted, and what comes of it: a command for each kind, frozen values without a database.

Points are whole numbers ≥ 0, amounts whole minor units ≥ 0; the kind of a transaction gives its direction.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

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
    "fund",
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

    It is made at the partner's location `location_id`, or at the one that the partner calls `location_code`, which only
    the partners' door can find. A capture or void that names none is made where its hold was, a reversal where its
    original was.

    Any may be refused with idempotency_key_reused, reference_reused, reference_of_another_member, member_not_found,
    member_merged, effective_in_future, effective_too_old; those that earn or spend with member_blocked too.
    """

    kind: ClassVar[str]
    reference: str
    effective_at: datetime | None = None
    location_id: UUID | None = None
    location_code: str | None = None


LARGEST_POSTING = 1_000_000_000  # points or minor units that are asked for at once
MOST_AWARDS = 20  # of one earn
LONGEST_NAME = 64  # of a campaign or a rule


@dataclass(frozen=True, kw_only=True)
class Award:
    """Points of an earn that one issuer funds, as a lot of their own.

    `issuer_id` None is the asking partner. `expires_on`, the first day they can't be spent on, is by default what the
    programme says; they are pending until `vests_at`, by default the earn's. `campaign` and `rule` (with its version)
    say in the words of who awards them why they were awarded; both stay with the points to their end.
    """

    points: int
    issuer_id: UUID | None = None
    expires_on: date | None = None
    vests_at: datetime | None = None
    campaign: str | None = None
    rule: str | None = None


@dataclass(frozen=True, kw_only=True)
class Earn(Command):
    """Issue `points`, or what `amount_minor` of `currency` earns at the partner's rate, or `awards`; one of the three.

    The first two are one award of the partner's. With `due_at` the points are pending until then. Points of an issuer
    beyond its exposure limit may be pending until they are funded (coalition.unfunded). Beside awards, 1 to
    MOST_AWARDS, an amount only says how much of them a return of a part of the purchase takes back. Debts of the wallet
    are repaid first. Event `points.earned`. Refusals: no_earning_rate, vests_out_of_range, expires_out_of_range.
    """

    kind = "earn"
    member_id: UUID
    points: int | None = None
    amount_minor: int | None = None
    currency: str | None = None
    due_at: datetime | None = None
    awards: tuple[Award, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Burn(Command):
    """Spend `points`, first-expiring lots first and of one expiry the first made, whoever issued them.

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
    lot of their own for the programme's days of grace. Of an earn's awards the last go first; an award's points leave
    its own lot first, then its issuer's other lots, last issued first, and never exceed what the issuer issued to the
    member and has not taken back; what is spent already the programme's policy decides. Where that lets the wallet owe
    it, only a partner that `may_owe` makes the debt; for another it is written off. Event `points.reversed`. Refusals:
    original_not_found, not_reversible, more_than_reversible, amount_not_comparable, points_spent.
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
class Part:
    """Of a return: `points` of a transaction, or what `amount_minor` of it earned, or (both None) all that is left."""

    original_id: UUID
    points: int | None = None
    amount_minor: int | None = None
    currency: str | None = None


@dataclass(frozen=True, kw_only=True)
class Return(Command):
    """Reverse the transactions of one purchase, all or none: what it spent comes back, what it earned is taken back.

    `parts` are 1 to MOST_REVERSED transactions of one member; one that stands there twice is reversed once. The
    reference names all of them, so with others it is reference_reused. Event `points.reversed` for each. Refusals:
    several_members, and those of a reversal, with the `transaction_id` of the part.
    """

    kind = "return"
    parts: tuple[Part, ...]
    may_owe: bool = True


@dataclass(frozen=True)
class Transaction:
    """One entry of a member's history; fields as in `coalition.txn`.

    `points` moved, the kind says which way. Of an earn, `debt_repaid` of them went to debts at once. Of a return,
    `shortfall` were spent already: written off, or owed from then on; `expires_on` is how long points live that came
    back after their expiry. The `*_after` are the wallet right after it. `member_seq` counts a member's transactions
    from 1 without gaps. `due_at` is when a hold lapses or an earn's points can be spent.
    """

    member_id: UUID
    member_seq: int
    transaction_id: UUID
    kind: str
    partner_id: UUID
    points: int
    shortfall: int
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
    debt_after: int
    debt_repaid: int
    hold_id: UUID | None
    due_at: datetime | None
    meta: dict[str, Any] | None
    location_id: UUID | None

    @property
    def awards(self) -> tuple[Award, ...]:
        """Of an earn that named its awards: these, each with its issuer and expiry; of another none."""
        if self.kind != "earn" or self.meta is None or "awards" not in self.meta:
            return ()
        return tuple(
            Award(
                points=said["points"],
                issuer_id=UUID(said["issuer_id"]) if "issuer_id" in said else self.partner_id,
                expires_on=date.fromisoformat(said["expires_on"]) if "expires_on" in said else self.expires_on,
                vests_at=datetime.fromisoformat(said["vests_at"]) if "vests_at" in said else self.due_at,
                campaign=said.get("campaign"),
                rule=said.get("rule"),
            )
            for said in self.meta["awards"]
        )

    @property
    def unfunded(self) -> int:
        """Of an earn: how many of its points were pending when it was posted, for their issuer was beyond its limit."""
        return int(self.meta.get("unfunded", 0)) if self.kind == "earn" and self.meta is not None else 0


_COLUMNS = {"transaction_id": "txn_id", "reverses_transaction_id": "reverses_txn_id"}  # of those named otherwise


def columns(row: str) -> str:
    """The columns of `row`, an alias of coalition.txn or `(o.txn)`, by name and in the order of Transaction's fields.

    What a later version adds to the table is not asked for, so this version goes on beside it.
    """
    return ", ".join(f"{row}.{_COLUMNS.get(each.name, each.name)}" for each in fields(Transaction))


@dataclass(frozen=True)
class Outcome:
    """What came of a posting. A refusal is stored like a success, so it is a value: raise it *after* the commit.

    Of a return, `reversals` are those of its parts in the order given, and `transaction` is the last that was posted.
    """

    replayed: bool
    transaction: Transaction | None
    refusal: CoalitionError | None
    reversals: tuple[Transaction, ...] = ()

    def unwrap(self) -> Transaction:
        """The transaction; raises the refusal."""
        if self.refusal is not None:
            raise self.refusal
        if self.transaction is None:
            raise RuntimeError("an outcome without refusal has its transaction")
        return self.transaction
