"""The member who gave an app its consent: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from coalition_client.models.members import AwardShown


@dataclass(frozen=True, kw_only=True)
class MyTransaction:
    """One transaction of the member, at any partner."""

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
    # The partner's name for members
    brand: str
