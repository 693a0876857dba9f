"""The catalogue of events as documents: OpenAPI's `webhooks`, and AsyncAPI 3.0 at /asyncapi.json."""

from __future__ import annotations

import json
from typing import Any

from flask import Flask, Response

from coalition.event_types import EVENT_TYPES, EventType

_SIGNED = "We sign it as https://www.standardwebhooks.com describes. It can arrive more than once, so remember the ids."
# Those that every request has, and those that some have.
_HEADERS = {
    "webhook-id": "The event's id. It stays the same when we send the event again.",
    "webhook-timestamp": "The time of this attempt, in seconds since 1970.",
    "webhook-signature": (
        "Signatures over `id.timestamp.body`, separated by spaces. `v1,` is followed by the base64 of HMAC-SHA-256, "
        "`v1a,` by that of Ed25519, whose public keys are at the endpoint's `keys_url`. Accept the request if one of "
        "them is valid."
    ),
    "traceparent": "One trace for all attempts to deliver the event, with a span for each attempt (W3C Trace Context).",
}
_SOMETIMES = {
    "coalition-sequence": "The number of the event among those for this endpoint, from 1. A missing number is a gap.",
    "coalition-gap": (
        "How many events we gave up just before this one, among those that it comes in order with. It is there where "
        "an endpoint asks for an order and some are missing."
    ),
}


def webhooks(*, tag: str) -> dict[str, Any]:
    """The section `webhooks` of the API's description: each kind of event as the request that brings it."""
    return {kind.name: {"post": _described(kind, tag)} for kind in EVENT_TYPES.values()}


def _described(kind: EventType, tag: str) -> dict[str, Any]:
    return {
        "operationId": "webhook_" + kind.name.replace(".", "_"),
        "summary": kind.description,
        "description": _SIGNED,
        "tags": [tag],
        "security": [],
        "parameters": [
            {
                "in": "header",
                "name": name,
                "required": name in _HEADERS,
                "schema": {"type": "string"},
                "description": text,
            }
            for name, text in {**_HEADERS, **_SOMETIMES}.items()
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": kind.body_schema, "example": kind.example}},
        },
        "responses": {
            "2XX": {
                "description": (
                    "You accept the event. If you answer anything else, or nothing for a while, we send it again."
                )
            }
        },
    }


def asyncapi(*, version: str) -> dict[str, Any]:
    """The catalogue as an AsyncAPI 3.0 document: one channel, the endpoint, and an operation for each kind of event."""
    kinds = EVENT_TYPES.values()
    return {
        "asyncapi": "3.0.0",
        "id": "urn:coalition:events",
        "info": {
            "title": "Coalition events",
            "version": version,
            "description": f"What we send to the webhook endpoints that partners register. {_SIGNED}",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "endpoint": {
                "address": None,
                "title": "Your endpoint",
                "description": "The URL that you register with POST /v1/webhook-endpoints.",
                "messages": {kind.name: {"$ref": f"#/components/messages/{kind.name}"} for kind in kinds},
            }
        },
        "operations": {kind.name: _operation(kind) for kind in kinds},
        "components": {
            "messages": {kind.name: _message(kind) for kind in kinds},
            "messageTraits": {"signed": {"headers": _headers()}},
        },
    }


def _operation(kind: EventType) -> dict[str, Any]:
    return {
        "action": "send",
        "channel": {"$ref": "#/channels/endpoint"},
        "summary": kind.description,
        "messages": [{"$ref": f"#/channels/endpoint/messages/{kind.name}"}],
        "bindings": {"http": {"method": "POST", "bindingVersion": "0.3.0"}},
    }


def _message(kind: EventType) -> dict[str, Any]:
    return {
        "name": kind.name,
        "title": kind.name,
        "summary": kind.description,
        "contentType": "application/json",
        "traits": [{"$ref": "#/components/messageTraits/signed"}],
        "payload": kind.body_schema,
        "examples": [{"name": "example", "payload": kind.example}],
    }


def _headers() -> dict[str, Any]:
    told = {name: {"type": "string", "description": text} for name, text in {**_HEADERS, **_SOMETIMES}.items()}
    return {"type": "object", "required": list(_HEADERS), "properties": told}


def install(app: Flask, *, version: str) -> None:
    """Serve the AsyncAPI document to whoever asks, as the OpenAPI document is."""
    text = json.dumps(asyncapi(version=version), indent=1, ensure_ascii=False)

    @app.get("/asyncapi.json")
    def asyncapi_json() -> Response:
        return Response(text, mimetype="application/json")
