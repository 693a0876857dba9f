"""The events partners can hear of."""

from __future__ import annotations

EVENT_TYPES = {
    "member.enrolled": "You enrolled a member.",
    "points.earned": "You issued points.",
    "points.burned": "A member spent points at your place.",
    "points.held": "Points were set aside for a purchase of yours.",
    "points.captured": "You took points you held.",
    "points.released": "You gave points back that you held.",
    "points.lapsed": "A hold of yours ended by itself.",
    "points.reversed": "You reversed an earn, a burn or a capture, or clawed points back.",
    "points.vested": "Points you issued can be spent now.",
    "points.expiring": "Points you issued will expire soon.",
    "points.expired": "Points you issued expired unspent.",
    "points.adjusted": "A wallet was corrected in your name.",
    "points.merged": "A member you enrolled was merged with another.",
    "member.blocked": "A member you enrolled was blocked.",
    "member.unblocked": "A member you enrolled was unblocked.",
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
