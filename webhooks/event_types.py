"""The events partners can hear of."""

from __future__ import annotations

EVENT_TYPES = {
    "member.enrolled": "You enrolled a member.",
    "points.earned": "You issued points.",
    "points.burned": "A member spent points at your place.",
    "points.reversed": "You reversed an earn or a burn, or clawed points back.",
    "settlement.statement_ready": "Your statement of a business day is ready.",
}


def matches(patterns: list[str] | tuple[str, ...], event_type: str) -> bool:
    """Whether one of `patterns` takes `event_type`: its own name, `points.*`, or `*`."""
    family = event_type.partition(".")[0] + ".*"
    return any(pattern in ("*", family, event_type) for pattern in patterns)


def patterns() -> list[str]:
    """Every pattern an endpoint may subscribe to."""
    families = sorted({name.partition(".")[0] + ".*" for name in EVENT_TYPES})
    return ["*", *families, *EVENT_TYPES]
