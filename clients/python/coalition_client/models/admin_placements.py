"""Exclusivity: placements, for the admin: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class Placement(Answer):
    """Where a partner is present, and the clause that makes it exclusive there."""

    placement_id: str
    partner_id: str
    category_id: str
    category_path: str
    territory: str
    since: date
    until: date | None
    exclusive: bool
    clause: str | None
    created_at: datetime
