"""/v1/webhook-deliveries: what was sent to you, every attempt of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import marshmallow as ma

from api.admission import act
from api.auth import principal, requires
from kit import clock, ids
from kit.http import paging
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.fields import Id
from kit.http.paging import Page, PageQuery
from kit.http.services import services
from webhooks import deliveries, endpoints

deliveries_api = Blueprint(
    "webhook-deliveries", __name__, url_prefix="/v1/webhook-deliveries", description="Events we sent to you"
)


class DeliveryQuery(PageQuery):
    """Which deliveries."""

    endpoint_id = Id(ids.ENDPOINT, required=True)
    status = ma.fields.String(validate=ma.validate.OneOf(deliveries.STATES), load_default=None)


class AttemptSchema(ma.Schema):
    schema_description = "One HTTP try."

    attempt_no = ma.fields.Integer()
    started_at = ma.fields.AwareDateTime()
    outcome = ma.fields.String(validate=ma.validate.OneOf(["unknown", "succeeded", "failed"]))
    status_code = ma.fields.Integer(allow_none=True)
    error = ma.fields.String(allow_none=True)
    duration_ms = ma.fields.Integer(
        allow_none=True,
        metadata={
            "description": (
                "How long all of it took. Of it `dns_ms`, `connect_ms`, `tls_ms` and `first_byte_ms`, one after the "
                "other. Each is null if there was none of it, as over a connection that we kept, or if it did not end."
            )
        },
    )
    dns_ms = ma.fields.Integer(
        allow_none=True, metadata={"description": "Looking up the host's name. 0: we still knew its addresses."}
    )
    connect_ms = ma.fields.Integer(allow_none=True, metadata={"description": "Connecting by TCP."})
    tls_ms = ma.fields.Integer(allow_none=True, metadata={"description": "The handshake of TLS."})
    first_byte_ms = ma.fields.Integer(
        allow_none=True, metadata={"description": "From the connection to the first byte of your answer."}
    )
    remote_ip = ma.fields.String(allow_none=True, metadata={"description": "The address we connected to."})
    response = ma.fields.String(
        allow_none=True, metadata={"description": "What your endpoint answered, its first 64 KiB as text."}
    )


class DeliverySchema(ma.Schema):
    schema_description = "One event for one endpoint."

    delivery_id = Id(ids.DELIVERY)
    endpoint_id = Id(ids.ENDPOINT)
    event_id = Id(ids.EVENT)
    event_type = ma.fields.String()
    status = ma.fields.String(
        attribute="state", validate=ma.validate.OneOf(deliveries.STATES), metadata={"example": "delivered"}
    )
    sequence = ma.fields.Integer(
        allow_none=True,
        metadata={"description": "Its number among the endpoint's deliveries, as in the header `coalition-sequence`."},
    )
    attempts_made = ma.fields.Integer()
    due_at = ma.fields.AwareDateTime()
    completed_at = ma.fields.AwareDateTime(allow_none=True)


class DeliveryWithAttemptsSchema(DeliverySchema):
    schema_description = "One delivery with its attempts."

    attempts = ma.fields.List(ma.fields.Nested(AttemptSchema))


class DeliveryPageSchema(ma.Schema):
    schema_description = "A page of deliveries."

    data = ma.fields.List(ma.fields.Nested(DeliverySchema))
    next_cursor = ma.fields.String(allow_none=True)


@deliveries_api.get("")
@deliveries_api.doc(summary="List the deliveries to one of your endpoints, oldest first.")
@requires(deliveries_api, "webhooks:write")
@fails_with(endpoints.EndpointNotFound, paging.InvalidCursor)
@deliveries_api.arguments(DeliveryQuery(), location="query")
@deliveries_api.response(200, DeliveryPageSchema)
def everything(query: dict[str, Any]) -> Page:
    svc = services()
    partner_id = principal().partner_id
    bound_to = ["deliveries", query["endpoint_id"], query["status"], principal().client_id]
    after = paging.unseal(svc.keyring, query["cursor"], bound_to=bound_to, start=0)
    with svc.reading() as session:
        endpoints.get(session, endpoint_id=query["endpoint_id"], partner_id=partner_id)
        found = deliveries.of_endpoint(
            session,
            endpoint_id=query["endpoint_id"],
            partner_id=partner_id,
            state=query["status"],
            after=UUID(int=after),
            limit=query["limit"] + 1,
        )
    page = found[: query["limit"]]
    more = len(found) > len(page)
    cursor = paging.seal(svc.keyring, bound_to=bound_to, position=page[-1].delivery_id.int) if more else None
    return Page(page, cursor)


@deliveries_api.get("/<delivery_id>")
@deliveries_api.doc(summary="Get a delivery with all its attempts.")
@requires(deliveries_api, "webhooks:write")
@fails_with(deliveries.DeliveryNotFound)
@deliveries_api.response(200, DeliveryWithAttemptsSchema)
def get(delivery_id: str) -> deliveries.Delivery:
    with services().reading() as session:
        return deliveries.get(
            session, delivery_id=ids.parse(ids.DELIVERY, delivery_id), partner_id=principal().partner_id
        )


@deliveries_api.post("/<delivery_id>/retry")
@deliveries_api.doc(summary="Retry a delivery now, even one that we gave up. The scheduled attempts stay as they are.")
@requires(deliveries_api, "webhooks:write")
@fails_with(
    deliveries.DeliveryNotFound,
    deliveries.AlreadyDelivered,
    deliveries.DeliveryCancelled,
    deliveries.EndpointDisabled,
    endpoints.EndpointNotFound,
)
@deliveries_api.response(202, DeliveryWithAttemptsSchema)
def retry(delivery_id: str) -> deliveries.Delivery:
    with services().writing() as session:
        return deliveries.retry(
            session,
            delivery_id=ids.parse(ids.DELIVERY, delivery_id),
            partner_id=principal().partner_id,
            now=clock.now(),
        )


@deliveries_api.post("/<delivery_id>/cancel")
@deliveries_api.doc(
    summary=(
        "Cancel a delivery that waits or is held. What waits after it goes on. An attempt that runs now may still "
        "arrive."
    )
)
@requires(deliveries_api, "webhooks:write")
@fails_with(deliveries.DeliveryNotFound, deliveries.AlreadyDelivered)
@deliveries_api.response(200, DeliveryWithAttemptsSchema)
def cancel(delivery_id: str) -> deliveries.Delivery:
    with services().writing() as session:
        return deliveries.cancel(
            session,
            act(),
            delivery_id=ids.parse(ids.DELIVERY, delivery_id),
            partner_id=principal().partner_id,
        )
