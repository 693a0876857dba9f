"""What events tell. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class MemberBlocked:
    """A member you enrolled was blocked."""

    # The member, by the id that only you know it by. Once the member is erased, the id belongs to nobody.
    member_id: str
    # The partner that the event concerns: you.
    partner_id: str


@dataclass(frozen=True, kw_only=True)
class MemberEnrolled:
    """You enrolled a member."""

    # The member, by the id that only you know it by. Once the member is erased, the id belongs to nobody.
    member_id: str
    # The partner that the event concerns: you.
    partner_id: str
    # The member's card with only its last four digits. Null if the member has no card, or is erased.
    card_masked: str | None


@dataclass(frozen=True, kw_only=True)
class MemberErased:
    """A member you enrolled was erased."""

    # The member, by the id that only you know it by. Once the member is erased, the id belongs to nobody.
    member_id: str
    # The partner that the event concerns: you.
    partner_id: str


@dataclass(frozen=True, kw_only=True)
class MemberUnblocked:
    """A member you enrolled was unblocked."""

    # The member, by the id that only you know it by. Once the member is erased, the id belongs to nobody.
    member_id: str
    # The partner that the event concerns: you.
    partner_id: str


@dataclass(frozen=True, kw_only=True)
class PartnerStatusChanged:
    """Your account was activated, suspended or resumed, or you are leaving."""

    # The partner that the event concerns: you.
    partner_id: str
    # Your status until now.
    previous_status: str
    # Your status from now on.
    partner_status: str
    # Why the coalition changed it.
    reason: str


@dataclass(frozen=True, kw_only=True)
class PointsAdjusted:
    """The coalition adjusted a wallet in your name."""

    # The transaction that the event tells of.
    transaction_id: str
    # The member, by the id that only you know it by. Once the member is erased, the id belongs to nobody.
    member_id: str
    # The partner that the event concerns: you.
    partner_id: str
    # How many points the event is about.
    points: int
    # How many points the member can spend right after the transaction.
    available_after: int
    # Your own name for the transaction, such as a receipt number. Ours, where we post it.
    reference: str
    # When the purchase or return happened.
    effective_at: datetime
    # The business day that the transaction is booked on.
    business_date: date
    # The number of the transaction among all of the member's, from 1. Use it to put events into order.
    member_seq: int
    # The kind of transaction, such as `capture`.
    kind: str
    # How many of the member's points are on hold right after the transaction.
    held_after: int
    # The hold that the transaction belongs to. Null if it belongs to none.
    hold_id: str | None
    # When the hold lapses. Null if the transaction is no hold.
    expires_at: datetime | None
    # The transaction that this one reverses, in whole or in part. Null if none.
    reverses_transaction_id: str | None
    # How many points the transaction could not take back because the member had spent them.
    shortfall: int
    # How many of the points repay a debt of the member.
    debt_repaid: int


@dataclass(frozen=True, kw_only=True)
class PointsBurned:
    """A member spent points with you."""

    # The transaction that the event tells of.
    transaction_id: str
    # The member, by the id that only you know it by. Once the member is erased, the id belongs to nobody.
    member_id: str
    # The partner that the event concerns: you.
    partner_id: str
    # How many points the event is about.
    points: int
    # How many points the member can spend right after the transaction.
    available_after: int
    # Your own name for the transaction, such as a receipt number. Ours, where we post it.
    reference: str
    # When the purchase or return happened.
    effective_at: datetime
    # The business day that the transaction is booked on.
    business_date: date
    # The number of the transaction among all of the member's, from 1. Use it to put events into order.
    member_seq: int
    # Your location where it was made, if it is known.
    location: str | None = None


@dataclass(frozen=True, kw_only=True)
class PointsCaptured:
    """You captured points that you held."""

    # The transaction that the event tells of.
    transaction_id: str
    # The member, by the id that only you know it by. Once the member is erased, the id belongs to nobody.
    member_id: str
    # The partner that the event concerns: you.
    partner_id: str
    # How many points the event is about.
    points: int
    # How many points the member can spend right after the transaction.
    available_after: int
    # Your own name for the transaction, such as a receipt number. Ours, where we post it.
    reference: str
    # When the purchase or return happened.
    effective_at: datetime
    # The business day that the transaction is booked on.
    business_date: date
    # The number of the transaction among all of the member's, from 1. Use it to put events into order.
    member_seq: int
    # The kind of transaction, such as `capture`.
    kind: str
    # How many of the member's points are on hold right after the transaction.
    held_after: int
    # The hold that the transaction belongs to. Null if it belongs to none.
    hold_id: str | None
    # When the hold lapses. Null if the transaction is no hold.
    expires_at: datetime | None
    # The transaction that this one reverses, in whole or in part. Null if none.
    reverses_transaction_id: str | None
    # How many points the transaction could not take back because the member had spent them.
    shortfall: int
    # How many of the points repay a debt of the member.
    debt_repaid: int
    # Your location where it was made, if it is known.
    location: str | None = None


@dataclass(frozen=True, kw_only=True)
class PointsEarned:
    """You issued points."""

    # The transaction that the event tells of.
    transaction_id: str
    # The member, by the id that only you know it by. Once the member is erased, the id belongs to nobody.
    member_id: str
    # The partner that the event concerns: you.
    partner_id: str
    # How many points the event is about.
    points: int
    # How many points the member can spend right after the transaction.
    available_after: int
    # Your own name for the transaction, such as a receipt number. Ours, where we post it.
    reference: str
    # When the purchase or return happened.
    effective_at: datetime
    # The business day that the transaction is booked on.
    business_date: date
    # The number of the transaction among all of the member's, from 1. Use it to put events into order.
    member_seq: int
    # The day from which the points can no longer be spent.
    expires_on: date
    # When the member can spend the points. Null if at once.
    vests_at: datetime | None
    # How many of the points repay a debt of the member.
    debt_repaid: int
    # The awards that make up the points, where the earn names them.
    awards: tuple[Mapping[str, Any], ...] | None = None
    # How many of the points are pending until they are funded, for their issuer is beyond its exposure limit.
    unfunded: int | None = None
    # Your location where it was made, if it is known.
    location: str | None = None


@dataclass(frozen=True, kw_only=True)
class PointsExpired:
    """Points you issued expired unspent."""

    # The transaction that the event tells of.
    transaction_id: str
    # The member, by the id that only you know it by. Once the member is erased, the id belongs to nobody.
    member_id: str
    # The partner that the event concerns: you.
    partner_id: str
    # How many points the event is about.
    points: int
    # How many points the member can spend right after the transaction.
    available_after: int
    # Your own name for the transaction, such as a receipt number. Ours, where we post it.
    reference: str
    # When the purchase or return happened.
    effective_at: datetime
    # The business day that the transaction is booked on.
    business_date: date
    # The number of the transaction among all of the member's, from 1. Use it to put events into order.
    member_seq: int
    # The kind of transaction, such as `capture`.
    kind: str
    # How many of the member's points are on hold right after the transaction.
    held_after: int
    # The hold that the transaction belongs to. Null if it belongs to none.
    hold_id: str | None
    # When the hold lapses. Null if the transaction is no hold.
    expires_at: datetime | None
    # The transaction that this one reverses, in whole or in part. Null if none.
    reverses_transaction_id: str | None
    # How many points the transaction could not take back because the member had spent them.
    shortfall: int
    # How many of the points repay a debt of the member.
    debt_repaid: int


@dataclass(frozen=True, kw_only=True)
class PointsExpiring:
    """Points you issued will expire soon."""

    # The member, by the id that only you know it by. Once the member is erased, the id belongs to nobody.
    member_id: str
    # The partner that the event concerns: you.
    partner_id: str
    # How many points the event is about.
    points: int
    # The day from which the points can no longer be spent.
    expires_on: date


@dataclass(frozen=True, kw_only=True)
class PointsFunded:
    """Points you issued beyond your exposure limit are funded and were released."""

    # The transaction that the event tells of.
    transaction_id: str
    # The member, by the id that only you know it by. Once the member is erased, the id belongs to nobody.
    member_id: str
    # The partner that the event concerns: you.
    partner_id: str
    # How many points the event is about.
    points: int
    # How many points the member can spend right after the transaction.
    available_after: int
    # Your own name for the transaction, such as a receipt number. Ours, where we post it.
    reference: str
    # When the purchase or return happened.
    effective_at: datetime
    # The business day that the transaction is booked on.
    business_date: date
    # The number of the transaction among all of the member's, from 1. Use it to put events into order.
    member_seq: int
    # The kind of transaction, such as `capture`.
    kind: str
    # How many of the member's points are on hold right after the transaction.
    held_after: int
    # The hold that the transaction belongs to. Null if it belongs to none.
    hold_id: str | None
    # When the hold lapses. Null if the transaction is no hold.
    expires_at: datetime | None
    # The transaction that this one reverses, in whole or in part. Null if none.
    reverses_transaction_id: str | None
    # How many points the transaction could not take back because the member had spent them.
    shortfall: int
    # How many of the points repay a debt of the member.
    debt_repaid: int
    # Your location where it was made, if it is known.
    location: str | None = None


@dataclass(frozen=True, kw_only=True)
class PointsHeld:
    """You set points aside for a purchase."""

    # The transaction that the event tells of.
    transaction_id: str
    # The member, by the id that only you know it by. Once the member is erased, the id belongs to nobody.
    member_id: str
    # The partner that the event concerns: you.
    partner_id: str
    # How many points the event is about.
    points: int
    # How many points the member can spend right after the transaction.
    available_after: int
    # Your own name for the transaction, such as a receipt number. Ours, where we post it.
    reference: str
    # When the purchase or return happened.
    effective_at: datetime
    # The business day that the transaction is booked on.
    business_date: date
    # The number of the transaction among all of the member's, from 1. Use it to put events into order.
    member_seq: int
    # The kind of transaction, such as `capture`.
    kind: str
    # How many of the member's points are on hold right after the transaction.
    held_after: int
    # The hold that the transaction belongs to. Null if it belongs to none.
    hold_id: str | None
    # When the hold lapses. Null if the transaction is no hold.
    expires_at: datetime | None
    # The transaction that this one reverses, in whole or in part. Null if none.
    reverses_transaction_id: str | None
    # How many points the transaction could not take back because the member had spent them.
    shortfall: int
    # How many of the points repay a debt of the member.
    debt_repaid: int
    # Your location where it was made, if it is known.
    location: str | None = None


@dataclass(frozen=True, kw_only=True)
class PointsLapsed:
    """One of your holds lapsed."""

    # The transaction that the event tells of.
    transaction_id: str
    # The member, by the id that only you know it by. Once the member is erased, the id belongs to nobody.
    member_id: str
    # The partner that the event concerns: you.
    partner_id: str
    # How many points the event is about.
    points: int
    # How many points the member can spend right after the transaction.
    available_after: int
    # Your own name for the transaction, such as a receipt number. Ours, where we post it.
    reference: str
    # When the purchase or return happened.
    effective_at: datetime
    # The business day that the transaction is booked on.
    business_date: date
    # The number of the transaction among all of the member's, from 1. Use it to put events into order.
    member_seq: int
    # The kind of transaction, such as `capture`.
    kind: str
    # How many of the member's points are on hold right after the transaction.
    held_after: int
    # The hold that the transaction belongs to. Null if it belongs to none.
    hold_id: str | None
    # When the hold lapses. Null if the transaction is no hold.
    expires_at: datetime | None
    # The transaction that this one reverses, in whole or in part. Null if none.
    reverses_transaction_id: str | None
    # How many points the transaction could not take back because the member had spent them.
    shortfall: int
    # How many of the points repay a debt of the member.
    debt_repaid: int
    # Your location where it was made, if it is known.
    location: str | None = None


@dataclass(frozen=True, kw_only=True)
class PointsMerged:
    """A member you enrolled was merged into another member."""

    # The transaction that the event tells of.
    transaction_id: str
    # The member, by the id that only you know it by. Once the member is erased, the id belongs to nobody.
    member_id: str
    # The partner that the event concerns: you.
    partner_id: str
    # How many points the event is about.
    points: int
    # How many points the member can spend right after the transaction.
    available_after: int
    # Your own name for the transaction, such as a receipt number. Ours, where we post it.
    reference: str
    # When the purchase or return happened.
    effective_at: datetime
    # The business day that the transaction is booked on.
    business_date: date
    # The number of the transaction among all of the member's, from 1. Use it to put events into order.
    member_seq: int
    # The kind of transaction, such as `capture`.
    kind: str
    # How many of the member's points are on hold right after the transaction.
    held_after: int
    # The hold that the transaction belongs to. Null if it belongs to none.
    hold_id: str | None
    # When the hold lapses. Null if the transaction is no hold.
    expires_at: datetime | None
    # The transaction that this one reverses, in whole or in part. Null if none.
    reverses_transaction_id: str | None
    # How many points the transaction could not take back because the member had spent them.
    shortfall: int
    # How many of the points repay a debt of the member.
    debt_repaid: int


@dataclass(frozen=True, kw_only=True)
class PointsReleased:
    """You voided a hold."""

    # The transaction that the event tells of.
    transaction_id: str
    # The member, by the id that only you know it by. Once the member is erased, the id belongs to nobody.
    member_id: str
    # The partner that the event concerns: you.
    partner_id: str
    # How many points the event is about.
    points: int
    # How many points the member can spend right after the transaction.
    available_after: int
    # Your own name for the transaction, such as a receipt number. Ours, where we post it.
    reference: str
    # When the purchase or return happened.
    effective_at: datetime
    # The business day that the transaction is booked on.
    business_date: date
    # The number of the transaction among all of the member's, from 1. Use it to put events into order.
    member_seq: int
    # The kind of transaction, such as `capture`.
    kind: str
    # How many of the member's points are on hold right after the transaction.
    held_after: int
    # The hold that the transaction belongs to. Null if it belongs to none.
    hold_id: str | None
    # When the hold lapses. Null if the transaction is no hold.
    expires_at: datetime | None
    # The transaction that this one reverses, in whole or in part. Null if none.
    reverses_transaction_id: str | None
    # How many points the transaction could not take back because the member had spent them.
    shortfall: int
    # How many of the points repay a debt of the member.
    debt_repaid: int
    # Your location where it was made, if it is known.
    location: str | None = None


@dataclass(frozen=True, kw_only=True)
class PointsReversed:
    """You reversed an earn, a burn or a capture, or clawed back points."""

    # The transaction that the event tells of.
    transaction_id: str
    # The member, by the id that only you know it by. Once the member is erased, the id belongs to nobody.
    member_id: str
    # The partner that the event concerns: you.
    partner_id: str
    # How many points the event is about.
    points: int
    # How many points the member can spend right after the transaction.
    available_after: int
    # Your own name for the transaction, such as a receipt number. Ours, where we post it.
    reference: str
    # When the purchase or return happened.
    effective_at: datetime
    # The business day that the transaction is booked on.
    business_date: date
    # The number of the transaction among all of the member's, from 1. Use it to put events into order.
    member_seq: int
    # The kind of transaction, such as `capture`.
    kind: str
    # How many of the member's points are on hold right after the transaction.
    held_after: int
    # The hold that the transaction belongs to. Null if it belongs to none.
    hold_id: str | None
    # When the hold lapses. Null if the transaction is no hold.
    expires_at: datetime | None
    # The transaction that this one reverses, in whole or in part. Null if none.
    reverses_transaction_id: str | None
    # How many points the transaction could not take back because the member had spent them.
    shortfall: int
    # How many of the points repay a debt of the member.
    debt_repaid: int
    # Your location where it was made, if it is known.
    location: str | None = None


@dataclass(frozen=True, kw_only=True)
class PointsVested:
    """Points you issued have vested and can be spent."""

    # The transaction that the event tells of.
    transaction_id: str
    # The member, by the id that only you know it by. Once the member is erased, the id belongs to nobody.
    member_id: str
    # The partner that the event concerns: you.
    partner_id: str
    # How many points the event is about.
    points: int
    # How many points the member can spend right after the transaction.
    available_after: int
    # Your own name for the transaction, such as a receipt number. Ours, where we post it.
    reference: str
    # When the purchase or return happened.
    effective_at: datetime
    # The business day that the transaction is booked on.
    business_date: date
    # The number of the transaction among all of the member's, from 1. Use it to put events into order.
    member_seq: int
    # The kind of transaction, such as `capture`.
    kind: str
    # How many of the member's points are on hold right after the transaction.
    held_after: int
    # The hold that the transaction belongs to. Null if it belongs to none.
    hold_id: str | None
    # When the hold lapses. Null if the transaction is no hold.
    expires_at: datetime | None
    # The transaction that this one reverses, in whole or in part. Null if none.
    reverses_transaction_id: str | None
    # How many points the transaction could not take back because the member had spent them.
    shortfall: int
    # How many of the points repay a debt of the member.
    debt_repaid: int


@dataclass(frozen=True, kw_only=True)
class SettlementDisputeRaised:
    """A line that was settled between you and another party is disputed. It leaves the net for now."""

    # The dispute. Fetch it by this id.
    dispute_id: str
    # The partner that the event concerns: you.
    partner_id: str
    # Who disputes the line: a partner's code, or `coalition`.
    raised_by: str
    # Who pays: a partner's code, or `coalition`.
    payer: str
    # Who is paid: a partner's code, or `coalition`.
    payee: str
    # The currency of the amounts (ISO 4217).
    currency: str
    # What the payer owed the payee for the line, in minor units. Negative where the payee gave something back.
    disputed_minor: int
    # The business day that the line belongs to.
    settled_on: date


@dataclass(frozen=True, kw_only=True)
class SettlementDisputeResolved:
    """The coalition decided a dispute of yours. What is owed after all comes back into the net."""

    # The dispute. Fetch it by this id.
    dispute_id: str
    # The partner that the event concerns: you.
    partner_id: str
    # Who disputes the line: a partner's code, or `coalition`.
    raised_by: str
    # Who pays: a partner's code, or `coalition`.
    payer: str
    # Who is paid: a partner's code, or `coalition`.
    payee: str
    # The currency of the amounts (ISO 4217).
    currency: str
    # What the payer owed the payee for the line, in minor units. Negative where the payee gave something back.
    disputed_minor: int
    # The business day that the line belongs to.
    settled_on: date
    # `upheld`: the line is not owed. `rejected`: it is owed after all. `part`: a part of it is.
    outcome: str
    # What of the line is owed after all, in minor units: it is settled again.
    back_minor: int


@dataclass(frozen=True, kw_only=True)
class SettlementExposureExceeded:
    """What you owe and did not fund yet reached your limit. The coalition may refuse your earns until you pay."""

    # The partner that the event concerns: you.
    partner_id: str
    # The currency of the amounts (ISO 4217).
    currency: str
    # What you owe for points that neither a payment nor your deposit covers, in minor units.
    exposure_minor: int
    # The limit that your agreement sets for it, in minor units.
    exposure_limit_minor: int


@dataclass(frozen=True, kw_only=True)
class SettlementExposureWarning:
    """What you owe and did not fund yet reached 80 % of your limit."""

    # The partner that the event concerns: you.
    partner_id: str
    # The currency of the amounts (ISO 4217).
    currency: str
    # What you owe for points that neither a payment nor your deposit covers, in minor units.
    exposure_minor: int
    # The limit that your agreement sets for it, in minor units.
    exposure_limit_minor: int


@dataclass(frozen=True, kw_only=True)
class SettlementPaymentCovered:
    """The coalition pays a settlement payment in the place of its payer, which is in default."""

    # The payment.
    payment_id: str
    # The partner that the event concerns: you.
    partner_id: str
    # Who pays: a partner's code, or `coalition`.
    payer: str
    # Who is paid: a partner's code, or `coalition`.
    payee: str
    # The currency of the amounts (ISO 4217).
    currency: str
    # The amount in minor units, such as pence.
    amount_minor: int
    # The first business day that is settled.
    first_day: date
    # The last business day that is settled.
    last_day: date
    # What the payment is called at banks. Give it as the end-to-end id or in the remittance information.
    payment_reference: str


@dataclass(frozen=True, kw_only=True)
class SettlementPaymentDue:
    """A settlement that you pay or receive money for was approved."""

    # The payment.
    payment_id: str
    # The partner that the event concerns: you.
    partner_id: str
    # Who pays: a partner's code, or `coalition`.
    payer: str
    # Who is paid: a partner's code, or `coalition`.
    payee: str
    # The currency of the amounts (ISO 4217).
    currency: str
    # The amount in minor units, such as pence.
    amount_minor: int
    # The first business day that is settled.
    first_day: date
    # The last business day that is settled.
    last_day: date
    # What the payment is called at banks. Give it as the end-to-end id or in the remittance information.
    payment_reference: str


@dataclass(frozen=True, kw_only=True)
class SettlementStatementReady:
    """Your statement of a business day, a week or a month is ready."""

    # The statement. Fetch it by this id.
    statement_id: str
    # The partner that the event concerns: you.
    partner_id: str
    # Whether it is of a day, of a week (from Monday) or of a calendar month.
    cycle: str
    # The first business day that is settled.
    first_day: date
    # The last business day that is settled.
    last_day: date
    # The last business day that the statement covers.
    day: date
    # The SHA-256 of the statement's content, in hex.
    content_hash: str
    # What you are owed (positive) or owe (negative), one amount for each currency.
    net: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, kw_only=True)
class WebhookEndpointDisabled:
    """We disabled one of your endpoints. We keep its events and send them once you enable it."""

    # The webhook endpoint that the event is about.
    endpoint_id: str
    # `gone`: the endpoint answered 410. `failing`: it did not accept an event for too long.
    reason: str


@dataclass(frozen=True, kw_only=True)
class WebhookEndpointFailing:
    """One of your endpoints does not accept events. We will disable it."""

    # The webhook endpoint that the event is about.
    endpoint_id: str
    # When the first of the failed attempts was made.
    failing_since: datetime
    # How much of the time until we disable the endpoint has passed, in per cent.
    percent: int
    # When we disable the endpoint if it does not accept an event before.
    disabled_at: datetime


@dataclass(frozen=True, kw_only=True)
class WebhookEndpointRecovered:
    """One of your endpoints accepts events again."""

    # The webhook endpoint that the event is about.
    endpoint_id: str
    # When the first of the failed attempts was made.
    failing_since: datetime


@dataclass(frozen=True, kw_only=True)
class WebhookEndpointTest:
    """You asked for a test of an endpoint."""

    # The webhook endpoint that the event is about.
    endpoint_id: str
    # A text for whoever looks at the test.
    message: str


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
    ("points.funded", 1): PointsFunded,
    ("points.held", 1): PointsHeld,
    ("points.lapsed", 1): PointsLapsed,
    ("points.merged", 1): PointsMerged,
    ("points.released", 1): PointsReleased,
    ("points.reversed", 1): PointsReversed,
    ("points.vested", 1): PointsVested,
    ("settlement.dispute_raised", 1): SettlementDisputeRaised,
    ("settlement.dispute_resolved", 1): SettlementDisputeResolved,
    ("settlement.exposure_exceeded", 1): SettlementExposureExceeded,
    ("settlement.exposure_warning", 1): SettlementExposureWarning,
    ("settlement.payment_covered", 1): SettlementPaymentCovered,
    ("settlement.payment_due", 1): SettlementPaymentDue,
    ("settlement.statement_ready", 1): SettlementStatementReady,
    ("webhook_endpoint.disabled", 1): WebhookEndpointDisabled,
    ("webhook_endpoint.failing", 1): WebhookEndpointFailing,
    ("webhook_endpoint.recovered", 1): WebhookEndpointRecovered,
    ("webhook_endpoint.test", 1): WebhookEndpointTest,
}
