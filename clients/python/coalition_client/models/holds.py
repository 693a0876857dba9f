"""Purchases in progress: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class HoldShown(Answer):
    """A hold. Its id is the id of the transaction that opened it, with its own prefix."""

    hold_id: str
    # Your own id of the member. Other partners have others.
    member_id: str
    points: int
    captured: int
    status: str
    expires_at: datetime
