"""Fields of requests that the kit doesn't know."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import marshmallow as ma
from marshmallow import validate

from kit import ids
from kit.http.fields import Id, Shown
from webhooks.event_types import patterns

MOST_TYPES = 50


class Reference(ma.fields.String):
    """A partner's own name for a thing."""


def reference(**kwargs: Any) -> Reference:
    """A partner's own name for a receipt or return: 1 to 64 letters, digits and . _ : / # -"""
    return Reference(validate=validate.Regexp(f"^{ids.REFERENCE}\\Z"), **kwargs)


def location(*, or_else: str = "none") -> Shown:
    """A location of the asking partner's: its id, or the partner's own code, which has no underscore."""
    said = f"The id or code of one of your open locations. If you leave it out: the till's, or {or_else}."
    form = r"^(loc_[0-7][0-9a-hjkmnp-tv-z]{25}|[A-Za-z0-9][A-Za-z0-9-]{0,31})\Z"
    return Shown(validate=validate.Regexp(form), metadata={"description": said, "example": "S-12"})


def location_shown() -> Id:
    """Where something was made."""
    metadata = {"description": "Where it was made, if the partner that posted it said so"}
    return Id(ids.LOCATION, attribute="location_id", allow_none=True, metadata=metadata)


class Texts(ma.fields.Field[dict[str, str]]):
    """An object of texts by names that the caller chooses. Nothing of it is kept in the log of requests."""

    def __init__(self, **kwargs: Any) -> None:
        metadata = {
            "type": "object",
            "additionalProperties": {"type": "string"},
            **kwargs.pop("metadata", {}),
        }
        super().__init__(metadata=metadata, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, str]:
        if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
            raise ma.ValidationError("Not an object of texts.")
        return value


class Structure(ma.fields.Field[Any]):
    """An object, or null, that the verb reads. Nothing of it is kept in the log of requests."""

    def __init__(self, **kwargs: Any) -> None:
        metadata = {"type": "object", **kwargs.pop("metadata", {})}
        super().__init__(metadata=metadata, allow_none=True, **kwargs)


class EventTypes(ma.fields.String):
    """Kinds of events in a query string, with commas between them; loaded as a list."""

    def __init__(self, **kwargs: Any) -> None:
        said = "Only events of these types, with commas between them, such as `points.*,member.enrolled`."
        one = "|".join(each.replace(".", r"\.").replace("*", r"\*") for each in patterns())
        form = f"^({one})(,({one})){{0,{MOST_TYPES - 1}}}$"
        metadata = {"description": said, "example": "points.*", "pattern": form}
        super().__init__(validate=_are_types, metadata=metadata, **kwargs)

    def _deserialize(self, *given: Any, **more: Any) -> Any:
        return super()._deserialize(*given, **more).split(",")


def _are_types(given: list[str]) -> None:
    known = set(patterns())
    if len(given) > MOST_TYPES or not known.issuperset(given):
        raise ma.ValidationError("Types from GET /v1/event-types, families such as points.*, or *; at most 50.")


_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)


def clipped(at: datetime) -> datetime:
    """`at`, or the nearest time that one can reckon with: nothing of ours lies beyond these."""
    return min(max(at, _EARLIEST), _LATEST)
