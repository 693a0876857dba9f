"""Tills, for the admin: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class Till(Answer):
    """A till."""

    till_id: str
    location_id: str
    code: str
    status: str
    created_at: datetime
