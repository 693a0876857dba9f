"""Brands of partners, for the admin: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class Brand(Answer):
    """A brand."""

    brand_id: str
    partner_id: str
    name: str
    created_at: datetime
    ended_at: datetime | None
