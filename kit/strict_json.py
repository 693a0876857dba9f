"""JSON from outside, read in one way at every edge: I-JSON (RFC 7493), with text that PostgreSQL can keep.

What lenient readers let pass means one thing here and another there: of a name that comes twice the last counts, or
the first; half of a surrogate pair can be read and never be written again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

MOST_DIGITS = 308  # of a whole number: more than a double holds, and a number nobody means
_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")


class MalformedJson(ValueError):
    """Not JSON, or JSON that means different things to different readers; its text says why."""


class UnwritableText(MalformedJson):
    """A text or a name holds NUL or half of a surrogate pair; `pointers` (RFC 6901) say where."""

    def __init__(self, pointers: list[str]) -> None:
        super().__init__("a text holds NUL or half of a surrogate pair")
        self.pointers = pointers


def loads(raw: bytes) -> Any:
    """The value in `raw`: UTF-8, no name twice in an object, no NaN, no number beyond a double, no unwritable text.

    Raises MalformedJson.
    """
    try:
        text = raw.decode("utf-8")
        found = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_whole, parse_float=_finite
        )
    except RecursionError:
        raise MalformedJson("nested too deeply") from None
    except ValueError as error:
        raise MalformedJson(str(error)[:200]) from None
    # Neither of the two can stand in valid JSON but as an escape.
    if "\\u" in text and (pointers := list(_unwritable(found))):
        raise UnwritableText(pointers)
    return found


def is_writable(text: str) -> bool:
    """Whether `text` can be stored and sent on: no NUL, no half of a surrogate pair."""
    return _UNWRITABLE.search(text) is None


def escape(name: object) -> str:
    """A name as one step of a JSON pointer."""
    return str(name).replace("~", "~0").replace("/", "~1")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice in one object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _whole(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError("a number is too large")
    return int(digits)


def _finite(digits: str) -> float:
    found = float(digits)
    if found in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    return found


def _unwritable(found: Any) -> Iterator[str]:
    waiting = [("", found)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict):
            for name, inner in value.items():
                if is_writable(name):
                    waiting.append((f"{path}/{escape(name)}", inner))
                else:
                    yield path
        elif isinstance(value, list):
            waiting += [(f"{path}/{n}", inner) for n, inner in enumerate(value)]
        elif isinstance(value, str) and not is_writable(value):
            yield path
