"""Purchases in progress: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class HoldShown(Answer):
    """A hold; its id is that of the transaction that opened it, with a prefix of its own."""

    hold_id: str
    # Your id of the member; other partners have others of the same
    member_id: str
    points: int
    captured: int
    status: str
    expires_at: datetime
