"""The events partners can hear of: what each tells, its version, and an example made from its own description."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kit.outbox import VERSION

_ID = "01h45ytscbebyvny4gc8cr8ma2"
_STATUS = {"type": "string", "enum": ["onboarding", "active", "suspended", "leaving", "left"]}
# Every field of every event: its JSON schema, and what it looks like.
_FIELDS: dict[str, tuple[dict[str, Any], Any]] = {
    **{
        name: ({"type": "string", "pattern": f"^{prefix}_"}, f"{prefix}_{_ID}")
        for name, prefix in (
            ("transaction_id", "txn"),
            ("member_id", "mbr"),
            ("partner_id", "prt"),
            ("statement_id", "stm"),
        )
    },
    "hold_id": ({"type": ["string", "null"], "pattern": "^hld_"}, None),
    "reverses_transaction_id": ({"type": ["string", "null"], "pattern": "^txn_"}, None),
    "points": ({"type": "integer", "minimum": 0}, 100),
    "available_after": ({"type": "integer", "minimum": 0}, 250),
    "held_after": ({"type": "integer", "minimum": 0}, 0),
    "repaid": ({"type": "integer", "minimum": 0}, 0),
    "uncovered": ({"type": "integer", "minimum": 0}, 0),
    "member_seq": ({"type": "integer", "minimum": 1}, 7),
    "reference": ({"type": "string"}, "R-1001"),
    "kind": ({"type": "string"}, "capture"),
    "effective_at": ({"type": "string", "format": "date-time"}, "2026-03-02T12:00:00+00:00"),
    "vests_at": ({"type": ["string", "null"], "format": "date-time"}, None),
    "expires_at": ({"type": ["string", "null"], "format": "date-time"}, None),
    "business_date": ({"type": "string", "format": "date"}, "2026-03-02"),
    "expires_on": ({"type": "string", "format": "date"}, "2028-03-02"),
    "day": ({"type": "string", "format": "date"}, "2026-03-02"),
    "card_masked": ({"type": ["string", "null"]}, "…8503"),
    "partner_status": (_STATUS, "suspended"),
    "previous_status": (_STATUS, "active"),
    "reason": ({"type": "string"}, "payments outstanding"),
    "content_hash": ({"type": "string", "pattern": "^[0-9a-f]{64}$"}, "0" * 64),
    "net": (
        {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"currency": {"type": "string"}, "amount_minor": {"type": "integer"}},
            },
        },
        [{"currency": "GBP", "amount_minor": -1234}],
    ),
}
_POSTED = (
    "transaction_id", "member_id", "partner_id", "points", "available_after", "reference", "effective_at",
    "business_date", "member_seq",
)  # fmt: skip
_HELD = (*_POSTED, "kind", "held_after", "hold_id", "expires_at", "reverses_transaction_id", "uncovered", "repaid")


@dataclass(frozen=True)
class EventType:
    """One kind of event; `fields` are those of its data."""

    name: str
    description: str
    fields: tuple[str, ...]
    version: int = VERSION

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the event's data."""
        return {
            "type": "object",
            "required": list(self.fields),
            "properties": {name: _FIELDS[name][0] for name in self.fields},
        }

    @property
    def example(self) -> dict[str, Any]:
        """An event as it is sent."""
        return {
            "id": f"evt_{_ID}",
            "type": self.name,
            "version": self.version,
            "timestamp": "2026-03-02T12:00:00Z",
            "data": {name: _FIELDS[name][1] for name in self.fields},
        }


EVENT_TYPES = {
    kind.name: kind
    for kind in (
        EventType("member.enrolled", "You enrolled a member.", ("member_id", "partner_id", "card_masked")),
        EventType("member.blocked", "A member you enrolled was blocked.", ("member_id", "partner_id")),
        EventType("member.unblocked", "A member you enrolled was unblocked.", ("member_id", "partner_id")),
        EventType("member.erased", "A member you enrolled was erased.", ("member_id", "partner_id")),
        EventType("points.earned", "You issued points.", (*_POSTED, "expires_on", "vests_at", "repaid")),
        EventType("points.burned", "A member spent points at your place.", _POSTED),
        EventType("points.held", "Points were set aside for a purchase of yours.", _HELD),
        EventType("points.captured", "You took points you held.", _HELD),
        EventType("points.released", "You gave points back that you held.", _HELD),
        EventType("points.lapsed", "A hold of yours ended by itself.", _HELD),
        EventType("points.reversed", "You reversed an earn, a burn or a capture, or clawed points back.", _HELD),
        EventType("points.vested", "Points you issued can be spent now.", _HELD),
        EventType(
            "points.expiring",
            "Points you issued will expire soon.",
            ("member_id", "partner_id", "points", "expires_on"),
        ),
        EventType("points.expired", "Points you issued expired unspent.", _HELD),
        EventType("points.adjusted", "A wallet was corrected in your name.", _HELD),
        EventType("points.merged", "A member you enrolled was merged with another.", _HELD),
        EventType(
            "partner.status_changed",
            "Your account was activated, suspended or resumed, or you leave.",
            ("partner_id", "previous_status", "partner_status", "reason"),
        ),
        EventType(
            "settlement.statement_ready",
            "Your statement of a business day is ready.",
            ("statement_id", "partner_id", "day", "content_hash", "net"),
        ),
    )
}


def matches(patterns: list[str] | tuple[str, ...], event_type: str) -> bool:
    """Whether one of `patterns` takes `event_type`: its own name, `points.*`, or `*`."""
    family = event_type.partition(".")[0] + ".*"
    return any(pattern in ("*", family, event_type) for pattern in patterns)


def patterns() -> list[str]:
    """Every pattern an endpoint may subscribe to."""
    families = sorted({name.partition(".")[0] + ".*" for name in EVENT_TYPES})
    return ["*", *families, *EVENT_TYPES]
