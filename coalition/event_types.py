"""The catalogue of events: every kind that partners hear of, what its fields mean, its schemas and an example.

All that describes events is made from here: the API's event types, OpenAPI's `webhooks`, the AsyncAPI document, the
client's classes, the table in docs/webhooks.md. Erasure asks it which fields say who a member is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from coalition import event_fields as of
from coalition.event_fields import Field
from kit.outbox import VERSION

_POSTED = (
    of.TRANSACTION_ID, of.MEMBER_ID, of.PARTNER_ID, of.POINTS, of.AVAILABLE_AFTER, of.REFERENCE, of.EFFECTIVE_AT,
    of.BUSINESS_DATE, of.MEMBER_SEQ,
)  # fmt: skip
_HELD = (
    *_POSTED, of.KIND, of.HELD_AFTER, of.HOLD_ID, of.EXPIRES_AT, of.REVERSES, of.SHORTFALL, of.DEBT_REPAID,
)  # fmt: skip
_AT = (of.LOCATION,)
_MEMBER = (of.MEMBER_ID, of.PARTNER_ID)


@dataclass(frozen=True)
class EventType:
    """One kind of event; `fields` are those of its data, and `may_have` those that only some have."""

    name: str
    description: str
    fields: tuple[Field, ...]
    version: int = VERSION
    may_have: tuple[Field, ...] = ()

    @property
    def every_field(self) -> tuple[Field, ...]:
        """The fields that its data has or can have."""
        return (*self.fields, *self.may_have)

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the event's data. It allows fields there are not yet, as receivers must."""
        return {
            "type": "object",
            "required": [field.name for field in self.fields],
            "properties": {field.name: field.schema for field in self.every_field},
        }

    @property
    def body_schema(self) -> dict[str, Any]:
        """JSON schema of the event as it is sent."""
        return {
            "type": "object",
            "required": ["id", "type", "version", "timestamp", "data"],
            "properties": {
                "id": {
                    "type": "string",
                    "pattern": "^evt_",
                    "description": "The event's id. It stays the same when we send the event again.",
                },
                "type": {"type": "string", "const": self.name, "description": "The kind of event."},
                "version": {"type": "integer", "const": self.version, "description": "The version of the data."},
                "timestamp": {"type": "string", "format": "date-time", "description": "When it happened."},
                "data": {"description": "What the event tells.", **self.schema},
            },
        }

    @property
    def example(self) -> dict[str, Any]:
        """An event as it is sent."""
        return {
            "id": f"evt_{of.ID}",
            "type": self.name,
            "version": self.version,
            "timestamp": "2026-03-02T12:00:00Z",
            "data": {field.name: field.example for field in self.fields},
        }


_DISPUTED = (
    of.DISPUTE_ID, of.PARTNER_ID, of.RAISED_BY, of.PAYER, of.PAYEE, of.CURRENCY, of.DISPUTED, of.SETTLED_ON,
)  # fmt: skip
EVENT_TYPES = {
    kind.name: kind
    for kind in (
        EventType("member.enrolled", "You enrolled a member.", (*_MEMBER, of.CARD_MASKED)),
        EventType("member.blocked", "A member you enrolled was blocked.", _MEMBER),
        EventType("member.unblocked", "A member you enrolled was unblocked.", _MEMBER),
        EventType("member.erased", "A member you enrolled was erased.", _MEMBER),
        EventType(
            "points.earned",
            "You issued points.",
            (*_POSTED, of.EXPIRES_ON, of.VESTS_AT, of.DEBT_REPAID),
            may_have=(of.AWARDS, of.UNFUNDED, of.LOCATION),
        ),
        EventType("points.burned", "A member spent points with you.", _POSTED, may_have=_AT),
        EventType("points.held", "You set points aside for a purchase.", _HELD, may_have=_AT),
        EventType("points.captured", "You captured points that you held.", _HELD, may_have=_AT),
        EventType("points.released", "You voided a hold.", _HELD, may_have=_AT),
        EventType("points.lapsed", "One of your holds lapsed.", _HELD, may_have=_AT),
        EventType(
            "points.reversed", "You reversed an earn, a burn or a capture, or clawed back points.", _HELD, may_have=_AT
        ),
        EventType("points.vested", "Points you issued have vested and can be spent.", _HELD),
        EventType(
            "points.funded",
            "Points you issued beyond your exposure limit are funded and were released.",
            _HELD,
            may_have=_AT,
        ),
        EventType("points.expiring", "Points you issued will expire soon.", (*_MEMBER, of.POINTS, of.EXPIRES_ON)),
        EventType("points.expired", "Points you issued expired unspent.", _HELD),
        EventType("points.adjusted", "The coalition adjusted a wallet in your name.", _HELD),
        EventType("points.merged", "A member you enrolled was merged into another member.", _HELD),
        EventType(
            "partner.status_changed",
            "Your account was activated, suspended or resumed, or you are leaving.",
            (of.PARTNER_ID, of.PREVIOUS_STATUS, of.PARTNER_STATUS, of.STATUS_REASON),
        ),
        EventType(
            "settlement.statement_ready",
            "Your statement of a business day, a week or a month is ready.",
            (
                of.STATEMENT_ID,
                of.PARTNER_ID,
                of.CYCLE,
                of.FIRST_DAY,
                of.LAST_DAY,
                of.DAY,
                of.CONTENT_HASH,
                of.NET,
            ),
        ),
        EventType(
            "settlement.payment_due",
            "A settlement that you pay or receive money for was approved.",
            (
                of.PAYMENT_ID,
                of.PARTNER_ID,
                of.PAYER,
                of.PAYEE,
                of.CURRENCY,
                of.AMOUNT_MINOR,
                of.FIRST_DAY,
                of.LAST_DAY,
                of.PAYMENT_REFERENCE,
            ),
        ),
        EventType(
            "settlement.payment_covered",
            "The coalition pays a settlement payment in the place of its payer, which is in default.",
            (
                of.PAYMENT_ID,
                of.PARTNER_ID,
                of.PAYER,
                of.PAYEE,
                of.CURRENCY,
                of.AMOUNT_MINOR,
                of.FIRST_DAY,
                of.LAST_DAY,
                of.PAYMENT_REFERENCE,
            ),
        ),
        EventType(
            "settlement.dispute_raised",
            "A line that was settled between you and another party is disputed. It leaves the net for now.",
            _DISPUTED,
        ),
        EventType(
            "settlement.dispute_resolved",
            "The coalition decided a dispute of yours. What is owed after all comes back into the net.",
            (*_DISPUTED, of.OUTCOME, of.BACK),
        ),
        EventType(
            "settlement.exposure_warning",
            "What you owe and did not fund yet reached 80 % of your limit.",
            (of.PARTNER_ID, of.CURRENCY, of.EXPOSURE, of.EXPOSURE_LIMIT),
        ),
        EventType(
            "settlement.exposure_exceeded",
            "What you owe and did not fund yet reached your limit. The coalition may refuse your earns until you pay.",
            (of.PARTNER_ID, of.CURRENCY, of.EXPOSURE, of.EXPOSURE_LIMIT),
        ),
        EventType(
            "webhook_endpoint.failing",
            "One of your endpoints does not accept events. We will disable it.",
            (of.ENDPOINT_ID, of.FAILING_SINCE, of.PERCENT, of.DISABLED_AT),
        ),
        EventType(
            "webhook_endpoint.disabled",
            "We disabled one of your endpoints. We keep its events and send them once you enable it.",
            (of.ENDPOINT_ID, of.DISABLED_REASON),
        ),
        EventType(
            "webhook_endpoint.recovered",
            "One of your endpoints accepts events again.",
            (of.ENDPOINT_ID, of.FAILING_SINCE),
        ),
        EventType("webhook_endpoint.test", "You asked for a test of an endpoint.", (of.ENDPOINT_ID, of.MESSAGE)),
    )
}
PERSONAL = tuple(
    sorted({field.name for kind in EVENT_TYPES.values() for field in kind.every_field if field.is_personal})
)


def matches(patterns: Iterable[str], event_type: str) -> bool:
    """Whether one of `patterns` takes `event_type`: its own name, `points.*`, or `*`."""
    family = event_type.partition(".")[0] + ".*"
    return any(pattern in ("*", family, event_type) for pattern in patterns)


def patterns() -> list[str]:
    """Every pattern an endpoint may subscribe to."""
    families = sorted({name.partition(".")[0] + ".*" for name in EVENT_TYPES})
    return ["*", *families, *EVENT_TYPES]


def fields_of(patterns: Iterable[str]) -> dict[str, Field]:
    """The fields that the data of events which `patterns` take can have, by their names."""
    wanted = tuple(patterns)
    kinds = [kind for kind in EVENT_TYPES.values() if matches(wanted, kind.name)]
    return {field.name: field for kind in kinds for field in kind.every_field}
