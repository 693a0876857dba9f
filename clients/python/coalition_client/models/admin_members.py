"""Members, for the coalition's staff: the values. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from coalition_client.values import Answer


@dataclass(frozen=True, kw_only=True)
class FoundMember:
    """The member and the balances of the wallet."""

    # The coalition's own id of the member. Each partner has a different one.
    member_id: str
    # The partner that enrolled the member
    partner_id: str | None
    partner_code: str | None
    enrolled_at: datetime
    erased_at: datetime | None
    # Whether the member gave proof anywhere other than at the partner that enrolled it
    is_claimed: bool
    state: str
    merged_into: str | None
    available: int
    held: int
    pending: int
    debt: int
    # How many holds are open
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
    """One of a member's identifiers, masked. `partner_id` is the partner an external id belongs to."""

    identifier_id: str
    kind: str
    masked: str
    partner_id: str | None
    partner_code: str | None
    created_at: datetime | None
    verified_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class DeskTransaction:
    """One of the newest transactions of the wallet."""

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
    """A member with masked identifiers, open holds and the newest transactions."""

    # The coalition's own id of the member. Each partner has a different one.
    member_id: str
    # The partner that enrolled the member
    partner_id: str | None
    partner_code: str | None
    enrolled_at: datetime
    erased_at: datetime | None
    # Whether the member gave proof anywhere other than at the partner that enrolled it
    is_claimed: bool
    state: str
    merged_into: str | None
    available: int
    held: int
    pending: int
    debt: int
    # How many holds are open
    transactions: int
    has_pin: bool
    has_code: bool
    locked_until: datetime | None
    identifiers: tuple[DeskIdentifier, ...]
    holds: tuple[DeskHold, ...]
    newest: tuple[DeskTransaction, ...]


@dataclass(frozen=True, kw_only=True)
class BalancePart:
    """Part of a balance: lots with one issuer and one expiry, a hold, pending points, or a debt."""

    points: int
    # The partner that issued the points, holds them, or is owed them
    partner_id: str | None
    partner_code: str | None
    lots: int | None
    expires_on: date | None
    vests_at: datetime | None
    # Whether they wait until their issuer is below its exposure limit
    is_unfunded: bool | None
    expires_at: datetime | None
    campaign: str | None
    hold_id: str | None
    transaction_id: str | None


@dataclass(frozen=True, kw_only=True)
class ExplainedBalance:
    """One balance of the wallet and its parts."""

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
    """What has moved so far, by kind and partner."""

    kind: str
    partner_id: str | None
    partner_code: str | None
    transactions: int
    points: int
