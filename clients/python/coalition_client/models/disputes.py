"""Disputed lines of your statements: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class Dispute(Answer):
    """A disputed line: what `payer` owed `payee` for it, and what comes of it."""

    dispute_id: str
    status: str
    obligation_id: str
    line: int | None
    # The business day that the line belongs to
    settled_on: date
    kind: str
    transaction_id: str | None
    # The receipt
    reference: str | None
    # The partner's code, or `coalition` for the coalition itself
    payer: str
    # The partner's code, or `coalition` for the coalition itself
    payee: str
    currency: str
    # What the line comes to
    amount_minor: int
    # The partner's code, or `coalition` for the coalition itself
    raised_by: str
    reason: str
    raised_at: datetime
    # The business day with which the line leaves the net
    day: date
    # The other party's answer
    comment: str | None
    answered_at: datetime | None
    # `upheld`: the line is not owed. `rejected`: it is. `part`: a part of it is.
    outcome: str | None
    # What of the line is owed after all
    back_minor: int | None
    # The business day with which that comes back into the net
    resolved_on: date | None
    # Why it was decided so
    resolution: str | None
    resolved_at: datetime | None
