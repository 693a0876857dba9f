"""Accounts of partners, for the admin: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class LegalEntity:
    """The partner's legal entity."""

    legal_name: str
    registration_no: str
    country: str


@dataclass(frozen=True, kw_only=True)
class Partner(Answer):
    """A partner's account."""

    partner_id: str
    code: str
    name: str
    status: str
    is_issuer: bool
    is_redeemer: bool
    legal_entity: LegalEntity | None
    earns_until: datetime | None
    burns_until: datetime | None
    leaves_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Readiness(Answer):
    """What the onboarding still lacks."""

    ready: bool
    # of legal_entity, brand, placement, contact, signed_agreement, and of an issuer rate, agreement
    missing: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class StateChange:
    """One change of a partner's status."""

    change_id: str
    from_status: str | None
    to_status: str
    reason: str
    made_by: str
    at: datetime
