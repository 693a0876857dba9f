"""A signed digest of each day's events. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from coalition_client.models.event_digests import Digest
from coalition_client.pages import Pages
from coalition_client.transport import Call, Transport, path, query


class EventDigests:
    """A signed digest of each day's events."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, limit: int | None = None) -> Pages[Digest]:
        """List your digests, newest first: one for each day.

        Needs the scope `webhooks:write`.
        """
        return self._transport.pages(
            Digest,
            Call(
                method="GET",
                path="/v1/event-digests",
                query=query(limit=limit),
            ),
        )

    def get(self, day: str) -> Digest:
        """Get the digest of a day. It ends with the last event we wrote before midnight in UTC.

        Needs the scope `webhooks:write`.

        day: A day in UTC.
        """
        return self._transport.one(
            Digest,
            Call(
                method="GET",
                path=path("/v1/event-digests/{day}", day=day),
            ),
        )
