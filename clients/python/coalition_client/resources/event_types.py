"""The kinds of events. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from coalition_client.models.event_types import EventType
from coalition_client.transport import Call, Transport


class EventTypes:
    """The kinds of events."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> tuple[EventType, ...]:
        """List every kind of event. An endpoint subscribes to a kind, or to a family such as `points.*`.

        Needs the scope `webhooks:write`.
        """
        return self._transport.all(
            EventType,
            Call(
                method="GET",
                path="/v1/event-types",
            ),
        )
