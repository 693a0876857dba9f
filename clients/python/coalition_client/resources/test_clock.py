"""In the sandbox only: your own time. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from datetime import datetime

from coalition_client.models.test_clock import Clock
from coalition_client.transport import Call, Transport, query
from coalition_client.values import given


class TestClock:
    """In the sandbox only: your own time."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self) -> Clock:
        """What time it is for you: the true time, unless you put your clock forward.

        Needs the scope `transactions:read`.
        """
        return self._transport.one(
            Clock,
            Call(
                method="GET",
                path="/v1/test-clock",
            ),
        )

    def put(self, *, now: datetime, dry_run: bool = False) -> Clock:
        """Put your clock forward, for all your clients; it goes on from there, and never back.

        What has fallen due by then is done before the answer: your holds lapse, the points you issued vest and
        expire. The business day stays the sandbox's own, and so do the times of tokens, codes and locks.

        Needs the scope `earn:write`.

        now: behind your clock's present time, within three years
        """
        return self._transport.one(
            Clock,
            Call(
                method="PUT",
                path="/v1/test-clock",
                query=query(dry_run=dry_run),
                body=given(now=now),
            ),
        )
