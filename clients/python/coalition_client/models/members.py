"""People who collect points: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class Member(Answer):
    """A member, as partners see it."""

    # Your own id of the member. Other partners have others.
    member_id: str
    enrolled_at: datetime
    # null if the member has no card
    card_masked: str | None


@dataclass(frozen=True, kw_only=True)
class Balance(Answer):
    """What the wallet holds and when it expires. For a past time, only what it held."""

    # Your own id of the member. Other partners have others.
    member_id: str
    # Points that can be spent now
    available: int
    # Points set aside for purchases in progress
    held: int
    # Points earned that cannot be spent yet
    pending: int
    # Points that we take out of what the member earns next
    debt: int
    # Available points that you issued
    issued_by_partner: int | None = None
    # Available points that others issued
    issued_by_others: int | None = None
    expiring: tuple[Expiring, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Expiring:
    """Points that the member can spend until the day before `expires_on`."""

    expires_on: date
    points: int


@dataclass(frozen=True, kw_only=True)
class AwardShown:
    """An award of an earn that named its awards."""

    points: int
    issuer_id: str
    expires_on: date
    vests_at: datetime | None
    campaign: str | None
    rule: str | None


@dataclass(frozen=True, kw_only=True)
class Transaction(Answer):
    """One transaction of a member."""

    transaction_id: str
    kind: str
    # Your own id of the member. Other partners have others.
    member_id: str
    partner_id: str
    # The points that moved. The kind gives the direction.
    points: int
    # For an earn: the points that paid debts at once
    debt_repaid: int
    # For a return: spent points, written off or made a debt
    shortfall: int
    available_after: int
    held_after: int
    pending_after: int
    debt_after: int
    # The hold that this opened or ended
    hold_id: str | None
    # When the hold lapses or points vest
    due_at: datetime | None
    reference: str
    reverses_transaction_id: str | None
    amount_minor: int | None
    currency: str | None
    # A decimal, as text
    points_per_unit: str | None
    minor_per_unit: int | None
    expires_on: date | None
    effective_at: datetime
    booked_at: datetime
    business_date: date
    original_business_date: date
    member_seq: int
    # Where it was made, if the partner that posted it said so
    location: str | None
    # For an earn: points pending until their issuer is below its exposure limit
    unfunded: int
    # The awards that the earn named, if any
    awards: tuple[AwardShown, ...] | None = None
