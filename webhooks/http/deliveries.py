"""/v1/webhook-deliveries: what was sent to you, every attempt of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import marshmallow as ma

from kit import clock, ids
from kit.http import paging
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.fields import Id
from kit.http.paging import Page, PageQuery
from kit.http.services import services
from partners.http.auth import principal, requires
from webhooks import deliveries, endpoints

deliveries_api = Blueprint(
    "webhook-deliveries", __name__, url_prefix="/v1/webhook-deliveries", description="What was sent to you"
)


class DeliveryQuery(PageQuery):
    """Which deliveries."""

    endpoint_id = Id(ids.ENDPOINT, required=True)
    state = ma.fields.String(validate=ma.validate.OneOf(["pending", "delivered", "failed"]), load_default=None)


class AttemptSchema(ma.Schema):
    """One HTTP try."""

    attempt_no = ma.fields.Integer()
    started_at = ma.fields.AwareDateTime()
    outcome = ma.fields.String(validate=ma.validate.OneOf(["unknown", "succeeded", "failed"]))
    status_code = ma.fields.Integer(allow_none=True)
    error = ma.fields.String(allow_none=True)
    duration_ms = ma.fields.Integer(allow_none=True)


class DeliverySchema(ma.Schema):
    """One event for one endpoint."""

    delivery_id = Id(ids.DELIVERY)
    endpoint_id = Id(ids.ENDPOINT)
    event_id = Id(ids.EVENT)
    event_type = ma.fields.String()
    state = ma.fields.String()
    attempts_made = ma.fields.Integer()
    due_at = ma.fields.AwareDateTime()
    completed_at = ma.fields.AwareDateTime(allow_none=True)


class DeliveryWithAttemptsSchema(DeliverySchema):
    """One delivery with its attempts."""

    attempts = ma.fields.List(ma.fields.Nested(AttemptSchema))


class DeliveryPageSchema(ma.Schema):
    """A page of deliveries."""

    data = ma.fields.List(ma.fields.Nested(DeliverySchema))
    next_cursor = ma.fields.String(allow_none=True)


@deliveries_api.get("")
@requires(deliveries_api, "webhooks:write")
@fails_with(endpoints.EndpointNotFound, paging.InvalidCursor)
@deliveries_api.arguments(DeliveryQuery(), location="query")
@deliveries_api.response(200, DeliveryPageSchema)
def everything(query: dict[str, Any]) -> Page:
    """Deliveries of one of your endpoints, oldest first."""
    parts = services()
    partner_id = principal().partner_id
    bound_to = ["deliveries", query["endpoint_id"], query["state"], principal().client_id]
    after = paging.unseal(parts.keyring, query["cursor"], bound_to=bound_to, start=0)
    with parts.reading() as session:
        endpoints.get(session, endpoint_id=query["endpoint_id"], partner_id=partner_id)
        found = deliveries.of_endpoint(
            session,
            endpoint_id=query["endpoint_id"],
            partner_id=partner_id,
            state=query["state"],
            after=UUID(int=after),
            limit=query["limit"] + 1,
        )
    page = found[: query["limit"]]
    more = len(found) > len(page)
    cursor = paging.seal(parts.keyring, bound_to=bound_to, position=page[-1].delivery_id.int) if more else None
    return Page(page, cursor)


@deliveries_api.get("/<delivery_id>")
@requires(deliveries_api, "webhooks:write")
@fails_with(deliveries.DeliveryNotFound)
@deliveries_api.response(200, DeliveryWithAttemptsSchema)
def get(delivery_id: str) -> deliveries.Delivery:
    """One delivery with every attempt."""
    with services().reading() as session:
        return deliveries.get(
            session, delivery_id=ids.parse(ids.DELIVERY, delivery_id), partner_id=principal().partner_id
        )


@deliveries_api.post("/<delivery_id>/retry")
@requires(deliveries_api, "webhooks:write")
@fails_with(
    deliveries.DeliveryNotFound, deliveries.AlreadyDelivered, deliveries.EndpointDisabled, endpoints.EndpointNotFound
)
@deliveries_api.response(202, DeliveryWithAttemptsSchema)
def retry(delivery_id: str) -> deliveries.Delivery:
    """Send it again now, also when it was given up; the attempts of the schedule stay as they are."""
    with services().writing() as session:
        return deliveries.retry(
            session,
            delivery_id=ids.parse(ids.DELIVERY, delivery_id),
            partner_id=principal().partner_id,
            now=clock.now(),
        )
