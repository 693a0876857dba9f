"""The fields of events' data: what each means, its JSON schema, how it looks, and whether it says who a member is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ID = "01h45ytscbebyvny4gc8cr8ma2"
_POINTS = {"type": "integer", "minimum": 0}
_TIME = {"type": "string", "format": "date-time"}
_DATE = {"type": "string", "format": "date"}
_TIME_OR_NULL = {"type": ["string", "null"], "format": "date-time"}
_STATUS = {"type": "string", "enum": ["onboarding", "active", "suspended", "leaving", "left"]}


@dataclass(frozen=True)
class Field:
    """One field of an event's data.

    `is_personal`: it says who a member is, so erasure makes it null, in events that were sent before, too.
    """

    name: str
    description: str
    kind: dict[str, Any]
    example: Any
    is_personal: bool = False

    @property
    def schema(self) -> dict[str, Any]:
        """Its JSON schema (draft 2020-12)."""
        marked = {"x-personal-data": True} if self.is_personal else {}
        return {"description": self.description, **self.kind, **marked}


def _id(name: str, prefix: str, description: str) -> Field:
    return Field(name, description, {"type": "string", "pattern": f"^{prefix}_"}, f"{prefix}_{ID}")


def _id_or_null(name: str, prefix: str, description: str) -> Field:
    return Field(name, description, {"type": ["string", "null"], "pattern": f"^{prefix}_"}, None)


def _list_of(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    items = {"type": "object", "required": list(required), "properties": properties}
    return {"type": "array", "items": items}


TRANSACTION_ID = _id("transaction_id", "txn", "The transaction that the event tells of.")
MEMBER_ID = _id(
    "member_id",
    "mbr",
    "The member, by the id that only you know it by. Once the member is erased, the id belongs to nobody.",
)
PARTNER_ID = _id("partner_id", "prt", "The partner that the event concerns: you.")
STATEMENT_ID = _id("statement_id", "stm", "The statement. Fetch it by this id.")
ENDPOINT_ID = _id("endpoint_id", "ep", "The webhook endpoint that the event is about.")
HOLD_ID = _id_or_null("hold_id", "hld", "The hold that the transaction belongs to. Null if it belongs to none.")
REVERSES = _id_or_null(
    "reverses_transaction_id", "txn", "The transaction that this one reverses, in whole or in part. Null if none."
)
POINTS = Field("points", "How many points the event is about.", _POINTS, 100)
AVAILABLE_AFTER = Field(
    "available_after", "How many points the member can spend right after the transaction.", _POINTS, 250
)
HELD_AFTER = Field("held_after", "How many of the member's points are on hold right after the transaction.", _POINTS, 0)
DEBT_REPAID = Field("debt_repaid", "How many of the points repay a debt of the member.", _POINTS, 0)
SHORTFALL = Field(
    "shortfall", "How many points the transaction could not take back because the member had spent them.", _POINTS, 0
)
MEMBER_SEQ = Field(
    "member_seq",
    "The number of the transaction among all of the member's, from 1. Use it to put events into order.",
    {"type": "integer", "minimum": 1},
    7,
)
REFERENCE = Field(
    "reference",
    "Your own name for the transaction, such as a receipt number. Ours, where we post it.",
    {"type": "string"},
    "R-1001",
)
KIND = Field("kind", "The kind of transaction, such as `capture`.", {"type": "string"}, "capture")
EFFECTIVE_AT = Field("effective_at", "When the purchase or return happened.", _TIME, "2026-03-02T12:00:00+00:00")
VESTS_AT = Field("vests_at", "When the member can spend the points. Null if at once.", _TIME_OR_NULL, None)
EXPIRES_AT = Field("expires_at", "When the hold lapses. Null if the transaction is no hold.", _TIME_OR_NULL, None)
BUSINESS_DATE = Field("business_date", "The business day that the transaction is booked on.", _DATE, "2026-03-02")
EXPIRES_ON = Field("expires_on", "The day from which the points can no longer be spent.", _DATE, "2028-03-02")
DAY = Field("day", "The last business day that the statement covers.", _DATE, "2026-03-02")
CYCLE = Field(
    "cycle",
    "Whether it is of a day, of a week (from Monday) or of a calendar month.",
    {"type": "string", "enum": ["daily", "weekly", "monthly"]},
    "daily",
)
CARD_MASKED = Field(
    "card_masked",
    "The member's card with only its last four digits. Null if the member has no card, or is erased.",
    {"type": ["string", "null"]},
    "••••••••••••8503",
    is_personal=True,
)
PARTNER_STATUS = Field("partner_status", "Your status from now on.", _STATUS, "suspended")
PREVIOUS_STATUS = Field("previous_status", "Your status until now.", _STATUS, "active")
STATUS_REASON = Field("reason", "Why the coalition changed it.", {"type": "string"}, "payments outstanding")
CONTENT_HASH = Field(
    "content_hash",
    "The SHA-256 of the statement's content, in hex.",
    {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    "0" * 64,
)
LOCATION = _id("location", "loc", "Your location where it was made, if it is known.")
UNFUNDED = Field(
    "unfunded",
    "How many of the points are pending until they are funded, for their issuer is beyond its exposure limit.",
    _POINTS,
    100,
)
AWARDS = Field(
    "awards",
    "The awards that make up the points, where the earn names them.",
    _list_of(
        {
            "points": {"type": "integer", "minimum": 1, "description": "The points of this award."},
            "issuer_id": {"type": "string", "pattern": "^prt_", "description": "The partner that issues them."},
            "expires_on": {**_DATE, "description": "The day from which they can no longer be spent."},
            "vests_at": {**_TIME, "description": "When the member can spend them."},
            "campaign": {"type": "string", "description": "The campaign, as you name it."},
            "rule": {"type": "string", "description": "The rule that gave them, as you name it."},
        },
        "points",
    ),
    [{"points": 100, "campaign": "double points", "rule": "weekend, version 3"}],
)
PAYMENT_ID = _id("payment_id", "pay", "The payment.")
PAYER = Field("payer", "Who pays: a partner's code, or `coalition`.", {"type": "string"}, "greengrocer")
PAYEE = Field("payee", "Who is paid: a partner's code, or `coalition`.", {"type": "string"}, "coalition")
AMOUNT_MINOR = Field(
    "amount_minor", "The amount in minor units, such as pence.", {"type": "integer", "minimum": 1}, 1234
)
FIRST_DAY = Field("first_day", "The first business day that is settled.", _DATE, "2026-03-02")
LAST_DAY = Field("last_day", "The last business day that is settled.", _DATE, "2026-03-02")
PAYMENT_REFERENCE = Field(
    "payment_reference",
    "What the payment is called at banks. Give it as the end-to-end id or in the remittance information.",
    {"type": "string", "pattern": "^PAY-[0-9A-Z]{26}$"},
    f"PAY-{ID.upper()}",
)
NET = Field(
    "net",
    "What you are owed (positive) or owe (negative), one amount for each currency.",
    _list_of(
        {
            "currency": {"type": "string", "description": "The currency (ISO 4217)."},
            "amount_minor": {"type": "integer", "description": "The amount in minor units, such as pence."},
        },
        "currency",
        "amount_minor",
    ),
    [{"currency": "GBP", "amount_minor": -1234}],
)
CURRENCY = Field("currency", "The currency of the amounts (ISO 4217).", {"type": "string"}, "GBP")
EXPOSURE = Field(
    "exposure_minor",
    "What you owe for points that neither a payment nor your deposit covers, in minor units.",
    {"type": "integer"},
    410000,
)
EXPOSURE_LIMIT = Field(
    "exposure_limit_minor",
    "The limit that your agreement sets for it, in minor units.",
    {"type": "integer", "minimum": 0},
    500000,
)
DISPUTE_ID = _id("dispute_id", "dsp", "The dispute. Fetch it by this id.")
RAISED_BY = Field(
    "raised_by", "Who disputes the line: a partner's code, or `coalition`.", {"type": "string"}, "fuelway"
)
DISPUTED = Field(
    "disputed_minor",
    "What the payer owed the payee for the line, in minor units. Negative where the payee gave something back.",
    {"type": "integer"},
    315,
)
SETTLED_ON = Field("settled_on", "The business day that the line belongs to.", _DATE, "2026-03-03")
OUTCOME = Field(
    "outcome",
    "`upheld`: the line is not owed. `rejected`: it is owed after all. `part`: a part of it is.",
    {"type": "string", "enum": ["upheld", "rejected", "part"]},
    "part",
)
BACK = Field(
    "back_minor", "What of the line is owed after all, in minor units: it is settled again.", {"type": "integer"}, 115
)
FAILING_SINCE = Field(
    "failing_since", "When the first of the failed attempts was made.", _TIME, "2026-03-01T12:00:00+00:00"
)
PERCENT = Field(
    "percent",
    "How much of the time until we disable the endpoint has passed, in per cent.",
    {"type": "integer", "enum": [50, 80]},
    50,
)
DISABLED_AT = Field(
    "disabled_at",
    "When we disable the endpoint if it does not accept an event before.",
    _TIME,
    "2026-03-03T12:00:00+00:00",
)
DISABLED_REASON = Field(
    "reason",
    "`gone`: the endpoint answered 410. `failing`: it did not accept an event for too long.",
    {"type": "string", "enum": ["gone", "failing"]},
    "failing",
)
MESSAGE = Field("message", "A text for whoever looks at the test.", {"type": "string"}, "A test. Nothing happened.")
