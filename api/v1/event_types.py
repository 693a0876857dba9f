"""GET /v1/event-types: what you can hear of, with schema and example."""

from __future__ import annotations

import marshmallow as ma

from api.auth import requires
from coalition.event_types import EVENT_TYPES
from kit.http.api import Blueprint
from kit.http.paging import Page

event_types_api = Blueprint("event-types", __name__, url_prefix="/v1/event-types", description="The kinds of events")


class EventTypeSchema(ma.Schema):
    schema_description = "One kind of event."

    name = ma.fields.String()
    version = ma.fields.Integer(
        metadata={"description": "The version of the data. New fields can appear within a version."}
    )
    description = ma.fields.String()
    schema = ma.fields.Dict(
        metadata={
            "description": "The JSON schema (draft 2020-12) of the data. `x-personal-data` marks what erasure removes."
        }
    )
    example = ma.fields.Dict(metadata={"description": "An example of the event, as we send it"})


class EventTypeListSchema(ma.Schema):
    schema_description = "All kinds of events."

    data = ma.fields.List(ma.fields.Nested(EventTypeSchema))
    next_cursor = ma.fields.String(allow_none=True)


@event_types_api.get("")
@event_types_api.doc(
    summary="List every kind of event. An endpoint subscribes to a kind, or to a family such as `points.*`."
)
@requires(event_types_api, "webhooks:write")
@event_types_api.response(200, EventTypeListSchema)
def list_event_types() -> Page:
    return Page(list(EVENT_TYPES.values()), None)
