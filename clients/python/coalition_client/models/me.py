"""The member who gave an app its consent: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, kw_only=True)
class MyTransaction:
    """One entry of the member's own history, at whichever partner."""

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
    # what the member knows the partner by
    brand: str
