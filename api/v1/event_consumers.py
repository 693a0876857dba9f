"""/v1/event-consumers: readers of your events, whose place we remember."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import marshmallow as ma

from api import feed_cursors
from api.admission import act
from api.auth import principal, requires
from api.feed_cursors import CursorOfAnotherConsumer, CursorOfAnotherPartner
from api.v1.events import FeedEventSchema
from kit import clock
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.fields import OPTIONAL, Count, Shown
from kit.http.paging import InvalidCursor
from kit.http.services import services
from webhooks import consumers, feed
from webhooks.consumers import Consumer, ConsumerExists, ConsumerNotFound, CursorBehind, TooManyConsumers
from webhooks.event_types import patterns
from webhooks.feed import CursorExpired, TimeInFuture

event_consumers_api = Blueprint(
    "event-consumers",
    __name__,
    url_prefix="/v1/event-consumers",
    description="Readers of your events, with a place",
)
_PLACE = ma.validate.Length(1, 1000)


class NewConsumerSchema(ma.Schema):
    schema_description = "A consumer to create."

    name = Shown(required=True, validate=ma.validate.Regexp(rf"^{consumers.NAME}\Z"), metadata={"example": "crm"})
    event_types = ma.fields.List(
        ma.fields.String(validate=ma.validate.OneOf(patterns())),
        validate=ma.validate.Length(1, 50),
        load_default=["*"],
        metadata={"example": ["points.*"]},
    )
    start = ma.fields.String(
        load_default="beginning",
        validate=_PLACE,
        metadata={
            "description": "Where it begins: `beginning` (the oldest event we keep), `end`, a time, or a cursor.",
            "example": "beginning",
        },
    )


class CommitSchema(ma.Schema):
    schema_description = "How far a consumer has come."

    cursor = ma.fields.String(required=True, validate=_PLACE)


class SeekSchema(ma.Schema):
    schema_description = "Where a consumer is to go on."

    to = ma.fields.String(
        required=True,
        validate=_PLACE,
        metadata={
            "description": "`beginning` (the oldest event we keep), `end`, a time, or a cursor.",
            "example": "beginning",
        },
    )


class ConsumerSchema(ma.Schema):
    schema_description = "A consumer. Lists and commits leave `lag` out."

    name = ma.fields.String(metadata={"example": "crm"})
    event_types = ma.fields.List(ma.fields.String())
    created_at = ma.fields.AwareDateTime()
    committed_at = ma.fields.AwareDateTime(allow_none=True)
    lag = ma.fields.Integer(
        metadata={
            "description": f"How many of its events it has not committed, counted among the next {100_000:,} events.",
            OPTIONAL: True,
        }
    )

    @ma.post_dump
    def _leave_out(self, shown: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {name: value for name, value in shown.items() if name != "lag" or value is not None}


class ConsumerListSchema(ma.Schema):
    schema_description = "All your consumers."

    data = ma.fields.List(ma.fields.Nested(ConsumerSchema))


class PollQuery(ma.Schema):
    """How much at once."""

    limit = Count(
        least=1,
        most=feed.MOST_PER_PAGE,
        load_default=feed.DEFAULT_PER_PAGE,
        metadata={"description": "How many events to read at once."},
    )


class PollSchema(ma.Schema):
    schema_description = "What a consumer reads next. Commit `next_cursor` when you have dealt with it."

    data = ma.fields.List(ma.fields.Nested(FeedEventSchema))
    next_cursor = ma.fields.String(metadata={"example": "hJ0rqk3o"})
    has_more = ma.fields.Boolean()


@dataclass(frozen=True)
class _Polled:
    data: list[dict[str, Any]]
    next_cursor: str
    has_more: bool


@event_consumers_api.post("")
@event_consumers_api.doc(summary="Create a consumer: a reader of your events with a name, whose place we remember.")
@requires(event_consumers_api, "webhooks:write")
@fails_with(ConsumerExists, TooManyConsumers, InvalidCursor, CursorOfAnotherPartner, CursorExpired, TimeInFuture)
@event_consumers_api.arguments(NewConsumerSchema())
@event_consumers_api.response(201, ConsumerSchema)
def create(body: dict[str, Any]) -> Consumer:
    svc = services()
    partner_id = principal().partner_id
    start = feed_cursors.where(svc.keyring, body["start"], partner_id=partner_id)
    with svc.writing() as session:
        return consumers.create(
            session, act(), partner_id=partner_id, name=body["name"], event_types=body["event_types"], start=start
        )


@event_consumers_api.get("")
@event_consumers_api.doc(summary="List your consumers.")
@requires(event_consumers_api, "webhooks:write")
@event_consumers_api.response(200, ConsumerListSchema)
def everything() -> dict[str, Any]:
    with services().reading() as session:
        return {"data": consumers.of_partner(session, principal().partner_id)}


@event_consumers_api.get("/<consumer_name>")
@event_consumers_api.doc(summary="Get a consumer, and how many events it is behind.")
@requires(event_consumers_api, "webhooks:write")
@fails_with(ConsumerNotFound)
@event_consumers_api.response(200, ConsumerSchema)
def get(consumer_name: str) -> Consumer:
    with services().reading() as session:
        return consumers.get(session, partner_id=principal().partner_id, name=consumer_name)


@event_consumers_api.delete("/<consumer_name>")
@event_consumers_api.doc(summary="Delete a consumer. We forget its place, and keep the events.")
@requires(event_consumers_api, "webhooks:write")
@fails_with(ConsumerNotFound)
@event_consumers_api.response(204)
def remove(consumer_name: str) -> None:
    with services().writing() as session:
        consumers.remove(session, act(), partner_id=principal().partner_id, name=consumer_name)


@event_consumers_api.get("/<consumer_name>/events")
@event_consumers_api.doc(
    summary="Poll: read the events after the consumer's place. The place stays until you commit `next_cursor`."
)
@requires(event_consumers_api, "webhooks:write")
@fails_with(ConsumerNotFound, CursorExpired)
@event_consumers_api.arguments(PollQuery(), location="query")
@event_consumers_api.response(200, PollSchema)
def poll(query: dict[str, Any], consumer_name: str) -> _Polled:
    svc = services()
    partner_id = principal().partner_id
    with svc.reading() as session:
        page = consumers.poll(session, partner_id=partner_id, name=consumer_name, limit=query["limit"])
    cursor = feed_cursors.seal(svc.keyring, page.position, partner_id=partner_id, consumer=consumer_name)
    return _Polled(page.events, cursor, page.has_more)


@event_consumers_api.post("/<consumer_name>/commit")
@event_consumers_api.doc(
    summary="Commit: the consumer goes on after `cursor` from now on. It never goes back this way."
)
@requires(event_consumers_api, "webhooks:write")
@fails_with(ConsumerNotFound, InvalidCursor, CursorOfAnotherPartner, CursorOfAnotherConsumer, CursorBehind)
@event_consumers_api.arguments(CommitSchema())
@event_consumers_api.response(200, ConsumerSchema)
def commit(body: dict[str, Any], consumer_name: str) -> Consumer:
    svc = services()
    partner_id = principal().partner_id
    with svc.writing() as session:
        consumers.check_exists(session, partner_id=partner_id, name=consumer_name)
        position = feed_cursors.unseal(svc.keyring, body["cursor"], partner_id=partner_id, consumer=consumer_name)
        return consumers.commit(session, partner_id=partner_id, name=consumer_name, position=position, now=clock.now())


@event_consumers_api.post("/<consumer_name>/seek")
@event_consumers_api.doc(summary="Seek: move the consumer back to read events again, or forward to leave some out.")
@requires(event_consumers_api, "webhooks:write")
@fails_with(ConsumerNotFound, InvalidCursor, CursorOfAnotherPartner, CursorExpired, TimeInFuture)
@event_consumers_api.arguments(SeekSchema())
@event_consumers_api.response(200, ConsumerSchema)
def seek(body: dict[str, Any], consumer_name: str) -> Consumer:
    svc = services()
    partner_id = principal().partner_id
    with svc.writing() as session:
        consumers.check_exists(session, partner_id=partner_id, name=consumer_name)
        to = feed_cursors.where(svc.keyring, body["to"], partner_id=partner_id)
        return consumers.seek(session, act(), partner_id=partner_id, name=consumer_name, to=to)
