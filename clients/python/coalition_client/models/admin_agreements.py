"""Agreements, for the admin: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class Agreement(Answer):
    """From `since` to before `until`, what a partner pays for each of its points that another takes."""

    agreement_id: str
    partner_id: str
    # Counts the partner's agreements
    version: int
    # Minor units for each point burned elsewhere, a decimal of up to 8 places
    redemption_price_minor: str
    currency: str
    since: date | None
    until: date | None
    created_at: datetime
