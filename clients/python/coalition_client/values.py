"""Between JSON and typed values: what is sent, and the frozen dataclasses that answers become.

Fields this version does not know are left alone, so that the API may grow without breaking anybody.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from functools import cache
from typing import Any, TypeVar

from coalition_client.errors import UnexpectedAnswer

T = TypeVar("T")
Decode = Callable[[Any], Any]


class Null(Enum):
    """The type of NULL."""

    NULL = None


NULL = Null.NULL  # for a field that is to be emptied: None leaves it out


@dataclass(frozen=True, kw_only=True)
class Meta:
    """About an answer, from its headers.

    `replayed`: this key was answered before, and nothing was posted now. `etag`: what a change needs as `if_match`.
    """

    request_id: str = ""
    version: str = ""
    replayed: bool = False
    dry_run: bool = False
    etag: str | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the API answered; `meta` is about the answer and no part of what makes two of them equal."""

    meta: Meta = field(default=Meta(), repr=False, compare=False)


def given(**named: Any) -> dict[str, Any]:
    """Those of `named` that are not None, as JSON has them; NULL becomes null."""
    return {name: encode(value) for name, value in named.items() if value is not None}


def encode(value: Any) -> Any:
    """`value` as `json.dumps` takes it; raises ValueError for a time without an offset."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a time needs its offset: datetime(…, tzinfo=UTC)")
        return value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Null):
        return None
    if is_dataclass(value) and not isinstance(value, type):
        said = [(one, getattr(value, one.name)) for one in fields(value) if one.name != "meta"]
        # What may be left out is left out where it is None, as in `given`.
        return {one.name: encode(inner) for one, inner in said if inner is not None or one.default is MISSING}
    if isinstance(value, Mapping):
        return {name: encode(inner) for name, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [encode(inner) for inner in value]
    return value


def decode(kind: type[T], data: Any) -> T:
    """`data`, as JSON came, as a value of the type `kind`; raises UnexpectedAnswer where it isn't one."""
    try:
        return typing.cast(T, _decoder(typing.cast(Any, kind))(data))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnexpectedAnswer(f"the answer is no {kind.__name__}: {type(error).__name__}: {error}") from error


@cache
def _decoder(kind: Any) -> Decode:
    if is_dataclass(kind):
        return _of_dataclass(typing.cast(type, kind))
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        inner = _decoder(next(part for part in parts if part is not types.NoneType))
        return lambda data: None if data is None else inner(data)
    if origin is tuple:
        one = _decoder(parts[0])
        return lambda data: tuple(one(item) for item in data)
    return {datetime: datetime.fromisoformat, date: date.fromisoformat}.get(kind, _as_it_is)


def _as_it_is(data: Any) -> Any:
    return data


def _of_dataclass(kind: type) -> Decode:
    hints = typing.get_type_hints(kind)
    there = [
        (one.name, _decoder(hints[one.name]), one.default is MISSING)
        for one in fields(typing.cast(Any, kind))
        if one.name != "meta"
    ]

    def build(data: Any) -> Any:
        # What has to be there and is not raises KeyError.
        return kind(**{name: read(data[name]) for name, read, needed in there if needed or name in data})

    return build
