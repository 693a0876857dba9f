"""GET /v1/event-types: what you can hear of, with schema and example."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from kit.http.api import Blueprint
from kit.http.paging import Page
from partners.http.auth import requires
from webhooks.event_types import EVENT_TYPES, EventType

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


def webhooks_described() -> dict[str, Any]:
    """The section `webhooks` of the API's description: each kind of event as the request that brings it."""
    return {kind.name: {"post": _described(kind)} for kind in EVENT_TYPES.values()}


def _described(kind: EventType) -> dict[str, Any]:
    return {
        "operationId": "webhook_" + kind.name.replace(".", "_"),
        "summary": kind.description,
        "description": "Signed as https://www.standardwebhooks.com has it. May come more than once: keep the ids.",
        "tags": [event_types_api.name],
        "security": [],
        "parameters": [
            {"in": "header", "name": name, "required": True, "schema": {"type": "string"}, "description": text}
            for name, text in _HEADERS.items()
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _envelope(kind), "example": kind.example}},
        },
        "responses": {"2XX": {"description": "Taken. Anything else, or nothing for a while, and it comes again."}},
    }


def _envelope(kind: EventType) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["id", "type", "version", "timestamp", "data"],
        "properties": {
            "id": {"type": "string", "pattern": "^evt_"},
            "type": {"type": "string", "const": kind.name},
            "version": {"type": "integer", "const": kind.version},
            "timestamp": {"type": "string", "format": "date-time"},
            "data": kind.schema,
        },
    }


_HEADERS = {
    "webhook-id": "The event's id: the same whenever it is sent again.",
    "webhook-timestamp": "When this attempt was made, in seconds since 1970.",
    "webhook-signature": "`v1,` and the base64 of HMAC-SHA-256 over `id.timestamp.body`.",
    "traceparent": "One trace for all attempts to tell of the event, a span for each (W3C Trace Context).",
}
