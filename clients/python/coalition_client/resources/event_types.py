"""What you can hear of. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from coalition_client.models.event_types import EventType
from coalition_client.transport import Call, Transport


class EventTypes:
    """What you can hear of."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> tuple[EventType, ...]:
        """Every kind of event an endpoint can subscribe to, by its name or its family, such as `points.*`.

        Needs the scope `webhooks:write`.
        """
        return self._transport.all(
            EventType,
            Call(
                method="GET",
                path="/v1/event-types",
            ),
        )
