"""Members, for the coalition's desk: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class FoundMember:
    """Who it is, and what the wallet holds."""

    # our own id; each partner has another
    member_id: str
    # who enrolled it
    partner_id: str | None
    partner_code: str | None
    enrolled_at: datetime
    erased_at: datetime | None
    # it proved itself elsewhere than where it was enrolled
    is_claimed: bool
    state: str
    merged_into: str | None
    available: int
    held: int
    pending: int
    owed: int
    # how many there are
    transactions: int
    has_pin: bool
    has_code: bool
    locked_until: datetime | None


@dataclass(frozen=True, kw_only=True)
class DeskHold:
    """Points on hold."""

    hold_id: str
    partner_id: str | None
    partner_code: str | None
    points: int
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class DeskIdentifier:
    """One of a member's identifiers, masked; `partner_id` is whose external id it is."""

    identifier_id: str
    kind: str
    masked: str
    partner_id: str | None
    partner_code: str | None
    created_at: datetime | None
    verified_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class DeskTransaction:
    """One of the newest entries of the wallet."""

    transaction_id: str
    kind: str
    partner_id: str | None
    partner_code: str | None
    points: int
    available_after: int
    reference: str
    business_date: date
    booked_at: datetime


@dataclass(frozen=True, kw_only=True)
class ShownMember(Answer):
    """A member with its masked identifiers, open holds and newest transactions."""

    # our own id; each partner has another
    member_id: str
    # who enrolled it
    partner_id: str | None
    partner_code: str | None
    enrolled_at: datetime
    erased_at: datetime | None
    # it proved itself elsewhere than where it was enrolled
    is_claimed: bool
    state: str
    merged_into: str | None
    available: int
    held: int
    pending: int
    owed: int
    # how many there are
    transactions: int
    has_pin: bool
    has_code: bool
    locked_until: datetime | None
    identifiers: tuple[DeskIdentifier, ...]
    holds: tuple[DeskHold, ...]
    newest: tuple[DeskTransaction, ...]


@dataclass(frozen=True, kw_only=True)
class BalancePart:
    """Part of a balance: lots of one issuer and expiry, a hold, points that vest, or a debt."""

    points: int
    # who issued it, holds it, or is owed it
    partner_id: str | None
    partner_code: str | None
    lots: int | None
    expires_on: date | None
    vests_at: datetime | None
    expires_at: datetime | None
    hold_id: str | None
    transaction_id: str | None


@dataclass(frozen=True, kw_only=True)
class ExplainedBalance:
    """One of the wallet's balances and what it is made of."""

    name: str
    points: int
    adds_up: bool
    parts: tuple[BalancePart, ...]


@dataclass(frozen=True, kw_only=True)
class ExplainedMember(Answer):
    """Where a member's points come from."""

    member_id: str
    balances: tuple[ExplainedBalance, ...]
    moved: tuple[Moved, ...]


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What moved so far, by kind and partner."""

    kind: str
    partner_id: str | None
    partner_code: str | None
    transactions: int
    points: int
