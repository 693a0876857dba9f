"""Staff, for the admin: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class Person(Answer):
    """A person who works for a partner or, without a partner, for the coalition."""

    staff_id: str
    partner_id: str | None
    email: str
    name: str
    role: str
    created_at: datetime
    ended_at: datetime | None
