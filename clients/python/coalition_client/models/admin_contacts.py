"""Contacts, for the admin: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class Contact(Answer):
    """A contact."""

    contact_id: str
    partner_id: str
    role: str
    name: str
    email: str
    phone: str | None
    created_at: datetime
    ended_at: datetime | None
