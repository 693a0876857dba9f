"""Sandbox only: your own clock. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from datetime import datetime

from coalition_client.models.test_clock import Clock
from coalition_client.transport import Call, Transport, query
from coalition_client.values import given


class TestClock:
    """Sandbox only: your own clock."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self) -> Clock:
        """Get the time of your clock. It is the true time unless you moved the clock forward.

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
        """Move your clock forward, for all your clients. It runs on from there and never goes back.

        Before we answer, we do what is due by then: your holds lapse, and the points you issued vest and expire.
        The business day, tokens, codes and locks keep the sandbox's own time.

        Needs the scope `earn:write`.

        now: After your clock's present time, at most three years ahead of the true time
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
