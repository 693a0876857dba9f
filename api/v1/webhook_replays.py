"""/v1/webhook-replays: your events once more, sent to an endpoint as a job."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import marshmallow as ma
from marshmallow import validate

from api.admission import act
from api.auth import principal, requires
from api.fields import clipped
from kit import clock, ids
from kit.http import paging
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.fields import Id, Instant
from kit.http.paging import Page, PageQuery
from kit.http.requests import DRY_RUN
from kit.http.services import services
from webhooks import endpoints, replays
from webhooks.event_types import patterns
from webhooks.replays import Replay

replays_api = Blueprint(
    "webhook-replays", __name__, url_prefix="/v1/webhook-replays", description="Your events, sent once more"
)


class NewReplaySchema(ma.Schema):
    schema_description = "Which events to send again, and where to."

    endpoint_id = Id(ids.ENDPOINT, required=True)
    since = Instant(required=True, metadata={"description": "Events that happened from then on"})
    until = Instant(load_default=None, metadata={"description": "and before then. Now, if you leave it out"})
    event_types = ma.fields.List(
        ma.fields.String(validate=validate.OneOf(patterns())), validate=validate.Length(1, 50), load_default=["*"]
    )
    selection = ma.fields.String(
        validate=validate.OneOf(replays.SELECTIONS),
        load_default="failed",
        metadata={
            "description": (
                "`failed`: deliveries we gave up. `missing`: events that the endpoint never had a delivery of. `all`: "
                "both, and what arrived already."
            )
        },
    )


class ReplaySchema(ma.Schema):
    schema_description = "A replay, and how far it is."

    replay_id = Id(ids.REPLAY)
    endpoint_id = Id(ids.ENDPOINT)
    since = ma.fields.AwareDateTime()
    until = ma.fields.AwareDateTime()
    event_types = ma.fields.List(ma.fields.String())
    selection = ma.fields.String()
    status = ma.fields.String(
        attribute="state", metadata={"description": "`running`, `done` or `cancelled`", "example": "running"}
    )
    events = ma.fields.Integer(metadata={"description": "How many events it concerned when it began"})
    processed = ma.fields.Integer(metadata={"description": "How many of them we have processed"})
    sent_again = ma.fields.Integer(metadata={"description": "How many of those we send again"})
    percent = ma.fields.Integer()
    created_at = ma.fields.AwareDateTime()
    ended_at = ma.fields.AwareDateTime(allow_none=True)


class ReplayPageSchema(ma.Schema):
    schema_description = "A page of replays."

    data = ma.fields.List(ma.fields.Nested(ReplaySchema))
    next_cursor = ma.fields.String(allow_none=True)


@replays_api.post("")
@replays_api.doc(
    summary="Send events of some time to an endpoint once more. A dry run tells how many events that would concern.",
    parameters=[DRY_RUN],
)
@requires(replays_api, "webhooks:write")
@fails_with(
    endpoints.EndpointNotFound, replays.ReplayEmpty, replays.ReplayTooLarge, replays.ReplayTooOld,
    replays.TooManyReplays,
)  # fmt: skip
@replays_api.arguments(NewReplaySchema())
@replays_api.response(202, ReplaySchema)
def create(body: dict[str, Any]) -> Replay:
    with services().writing() as session:
        return replays.create(
            session,
            act(),
            partner_id=principal().partner_id,
            **{**body, "since": clipped(body["since"]), "until": clipped(body["until"] or clock.now())},
        )


@replays_api.get("")
@replays_api.doc(summary="List your replays, oldest first.")
@requires(replays_api, "webhooks:write")
@fails_with(paging.InvalidCursor)
@replays_api.arguments(PageQuery(), location="query")
@replays_api.response(200, ReplayPageSchema)
def everything(query: dict[str, Any]) -> Page:
    svc = services()
    bound_to = ["replays", principal().client_id]
    after = paging.unseal(svc.keyring, query["cursor"], bound_to=bound_to, start=0)
    with svc.reading() as session:
        found = replays.of_partner(
            session, partner_id=principal().partner_id, after=UUID(int=after), limit=query["limit"] + 1
        )
    page = found[: query["limit"]]
    more = len(found) > len(page)
    cursor = paging.seal(svc.keyring, bound_to=bound_to, position=page[-1].replay_id.int) if more else None
    return Page(page, cursor)


@replays_api.get("/<replay_id>")
@replays_api.doc(summary="Get a replay, and how far it is.")
@requires(replays_api, "webhooks:write")
@fails_with(replays.ReplayNotFound)
@replays_api.response(200, ReplaySchema)
def get(replay_id: str) -> Replay:
    with services().reading() as session:
        return replays.get(session, replay_id=ids.parse(ids.REPLAY, replay_id), partner_id=principal().partner_id)


@replays_api.post("/<replay_id>/cancel")
@replays_api.doc(summary="Cancel a replay that is running. We send what it has taken up already.")
@requires(replays_api, "webhooks:write")
@fails_with(replays.ReplayNotFound, replays.ReplayEnded)
@replays_api.response(200, ReplaySchema)
def cancel(replay_id: str) -> Replay:
    with services().writing() as session:
        wanted = ids.parse(ids.REPLAY, replay_id)
        return replays.cancel(session, act(), replay_id=wanted, partner_id=principal().partner_id)
