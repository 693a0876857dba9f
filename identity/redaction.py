"""What a request held, without what nobody may read again.

Kept is what stands in a field of our own that holds nothing of a person's (`Fields`); what stands anywhere else is
masked, for nobody knows what it is. Fields are misspelt and mixed up, so a value that looks like somebody's is masked
there too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import Enum
from typing import Any

from kit import masking
from kit.ids import REFERENCE
from kit.masking import MASK

LARGEST_BYTES = 8 * 1024
DEEPEST = 12
_POSITION = re.compile(r"[0-9]{1,4}")
# How a number, a time, a choice or id, a currency, a client and an address are written. Anything else that stands in
# such a field was meant for another one.
_VALUE = re.compile(
    r"-?[0-9]{1,18}(\.[0-9]{1,9})?"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]{5,15}(Z|[+-][0-9:]{2,5})?)?"
    r"|[a-z]+([._:*-]+[a-z0-9*]*){0,6}"
    r"|[A-Z]{3}|co_client_[A-Za-z0-9_-]{22}|https?://\S{1,2000}"
)


class Kept(Enum):
    """What is kept of a field: its value; the names inside it; the partner's own name of a thing, whatever it is."""

    VALUE = "value"
    INNER = "inner"
    REFERENCE = "reference"


class Omitted(str):
    """A word of ours about a body that is not kept."""

    __slots__ = ()


# By name, the fields of which anything is kept.
Fields = Mapping[str, Kept]
_encode = json.JSONEncoder(default=str).encode


def redact(value: Any, fields: Fields, *, kept: Kept = Kept.INNER, depth: int = 0) -> Any:
    """`value` with everything masked that stands in none of `fields`, or looks like somebody's."""
    if value is None:
        return None
    if isinstance(value, Omitted):
        return {"omitted": value}
    if depth >= DEEPEST:
        return "…"
    if isinstance(value, list):
        return [redact(inner, fields, kept=kept, depth=depth + 1) for inner in value]
    if isinstance(value, dict) and kept is Kept.INNER:
        return {
            name if name in fields else masking.name(name): _field(name, inner, fields, depth + 1)
            for name, inner in value.items()
        }
    if isinstance(value, dict) or kept is Kept.INNER:
        return MASK
    return _plain(value, kept)


def redact_answer(answer: Any, fields: Fields) -> Any:
    """A problem document or what is noted of an answer: ours, but for the names in its pointers."""
    errors = [
        {**error, "pointer": _pointer(error["pointer"], fields)} if "pointer" in error else error
        for error in answer.get("errors", ())
    ]
    return {**answer, "errors": errors} if errors else answer


def as_json(value: Any) -> str:
    """`value` as JSON of at most LARGEST_BYTES, or a word about its size."""
    shown = _encode(value)
    return shown if len(shown) <= LARGEST_BYTES else json.dumps({"omitted": f"{len(shown)} bytes"})


def _field(name: str, value: Any, fields: Fields, depth: int) -> Any:
    if value is None:
        return None
    return redact(value, fields, kept=fields[name], depth=depth) if name in fields else MASK


def _pointer(pointer: str, fields: Fields) -> str:
    steps = pointer.split("/")
    return "/".join(
        step if step in fields or not step or _POSITION.fullmatch(step) else masking.name(step) for step in steps
    )


def _plain(value: Any, kept: Kept) -> Any:
    if isinstance(value, bool):
        return value
    if not isinstance(value, str):
        return MASK if masking.is_telling(str(value)) else value
    # A partner's own names for things may look like anything, and are what it searches by.
    if kept is Kept.REFERENCE:
        return value if re.fullmatch(REFERENCE, value) else MASK
    return masking.text(value) if _VALUE.fullmatch(value) else MASK
