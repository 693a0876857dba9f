"""People who collect points: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class Member(Answer):
    """A member as partners see one."""

    # Your id of the member; other partners have others of the same
    member_id: str
    enrolled_at: datetime
    # null: the member has no card
    card_masked: str | None


@dataclass(frozen=True, kw_only=True)
class Balance(Answer):
    """What the wallet holds, and when it expires; of a past time only what it held."""

    # Your id of the member; other partners have others of the same
    member_id: str
    # can be spent now
    available: int
    # set aside for purchases in progress
    held: int
    # earned, not to be spent yet
    pending: int
    # taken out of what is earned next
    owed: int
    # of what is available, issued by you
    issued_by_partner: int | None = None
    # of it, issued by other partners
    issued_by_others: int | None = None
    expiring: tuple[Expiring, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Expiring:
    """Points that can be spent up to the day before `expires_on`."""

    expires_on: date
    points: int


@dataclass(frozen=True, kw_only=True)
class Transaction(Answer):
    """One entry of a member's history."""

    transaction_id: str
    kind: str
    # Your id of the member; other partners have others of the same
    member_id: str
    partner_id: str
    # moved; the kind gives the direction
    points: int
    # of an earn: what went to debts at once
    repaid: int
    # of a return: spent already, written off or owed
    uncovered: int
    available_after: int
    held_after: int
    pending_after: int
    owed_after: int
    # the hold that is opened or ended
    hold_id: str | None
    # when the hold lapses, or the points can be spent
    due_at: datetime | None
    reference: str
    reverses_transaction_id: str | None
    amount_minor: int | None
    currency: str | None
    # a decimal, as text
    points_per_unit: str | None
    minor_per_unit: int | None
    expires_on: date | None
    effective_at: datetime
    booked_at: datetime
    business_date: date
    original_business_date: date
    member_seq: int
