"""What events tell. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class MemberBlocked:
    """A member you enrolled was blocked."""

    member_id: str
    partner_id: str


@dataclass(frozen=True, kw_only=True)
class MemberEnrolled:
    """You enrolled a member."""

    member_id: str
    partner_id: str
    card_masked: str | None


@dataclass(frozen=True, kw_only=True)
class MemberErased:
    """A member you enrolled was erased."""

    member_id: str
    partner_id: str


@dataclass(frozen=True, kw_only=True)
class MemberUnblocked:
    """A member you enrolled was unblocked."""

    member_id: str
    partner_id: str


@dataclass(frozen=True, kw_only=True)
class PartnerStatusChanged:
    """Your account was activated, suspended or resumed, or you leave."""

    partner_id: str
    previous_status: str
    partner_status: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class PointsAdjusted:
    """A wallet was corrected in your name."""

    transaction_id: str
    member_id: str
    partner_id: str
    points: int
    available_after: int
    reference: str
    effective_at: datetime
    business_date: date
    member_seq: int
    kind: str
    held_after: int
    hold_id: str | None
    expires_at: datetime | None
    reverses_transaction_id: str | None
    uncovered: int
    repaid: int


@dataclass(frozen=True, kw_only=True)
class PointsBurned:
    """A member spent points at your place."""

    transaction_id: str
    member_id: str
    partner_id: str
    points: int
    available_after: int
    reference: str
    effective_at: datetime
    business_date: date
    member_seq: int


@dataclass(frozen=True, kw_only=True)
class PointsCaptured:
    """You took points you held."""

    transaction_id: str
    member_id: str
    partner_id: str
    points: int
    available_after: int
    reference: str
    effective_at: datetime
    business_date: date
    member_seq: int
    kind: str
    held_after: int
    hold_id: str | None
    expires_at: datetime | None
    reverses_transaction_id: str | None
    uncovered: int
    repaid: int


@dataclass(frozen=True, kw_only=True)
class PointsEarned:
    """You issued points."""

    transaction_id: str
    member_id: str
    partner_id: str
    points: int
    available_after: int
    reference: str
    effective_at: datetime
    business_date: date
    member_seq: int
    expires_on: date
    vests_at: datetime | None
    repaid: int


@dataclass(frozen=True, kw_only=True)
class PointsExpired:
    """Points you issued expired unspent."""

    transaction_id: str
    member_id: str
    partner_id: str
    points: int
    available_after: int
    reference: str
    effective_at: datetime
    business_date: date
    member_seq: int
    kind: str
    held_after: int
    hold_id: str | None
    expires_at: datetime | None
    reverses_transaction_id: str | None
    uncovered: int
    repaid: int


@dataclass(frozen=True, kw_only=True)
class PointsExpiring:
    """Points you issued will expire soon."""

    member_id: str
    partner_id: str
    points: int
    expires_on: date


@dataclass(frozen=True, kw_only=True)
class PointsHeld:
    """Points were set aside for a purchase of yours."""

    transaction_id: str
    member_id: str
    partner_id: str
    points: int
    available_after: int
    reference: str
    effective_at: datetime
    business_date: date
    member_seq: int
    kind: str
    held_after: int
    hold_id: str | None
    expires_at: datetime | None
    reverses_transaction_id: str | None
    uncovered: int
    repaid: int


@dataclass(frozen=True, kw_only=True)
class PointsLapsed:
    """A hold of yours ended by itself."""

    transaction_id: str
    member_id: str
    partner_id: str
    points: int
    available_after: int
    reference: str
    effective_at: datetime
    business_date: date
    member_seq: int
    kind: str
    held_after: int
    hold_id: str | None
    expires_at: datetime | None
    reverses_transaction_id: str | None
    uncovered: int
    repaid: int


@dataclass(frozen=True, kw_only=True)
class PointsMerged:
    """A member you enrolled was merged with another."""

    transaction_id: str
    member_id: str
    partner_id: str
    points: int
    available_after: int
    reference: str
    effective_at: datetime
    business_date: date
    member_seq: int
    kind: str
    held_after: int
    hold_id: str | None
    expires_at: datetime | None
    reverses_transaction_id: str | None
    uncovered: int
    repaid: int


@dataclass(frozen=True, kw_only=True)
class PointsReleased:
    """You gave points back that you held."""

    transaction_id: str
    member_id: str
    partner_id: str
    points: int
    available_after: int
    reference: str
    effective_at: datetime
    business_date: date
    member_seq: int
    kind: str
    held_after: int
    hold_id: str | None
    expires_at: datetime | None
    reverses_transaction_id: str | None
    uncovered: int
    repaid: int


@dataclass(frozen=True, kw_only=True)
class PointsReversed:
    """You reversed an earn, a burn or a capture, or clawed points back."""

    transaction_id: str
    member_id: str
    partner_id: str
    points: int
    available_after: int
    reference: str
    effective_at: datetime
    business_date: date
    member_seq: int
    kind: str
    held_after: int
    hold_id: str | None
    expires_at: datetime | None
    reverses_transaction_id: str | None
    uncovered: int
    repaid: int


@dataclass(frozen=True, kw_only=True)
class PointsVested:
    """Points you issued can be spent now."""

    transaction_id: str
    member_id: str
    partner_id: str
    points: int
    available_after: int
    reference: str
    effective_at: datetime
    business_date: date
    member_seq: int
    kind: str
    held_after: int
    hold_id: str | None
    expires_at: datetime | None
    reverses_transaction_id: str | None
    uncovered: int
    repaid: int


@dataclass(frozen=True, kw_only=True)
class SettlementStatementReady:
    """Your statement of a business day is ready."""

    statement_id: str
    partner_id: str
    day: date
    content_hash: str
    net: tuple[Mapping[str, Any], ...]


# The class of an event's data, by its type and version.
OF_TYPE: dict[tuple[str, int], type[Any]] = {
    ("member.blocked", 1): MemberBlocked,
    ("member.enrolled", 1): MemberEnrolled,
    ("member.erased", 1): MemberErased,
    ("member.unblocked", 1): MemberUnblocked,
    ("partner.status_changed", 1): PartnerStatusChanged,
    ("points.adjusted", 1): PointsAdjusted,
    ("points.burned", 1): PointsBurned,
    ("points.captured", 1): PointsCaptured,
    ("points.earned", 1): PointsEarned,
    ("points.expired", 1): PointsExpired,
    ("points.expiring", 1): PointsExpiring,
    ("points.held", 1): PointsHeld,
    ("points.lapsed", 1): PointsLapsed,
    ("points.merged", 1): PointsMerged,
    ("points.released", 1): PointsReleased,
    ("points.reversed", 1): PointsReversed,
    ("points.vested", 1): PointsVested,
    ("settlement.statement_ready", 1): SettlementStatementReady,
}
