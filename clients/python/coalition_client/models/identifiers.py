"""What you find members by: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class KeptIdentifier(Answer):
    """One of a member's identifiers, masked."""

    identifier_id: str
    kind: str
    masked: str
    verified_at: datetime | None
    created_at: datetime | None
