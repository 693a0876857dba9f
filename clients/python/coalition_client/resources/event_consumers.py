"""Readers of your events, with a place. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from collections.abc import Sequence

from coalition_client.models.event_consumers import Consumer, Poll
from coalition_client.transport import Call, Transport, path, query
from coalition_client.values import Meta, given


class EventConsumers:
    """Readers of your events, with a place."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> tuple[Consumer, ...]:
        """List your consumers.

        Needs the scope `webhooks:write`.
        """
        return self._transport.all(
            Consumer,
            Call(
                method="GET",
                path="/v1/event-consumers",
            ),
        )

    def create(
        self, *, name: str, event_types: Sequence[str] | None = None, start: str | None = None, dry_run: bool = False
    ) -> Consumer:
        """Create a consumer: a reader of your events with a name, whose place we remember.

        Needs the scope `webhooks:write`.

        start: Where it begins: `beginning` (the oldest event we keep), `end`, a time, or a cursor.
        """
        return self._transport.one(
            Consumer,
            Call(
                method="POST",
                path="/v1/event-consumers",
                query=query(dry_run=dry_run),
                body=given(name=name, event_types=event_types, start=start),
            ),
        )

    def get(self, consumer_name: str) -> Consumer:
        """Get a consumer, and how many events it is behind.

        Needs the scope `webhooks:write`.

        consumer_name: The name you gave the consumer.
        """
        return self._transport.one(
            Consumer,
            Call(
                method="GET",
                path=path("/v1/event-consumers/{consumer_name}", consumer_name=consumer_name),
            ),
        )

    def remove(self, consumer_name: str, *, dry_run: bool = False) -> Meta:
        """Delete a consumer. We forget its place, and keep the events.

        Needs the scope `webhooks:write`.

        consumer_name: The name you gave the consumer.
        """
        return self._transport.done(
            Call(
                method="DELETE",
                path=path("/v1/event-consumers/{consumer_name}", consumer_name=consumer_name),
                query=query(dry_run=dry_run),
            )
        )

    def poll(self, consumer_name: str, *, limit: int | None = None) -> Poll:
        """Poll: read the events after the consumer's place. The place stays until you commit `next_cursor`.

        Needs the scope `webhooks:write`.

        consumer_name: The name you gave the consumer.
        limit: How many events to read at once.
        """
        return self._transport.one(
            Poll,
            Call(
                method="GET",
                path=path("/v1/event-consumers/{consumer_name}/events", consumer_name=consumer_name),
                query=query(limit=limit),
            ),
        )

    def commit(self, consumer_name: str, *, cursor: str, dry_run: bool = False) -> Consumer:
        """Commit: the consumer goes on after `cursor` from now on. It never goes back this way.

        Needs the scope `webhooks:write`.

        consumer_name: The name you gave the consumer.
        """
        return self._transport.one(
            Consumer,
            Call(
                method="POST",
                path=path("/v1/event-consumers/{consumer_name}/commit", consumer_name=consumer_name),
                query=query(dry_run=dry_run),
                body=given(cursor=cursor),
            ),
        )

    def seek(self, consumer_name: str, *, to: str, dry_run: bool = False) -> Consumer:
        """Seek: move the consumer back to read events again, or forward to leave some out.

        Needs the scope `webhooks:write`.

        consumer_name: The name you gave the consumer.
        to: `beginning` (the oldest event we keep), `end`, a time, or a cursor.
        """
        return self._transport.one(
            Consumer,
            Call(
                method="POST",
                path=path("/v1/event-consumers/{consumer_name}/seek", consumer_name=consumer_name),
                query=query(dry_run=dry_run),
                body=given(to=to),
            ),
        )
