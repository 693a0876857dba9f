"""Paging by sealed cursor: opaque, bound to the client and to the filter it was made for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import marshmallow as ma

from kit.errors import Invalid
from kit.http.fields import Count
from kit.secrets import Keyring, SealBroken

MOST_PER_PAGE = 100
DEFAULT_PER_PAGE = 50


class InvalidCursor(Invalid):
    code = "invalid_cursor"
    title = "Invalid cursor"
    description = "The cursor is not one that we gave, or we gave it to another client or for another filter."
    remedy = (
        "Start again without a cursor, and pass on each `next_cursor` unchanged, with the same filters and the same "
        "client."
    )


class PageQuery(ma.Schema):
    """The query parameters of every list."""

    limit = Count(least=1, most=MOST_PER_PAGE, load_default=DEFAULT_PER_PAGE)
    cursor = ma.fields.String(load_default=None, validate=ma.validate.Length(1, 1000))


@dataclass(frozen=True)
class Page:
    """One page of a list; `next_cursor` is None on the last."""

    data: list[Any]
    next_cursor: str | None


def seal(keyring: Keyring, *, bound_to: list[Any], position: int) -> str:
    """A cursor that continues at `position`, for whoever asks the same."""
    return keyring.seal_text(json.dumps([bound_to, position], default=str).encode(), purpose="cursor")


def unseal(keyring: Keyring, cursor: str | None, *, bound_to: list[Any], start: int) -> int:
    """The position in `cursor`, or `start` without one; raises InvalidCursor."""
    if cursor is None:
        return start
    try:
        bound, position = json.loads(keyring.unseal_text(cursor, purpose="cursor"))
    except SealBroken:
        raise InvalidCursor("we did not give this cursor") from None
    if bound != json.loads(json.dumps(bound_to, default=str)):
        raise InvalidCursor("we gave this cursor for another request")
    return int(position)
