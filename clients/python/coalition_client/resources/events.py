"""Your events, to pull. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from datetime import datetime

from coalition_client.models.events import FeedPage, MatchedEvent
from coalition_client.transport import Call, Transport, path, query


class Events:
    """Your events, to pull."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        *,
        cursor: str | None = None,
        since: datetime | None = None,
        event_types: str | None = None,
        limit: int | None = None,
    ) -> FeedPage:
        """Read your events in order. Keep `next_cursor` and pass it as `cursor` to go on, also when a page is empty.

        Needs the scope `webhooks:write`.

        cursor: The `next_cursor` of the page before. Without it the feed begins at the oldest.
        since: Begin with the first event that we wrote at this time or later. Send it without `cursor`.
        event_types: Only events of these types, with commas between them, such as `points.*,member.enrolled`.
        limit: How many events a page has at most.
        """
        return self._transport.one(
            FeedPage,
            Call(
                method="GET",
                path="/v1/events",
                query=query(cursor=cursor, since=since, event_types=event_types, limit=limit),
            ),
        )

    def get(self, event_id: str) -> MatchedEvent:
        """Get an event, and see which of your endpoints it went to and why not to the others.

        Needs the scope `webhooks:write`.

        event_id: An id that begins with `evt_`.
        """
        return self._transport.one(
            MatchedEvent,
            Call(
                method="GET",
                path=path("/v1/events/{event_id}", event_id=event_id),
            ),
        )
