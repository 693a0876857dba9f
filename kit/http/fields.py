"""Fields that take exactly what they say: whole numbers that are whole, times with an offset, ids of their kind."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import marshmallow as ma
from marshmallow import validate

from kit import ids
from kit.errors import Invalid

LARGEST = 2**53 - 1  # what every JSON reader can hold exactly (RFC 7493)
OPTIONAL = "x-optional"  # in the metadata of an answer's field: it may be missing


class WholeNumber(ma.fields.Integer):
    """A JSON number without fraction, from `least` to 2^53 − 1; true, "12" and 12.0 are refused."""

    def __init__(self, *, least: int, most: int = LARGEST, **kwargs: Any) -> None:
        super().__init__(strict=True, validate=validate.Range(least, most), **kwargs)

    def _validated(self, value: Any) -> Any:
        if type(value) is not int:
            raise self.make_error("invalid")
        return value


class Count(ma.fields.Integer):
    """A whole number in a query string."""

    def __init__(self, *, least: int, most: int, **kwargs: Any) -> None:
        super().__init__(validate=validate.Range(least, most), **kwargs)


class Instant(ma.fields.AwareDateTime):
    """An RFC 3339 time with its offset."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format="iso", **kwargs)


class Id(ma.fields.Field[UUID]):
    """A TypeID with the prefix of its kind."""

    def __init__(self, prefix: str, **kwargs: Any) -> None:
        metadata = {
            "type": "string",
            "pattern": f"^{prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$",
            **kwargs.pop("metadata", {}),
        }
        super().__init__(metadata=metadata, **kwargs)
        self._prefix = prefix

    def _serialize(self, value: UUID | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else ids.show(self._prefix, value)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> UUID:
        try:
            return ids.parse(self._prefix, value if isinstance(value, str) else "")
        except Invalid as error:
            raise ma.ValidationError(error.detail) from None


class Shown(ma.fields.String):
    """A text that is about no person: it may stand in the log of requests."""


def currency(**kwargs: Any) -> Shown:
    """An ISO 4217 code."""
    return Shown(validate=validate.Regexp(r"^[A-Z]{3}\Z"), **kwargs)
