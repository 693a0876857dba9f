"""/v1/events: your events, to pull."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import marshmallow as ma

from api import feed_cursors
from api.auth import principal, requires
from api.feed_cursors import CursorOfAnotherPartner
from api.fields import EventTypes
from kit import clock, ids
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.fields import Count, Id, Instant
from kit.http.paging import InvalidCursor
from kit.http.services import services
from webhooks import event_matches, feed
from webhooks.event_matches import REASONS, EventNotFound
from webhooks.feed import AmbiguousStart, CursorExpired, Start, TimeInFuture

events_api = Blueprint("events", __name__, url_prefix="/v1/events", description="Your events, to pull")


class FeedQuery(ma.Schema):
    """Which events."""

    cursor = ma.fields.String(
        load_default=None,
        validate=ma.validate.Length(1, 1000),
        metadata={"description": "The `next_cursor` of the page before. Without it the feed begins at the oldest."},
    )
    since = Instant(
        load_default=None,
        metadata={
            "description": "Begin with the first event that we wrote at this time or later. Send it without `cursor`."
        },
    )
    event_types = EventTypes(load_default=None)
    limit = Count(
        least=1,
        most=feed.MOST_PER_PAGE,
        load_default=feed.DEFAULT_PER_PAGE,
        metadata={"description": "How many events a page has at most."},
    )


class FeedEventSchema(ma.Schema):
    schema_description = "An event: the same JSON that webhooks bring."

    id = ma.fields.String(metadata={"pattern": "^evt_", "example": "evt_01h45ytscbebyvny4gc8cr8ma2"})
    type = ma.fields.String(metadata={"example": "points.earned"})
    version = ma.fields.Integer()
    timestamp = ma.fields.String(metadata={"format": "date-time"})
    data = ma.fields.Dict(metadata={"description": "What GET /v1/event-types describes for the type."})


class FeedPageSchema(ma.Schema):
    schema_description = "Events in the order of the feed."

    data = ma.fields.List(ma.fields.Nested(FeedEventSchema))
    next_cursor = ma.fields.String(
        metadata={"description": "Where the next page begins. It is there on the last page too.", "example": "hJ0rqk3o"}
    )
    has_more = ma.fields.Boolean(metadata={"description": "`false`: for now there is nothing more."})


class MatchSchema(ma.Schema):
    schema_description = "What became of an event at one of your endpoints."

    endpoint_id = Id(ids.ENDPOINT)
    matched = ma.fields.Boolean()
    delivery_id = Id(ids.DELIVERY, allow_none=True)
    delivery_status = ma.fields.String(attribute="delivery_state", allow_none=True, metadata={"example": "delivered"})
    reason = ma.fields.String(
        allow_none=True,
        validate=ma.validate.OneOf(REASONS),
        metadata={
            "description": (
                "Why there is no delivery. `event_type` and `filter`: the endpoint does not want the event. "
                "`registered_later`: the endpoint is younger than the event. `about_itself`: the event tells of this "
                "endpoint. `unknown`: you changed the endpoint since, or we no longer keep the delivery."
            ),
            "example": "event_type",
        },
    )


class MatchedEventSchema(ma.Schema):
    schema_description = "An event, and what became of it at each of your endpoints."

    event = ma.fields.Nested(FeedEventSchema)
    endpoints = ma.fields.List(ma.fields.Nested(MatchSchema))


@dataclass(frozen=True)
class _Page:
    data: list[dict[str, Any]]
    next_cursor: str
    has_more: bool


@events_api.get("")
@events_api.doc(
    summary="Read your events in order. Keep `next_cursor` and pass it as `cursor` to go on, also when a page is empty."
)
@requires(events_api, "webhooks:write")
@fails_with(AmbiguousStart, InvalidCursor, CursorOfAnotherPartner, CursorExpired, TimeInFuture)
@events_api.arguments(FeedQuery(), location="query")
@events_api.response(200, FeedPageSchema)
def everything(query: dict[str, Any]) -> _Page:
    svc = services()
    partner_id = principal().partner_id
    if query["cursor"] is not None and query["since"] is not None:
        raise AmbiguousStart("send `cursor` or `since`, not both")
    if query["cursor"] is not None:
        where: feed.Where = feed_cursors.unseal(svc.keyring, query["cursor"], partner_id=partner_id)
    else:
        where = query["since"] or Start.BEGINNING
    with svc.reading() as session:
        page = feed.read_from(
            session,
            partner_id=partner_id,
            where=where,
            event_types=query["event_types"] or ["*"],
            limit=query["limit"],
            now=clock.now(),
        )
    return _Page(page.events, feed_cursors.seal(svc.keyring, page.position, partner_id=partner_id), page.has_more)


@events_api.get("/<event_id>")
@events_api.doc(summary="Get an event, and see which of your endpoints it went to and why not to the others.")
@requires(events_api, "webhooks:write")
@fails_with(EventNotFound)
@events_api.response(200, MatchedEventSchema)
def get(event_id: str) -> event_matches.Matched:
    with services().reading() as session:
        return event_matches.get(session, event_id=ids.parse(ids.EVENT, event_id), partner_id=principal().partner_id)
