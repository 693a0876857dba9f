"""Signed agreements, for the admin: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class Signature(Answer):
    """A signed document, as you recorded it."""

    # Where you keep the document, or its number
    document: str
    # The SHA-256 of the document
    document_hash: str
    partner_signatory: str
    coalition_signatory: str
    signed_on: date
    signature_id: str
    partner_id: str
    recorded_at: datetime
