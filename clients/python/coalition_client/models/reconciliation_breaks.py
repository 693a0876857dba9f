"""What they disagree about: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, kw_only=True)
class Break:
    """What your file and the ledger disagree about. What begins with `line` is from your file."""

    break_id: str
    # `missing_here`: the ledger lacks your line. `missing_there`: your file lacks what you posted.
    type: str
    day: date
    transaction_id: str | None
    # As you know the member, if we know it
    member_id: str | None
    kind: str
    reference: str | None
    posted_on: date | None
    points: int | None
    amount_minor: int | None
    currency: str | None
    # The number of the line, from 1
    line: int | None
    line_reference: str | None
    line_day: date | None
    line_points: int | None
    line_amount_minor: int | None
    line_currency: str | None
    line_store: str | None
    # Yours less ours: points, minor units or, of a wrong day, days
    difference: int | None
    first_seen_at: datetime
    first_seen_in: str
    last_seen_in: str
    state: str
    # Why it is resolved
    reason: str | None
    resolved_at: datetime | None
    # Resolved, because a later comparison did not find it
    is_gone: bool
