"""/v1/webhook-endpoints: where your events go."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

from api import webhook_keys
from api.admission import act
from api.auth import principal, requires
from api.fields import clipped
from api.v1.webhook_endpoint_schemas import (
    EndpointChangeSchema,
    EndpointListSchema,
    EndpointSchema,
    EndpointTestSchema,
    EndpointWithHealthSchema,
    NewEndpointSchema,
    RotationSchema,
    StatsQuery,
    StatsSchema,
)
from coalition import programme
from kit import clock, ids
from kit.db import Session
from kit.http import etags
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.etags import Tagged
from kit.http.services import services
from webhooks import authentication, endpoint_health, endpoints, signing
from webhooks.addresses import LOOPBACK, EndpointUrlRefused, check_url
from webhooks.authentication import AuthenticationRefused
from webhooks.endpoint_settings import BatchesUnordered, HeadersRefused, MetadataRefused, Settings, Status
from webhooks.endpoints import Endpoint, EndpointNotFound
from webhooks.filters import FilterRefused

A_DAY = timedelta(days=1)
SETTINGS_REFUSED = (
    EndpointUrlRefused, FilterRefused, HeadersRefused, MetadataRefused, BatchesUnordered, AuthenticationRefused,
)  # fmt: skip

endpoints_api = Blueprint(
    "webhook-endpoints", __name__, url_prefix="/v1/webhook-endpoints", description="Where we send your events"
)


def _checked(session: Session, body: dict[str, Any]) -> Settings:
    """The settings in `body`; raises EndpointUrlRefused, AuthenticationRefused."""
    if "url" in body:
        _check_url(session, body["url"])
    asked = body.get("authentication")
    if asked is None:
        return cast(Settings, body)
    if "token_url" in asked:
        try:
            _check_url(session, asked["token_url"])
        except EndpointUrlRefused as refused:
            raise AuthenticationRefused(f"token_url: {refused.detail}", field="token_url") from None
    return cast(Settings, {**body, "authentication": authentication.parse(asked, now=clock.now())})


def _check_url(session: Session, url: str) -> None:
    svc = services()
    is_demo = programme.get(session).is_demo
    allowed = svc.settings.webhook_allowed_networks + (LOOPBACK if is_demo else ())
    check_url(url, allow_http=svc.settings.webhook_allow_http or is_demo, allowed=allowed)


def _shown(found: Endpoint, **more: Any) -> dict[str, Any]:
    keys_url = webhook_keys.url_of(found.partner_id) if "v1a" in found.signatures else None
    return {**vars(found), "keys_url": keys_url, **more}


def _tagged(found: Endpoint, status: int = 200, **more: Any) -> Tagged[dict[str, Any]]:
    return _shown(found, **more), status, etags.tag_of(found.version)


@endpoints_api.post("")
@endpoints_api.doc(summary="Register an endpoint. Keep the secret: we show it only this once.")
@requires(endpoints_api, "webhooks:write")
@fails_with(endpoints.TooManyEndpoints, *SETTINGS_REFUSED)
@endpoints_api.arguments(NewEndpointSchema())
@endpoints_api.response(201, EndpointSchema, headers=etags.ETAG)
def register(body: dict[str, Any]) -> Tagged[dict[str, Any]]:
    with services().writing() as session:
        settings = _checked(session, body)
        endpoint, secret = endpoints.register(
            session,
            act(),
            partner_id=principal().partner_id,
            url=settings["url"],
            event_types=settings["event_types"],
            settings=settings,
        )
    return _tagged(endpoint, 201, secret=secret)


@endpoints_api.get("")
@endpoints_api.doc(summary="List your endpoints.")
@requires(endpoints_api, "webhooks:write")
@endpoints_api.response(200, EndpointListSchema)
def everything() -> dict[str, Any]:
    with services().reading() as session:
        return {"data": [_shown(each) for each in endpoints.of_partner(session, principal().partner_id)]}


@endpoints_api.get("/<endpoint_id>")
@endpoints_api.doc(summary="Get one of your endpoints, and how it does now.")
@requires(endpoints_api, "webhooks:write")
@fails_with(EndpointNotFound)
@endpoints_api.response(200, EndpointWithHealthSchema, headers=etags.ETAG)
def get(endpoint_id: str) -> Tagged[dict[str, Any]]:
    with services().reading() as session:
        found = endpoints.get(
            session, endpoint_id=ids.parse(ids.ENDPOINT, endpoint_id), partner_id=principal().partner_id
        )
        health = endpoint_health.health(session, endpoint_id=found.endpoint_id)
    return _tagged(found, health=health)


@endpoints_api.delete("/<endpoint_id>")
@endpoints_api.doc(summary=("Remove an endpoint for good. We send it nothing more. To stop it for a while, pause it."))
@requires(endpoints_api, "webhooks:write")
@fails_with(EndpointNotFound)
@endpoints_api.response(204)
def remove(endpoint_id: str) -> None:
    with services().writing() as session:
        wanted = ids.parse(ids.ENDPOINT, endpoint_id)
        endpoints.remove(session, act(), endpoint_id=wanted, partner_id=principal().partner_id)


@endpoints_api.patch("/<endpoint_id>")
@requires(endpoints_api, "webhooks:write")
@fails_with(EndpointNotFound, endpoints.OrderingInUse, *SETTINGS_REFUSED)
@endpoints_api.doc(
    summary="Change an endpoint. We keep the events of a paused or disabled one until you enable it again.",
    parameters=[etags.IF_MATCH],
)
@endpoints_api.arguments(EndpointChangeSchema())
@endpoints_api.response(200, EndpointSchema, headers=etags.ETAG)
def change(body: dict[str, Any], endpoint_id: str) -> Tagged[dict[str, Any]]:
    expected_version = etags.expected_version()
    with services().writing() as session:
        changed = endpoints.change(
            session,
            act(),
            endpoint_id=ids.parse(ids.ENDPOINT, endpoint_id),
            partner_id=principal().partner_id,
            settings=_checked(session, body),
            expected_version=expected_version,
        )
    return _tagged(changed)


def _set_status(endpoint_id: str, status: Status) -> Tagged[dict[str, Any]]:
    with services().writing() as session:
        changed = endpoints.set_status(
            session,
            act(),
            endpoint_id=ids.parse(ids.ENDPOINT, endpoint_id),
            partner_id=principal().partner_id,
            status=status,
        )
    return _tagged(changed)


@endpoints_api.post("/<endpoint_id>/pause")
@endpoints_api.doc(summary="Pause an endpoint. We keep its events and send nothing until you resume it.")
@requires(endpoints_api, "webhooks:write")
@fails_with(EndpointNotFound)
@endpoints_api.response(200, EndpointSchema, headers=etags.ETAG)
def pause(endpoint_id: str) -> Tagged[dict[str, Any]]:
    return _set_status(endpoint_id, "paused")


@endpoints_api.post("/<endpoint_id>/resume")
@endpoints_api.doc(summary="Resume a paused endpoint. We send what it missed, after what happens now.")
@requires(endpoints_api, "webhooks:write")
@fails_with(EndpointNotFound)
@endpoints_api.response(200, EndpointSchema, headers=etags.ETAG)
def resume(endpoint_id: str) -> Tagged[dict[str, Any]]:
    return _set_status(endpoint_id, "enabled")


@endpoints_api.post("/<endpoint_id>/enable")
@endpoints_api.doc(summary="Enable an endpoint. We send what it missed, after what happens now.")
@requires(endpoints_api, "webhooks:write")
@fails_with(EndpointNotFound)
@endpoints_api.response(200, EndpointSchema, headers=etags.ETAG)
def enable(endpoint_id: str) -> Tagged[dict[str, Any]]:
    return _set_status(endpoint_id, "enabled")


@endpoints_api.post("/<endpoint_id>/disable")
@endpoints_api.doc(summary="Disable an endpoint. We keep its events and send nothing until you enable it.")
@requires(endpoints_api, "webhooks:write")
@fails_with(EndpointNotFound)
@endpoints_api.response(200, EndpointSchema, headers=etags.ETAG)
def disable(endpoint_id: str) -> Tagged[dict[str, Any]]:
    return _set_status(endpoint_id, "disabled")


@endpoints_api.post("/<endpoint_id>/rotate")
@endpoints_api.doc(
    summary="Give an endpoint a new secret. Keep it: we show it only this once. Both sign until the grace period ends."
)
@requires(endpoints_api, "webhooks:write")
@fails_with(EndpointNotFound, signing.SecretRefused)
@endpoints_api.arguments(RotationSchema())
@endpoints_api.response(200, EndpointSchema, headers=etags.ETAG)
def rotate(body: dict[str, Any], endpoint_id: str) -> Tagged[dict[str, Any]]:
    with services().writing() as session:
        endpoint, secret = endpoints.rotate(
            session,
            act(),
            endpoint_id=ids.parse(ids.ENDPOINT, endpoint_id),
            partner_id=principal().partner_id,
            **body,
        )
    return _tagged(endpoint, secret=secret)


@endpoints_api.post("/<endpoint_id>/test")
@endpoints_api.doc(summary="Send a test event to an endpoint: `webhook_endpoint.test`, to this one only.")
@requires(endpoints_api, "webhooks:write")
@fails_with(EndpointNotFound, endpoints.EndpointNotEnabled)
@endpoints_api.response(202, EndpointTestSchema)
def test(endpoint_id: str) -> dict[str, Any]:
    with services().writing() as session:
        event_id = endpoints.send_test(
            session, act(), endpoint_id=ids.parse(ids.ENDPOINT, endpoint_id), partner_id=principal().partner_id
        )
    return {"event_id": event_id}


@endpoints_api.get("/<endpoint_id>/stats")
@endpoints_api.doc(summary="Count the attempts to reach an endpoint, by time: how many ended how, and how fast.")
@requires(endpoints_api, "webhooks:write")
@fails_with(EndpointNotFound, endpoint_health.TooManyBuckets)
@endpoints_api.arguments(StatsQuery(), location="query")
@endpoints_api.response(200, StatsSchema)
def stats(query: dict[str, Any], endpoint_id: str) -> dict[str, Any]:
    until = clipped(query["until"] or clock.now())
    asked = {"since": clipped(query["since"] or until - A_DAY), "until": until, "bucket": query["bucket"]}
    with services().reading() as session:
        found = endpoint_health.stats(
            session, endpoint_id=ids.parse(ids.ENDPOINT, endpoint_id), partner_id=principal().partner_id, **asked
        )
    return {**asked, "data": found}
