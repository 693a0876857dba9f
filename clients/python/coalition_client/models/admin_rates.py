"""Earning rates, for the admin: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class Rate(Answer):
    """From `since` until the day before `until`, `minor_per_unit` minor units earn `points_per_unit` points."""

    rate_id: str
    partner_id: str
    # Points, as a decimal with up to 8 places
    points_per_unit: str
    minor_per_unit: int
    currency: str
    since: date | None
    until: date | None
