"""/v1/webhook-endpoints: where your events go."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from coalition import programme
from kit import clock, ids
from kit.http import etags
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.fields import OPTIONAL, Id
from kit.http.services import services
from partners.http.admission import write_down
from partners.http.auth import principal, requires
from webhooks import endpoints
from webhooks.addresses import LOOPBACK, EndpointUrlRefused, check_url
from webhooks.event_types import patterns

endpoints_api = Blueprint(
    "webhook-endpoints", __name__, url_prefix="/v1/webhook-endpoints", description="Where your events go"
)


class NewEndpointSchema(ma.Schema):
    """An endpoint to register."""

    url = ma.fields.String(
        required=True, validate=ma.validate.Length(1, 2000), metadata={"pattern": "^https?://", "format": "uri"}
    )
    event_types = ma.fields.List(
        ma.fields.String(validate=ma.validate.OneOf(patterns())),
        validate=ma.validate.Length(1, 50),
        load_default=["*"],
    )


class EndpointChangeSchema(ma.Schema):
    """What can be changed."""

    status = ma.fields.String(required=True, validate=ma.validate.OneOf(["enabled", "disabled"]))


class EndpointSchema(ma.Schema):
    """An endpoint; `secret` is in the answer to its registration only."""

    endpoint_id = Id(ids.ENDPOINT)
    url = ma.fields.String()
    event_types = ma.fields.List(ma.fields.String())
    status = ma.fields.String()
    created_at = ma.fields.AwareDateTime()
    secret = ma.fields.String(metadata={OPTIONAL: True})


class EndpointListSchema(ma.Schema):
    """All your endpoints."""

    data = ma.fields.List(ma.fields.Nested(EndpointSchema))


@endpoints_api.post("")
@requires(endpoints_api, "webhooks:write")
@fails_with(endpoints.TooManyEndpoints, EndpointUrlRefused)
@endpoints_api.arguments(NewEndpointSchema())
@endpoints_api.response(201, EndpointSchema, headers=etags.ETAG)
def register(body: dict[str, Any]) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Register an endpoint; keep the secret, it is shown this once."""
    parts = services()
    with parts.writing() as session:
        is_demo = programme.get(session).is_demo
        allowed = parts.settings.webhook_allowed_networks + (LOOPBACK if is_demo else ())
        endpoint, secret = endpoints.register(
            session,
            partner_id=principal().partner_id,
            url=check_url(body["url"], allow_http=parts.settings.webhook_allow_http or is_demo, allowed=allowed),
            event_types=body["event_types"],
            now=clock.now(),
            keyring=parts.keyring,
        )
        shown = ids.show(ids.ENDPOINT, endpoint.endpoint_id)
        write_down(session, "webhook_endpoint.registered", shown, event_types=endpoint.event_types)
    return {**vars(endpoint), "secret": secret}, 201, etags.tag_of(endpoint.version)


@endpoints_api.get("")
@requires(endpoints_api, "webhooks:write")
@endpoints_api.response(200, EndpointListSchema)
def everything() -> dict[str, Any]:
    """Your endpoints."""
    with services().reading() as session:
        return {"data": endpoints.of_partner(session, principal().partner_id)}


@endpoints_api.get("/<endpoint_id>")
@requires(endpoints_api, "webhooks:write")
@fails_with(endpoints.EndpointNotFound)
@endpoints_api.response(200, EndpointSchema, headers=etags.ETAG)
def get(endpoint_id: str) -> tuple[endpoints.Endpoint, int, dict[str, str]]:
    """One endpoint of yours."""
    with services().reading() as session:
        found = endpoints.get(
            session, endpoint_id=ids.parse(ids.ENDPOINT, endpoint_id), partner_id=principal().partner_id
        )
    return found, 200, etags.tag_of(found.version)


@endpoints_api.delete("/<endpoint_id>")
@requires(endpoints_api, "webhooks:write")
@fails_with(endpoints.EndpointNotFound)
@endpoints_api.response(204)
def remove(endpoint_id: str) -> None:
    """Remove an endpoint for good: nothing more is sent to it or kept for it. To stop for a while, disable it."""
    with services().writing() as session:
        endpoints.remove(
            session,
            endpoint_id=ids.parse(ids.ENDPOINT, endpoint_id),
            partner_id=principal().partner_id,
            now=clock.now(),
        )
        write_down(session, "webhook_endpoint.removed", endpoint_id)


@endpoints_api.patch("/<endpoint_id>")
@requires(endpoints_api, "webhooks:write")
@fails_with(endpoints.EndpointNotFound)
@endpoints_api.doc(parameters=[etags.IF_MATCH])
@endpoints_api.arguments(EndpointChangeSchema())
@endpoints_api.response(200, EndpointSchema, headers=etags.ETAG)
def change(body: dict[str, Any], endpoint_id: str) -> tuple[endpoints.Endpoint, int, dict[str, str]]:
    """Enable or disable an endpoint; a disabled one keeps its events for when it is enabled again."""
    seen = etags.seen()
    with services().writing() as session:
        changed = endpoints.set_status(
            session,
            endpoint_id=ids.parse(ids.ENDPOINT, endpoint_id),
            partner_id=principal().partner_id,
            status=body["status"],
            seen=seen,
        )
        write_down(session, "webhook_endpoint.changed", endpoint_id, status=changed.status)
    return changed, 200, etags.tag_of(changed.version)
