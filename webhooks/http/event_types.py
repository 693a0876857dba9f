"""GET /v1/event-types: what you can hear of, with schema and example."""

from __future__ import annotations

import marshmallow as ma

from kit.http.api import Blueprint
from kit.http.paging import Page
from partners.http.auth import requires
from webhooks.event_types import EVENT_TYPES

event_types_api = Blueprint("event-types", __name__, url_prefix="/v1/event-types", description="What you can hear of")


class EventTypeSchema(ma.Schema):
    """One kind of event."""

    name = ma.fields.String()
    version = ma.fields.Integer(metadata={"description": "of its data; new fields may come within a version"})
    description = ma.fields.String()
    schema = ma.fields.Dict(metadata={"description": "JSON schema of its data"})
    example = ma.fields.Dict(metadata={"description": "an event as it is sent"})


class EventTypeListSchema(ma.Schema):
    """All of them."""

    data = ma.fields.List(ma.fields.Nested(EventTypeSchema))
    next_cursor = ma.fields.String(allow_none=True)


@event_types_api.get("")
@requires(event_types_api, "webhooks:write")
@event_types_api.response(200, EventTypeListSchema)
def list_event_types() -> Page:
    """Every kind of event an endpoint can subscribe to, by its name or its family, such as `points.*`."""
    return Page(list(EVENT_TYPES.values()), None)
