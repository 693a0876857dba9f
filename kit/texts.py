"""A line that a person writes: a name, a reason, a clause; checked once, and kept in one form."""

from __future__ import annotations

from kit.errors import Invalid

LONGEST_NAME = 100


class MalformedText(Invalid):
    code = "malformed_text"
    title = "Malformed text"
    description = "A name, reason, address or clause is empty or too long, or holds characters that cannot be printed."
    remedy = "Shorten the field that `detail` names, or fill it, and leave out line breaks and control characters."


def text(value: str, *, what: str, longest: int = LONGEST_NAME) -> str:
    """`value` without spaces around it; raises MalformedText unless 1 to `longest` printable characters are left."""
    found = value.strip()
    if not 1 <= len(found) <= longest or not found.isprintable():
        raise MalformedText(f"{what}: give 1 to {longest} printable characters", what=what)
    return found
