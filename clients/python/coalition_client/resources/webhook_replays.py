"""Your events, sent once more. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from coalition_client.models.webhook_replays import Replay
from coalition_client.pages import Pages
from coalition_client.transport import Call, Transport, path, query
from coalition_client.values import given


class WebhookReplays:
    """Your events, sent once more."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, limit: int | None = None) -> Pages[Replay]:
        """List your replays, oldest first.

        Needs the scope `webhooks:write`.
        """
        return self._transport.pages(
            Replay,
            Call(
                method="GET",
                path="/v1/webhook-replays",
                query=query(limit=limit),
            ),
        )

    def create(
        self,
        *,
        endpoint_id: str,
        since: datetime,
        until: datetime | None = None,
        event_types: Sequence[str] | None = None,
        selection: Literal["failed", "missing", "all"] | None = None,
        dry_run: bool = False,
    ) -> Replay:
        """Send events of some time to an endpoint once more. A dry run tells how many events that would concern.

        Needs the scope `webhooks:write`.

        since: Events that happened from then on
        until: and before then. Now, if you leave it out
        selection: `failed`: deliveries we gave up. `missing`: events that the endpoint never had a delivery of.
            `all`: both, and what arrived already.
        """
        return self._transport.one(
            Replay,
            Call(
                method="POST",
                path="/v1/webhook-replays",
                query=query(dry_run=dry_run),
                body=given(
                    endpoint_id=endpoint_id, since=since, until=until, event_types=event_types, selection=selection
                ),
            ),
        )

    def get(self, replay_id: str) -> Replay:
        """Get a replay, and how far it is.

        Needs the scope `webhooks:write`.

        replay_id: An id that begins with `rpl_`.
        """
        return self._transport.one(
            Replay,
            Call(
                method="GET",
                path=path("/v1/webhook-replays/{replay_id}", replay_id=replay_id),
            ),
        )

    def cancel(self, replay_id: str, *, dry_run: bool = False) -> Replay:
        """Cancel a replay that is running. We send what it has taken up already.

        Needs the scope `webhooks:write`.

        replay_id: An id that begins with `rpl_`.
        """
        return self._transport.one(
            Replay,
            Call(
                method="POST",
                path=path("/v1/webhook-replays/{replay_id}/cancel", replay_id=replay_id),
                query=query(dry_run=dry_run),
            ),
        )
