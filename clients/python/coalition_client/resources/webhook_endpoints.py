"""Where your events go. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from coalition_client.models.webhook_endpoints import Endpoint
from coalition_client.transport import Call, Transport, path, query
from coalition_client.values import Meta, given


class WebhookEndpoints:
    """Where your events go."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> tuple[Endpoint, ...]:
        """Your endpoints.

        Needs the scope `webhooks:write`.
        """
        return self._transport.all(
            Endpoint,
            Call(
                method="GET",
                path="/v1/webhook-endpoints",
            ),
        )

    def register(self, *, url: str, event_types: Sequence[str] | None = None, dry_run: bool = False) -> Endpoint:
        """Register an endpoint; keep the secret, it is shown this once.

        Needs the scope `webhooks:write`.
        """
        return self._transport.one(
            Endpoint,
            Call(
                method="POST",
                path="/v1/webhook-endpoints",
                query=query(dry_run=dry_run),
                body=given(url=url, event_types=event_types),
            ),
        )

    def get(self, endpoint_id: str) -> Endpoint:
        """One endpoint of yours.

        Needs the scope `webhooks:write`.

        endpoint_id: An id that begins with `ep_`.
        """
        return self._transport.one(
            Endpoint,
            Call(
                method="GET",
                path=path("/v1/webhook-endpoints/{endpoint_id}", endpoint_id=endpoint_id),
            ),
        )

    def change(
        self, endpoint_id: str, *, status: Literal["enabled", "disabled"], if_match: str, dry_run: bool = False
    ) -> Endpoint:
        """Enable or disable an endpoint; a disabled one keeps its events for when it is enabled again.

        Needs the scope `webhooks:write`.

        endpoint_id: An id that begins with `ep_`.
        """
        return self._transport.one(
            Endpoint,
            Call(
                method="PATCH",
                path=path("/v1/webhook-endpoints/{endpoint_id}", endpoint_id=endpoint_id),
                query=query(dry_run=dry_run),
                body=given(status=status),
                if_match=if_match,
            ),
        )

    def remove(self, endpoint_id: str, *, dry_run: bool = False) -> Meta:
        """Remove an endpoint for good: nothing more is sent to it or kept for it. To stop for a while, disable it.

        Needs the scope `webhooks:write`.

        endpoint_id: An id that begins with `ep_`.
        """
        return self._transport.done(
            Call(
                method="DELETE",
                path=path("/v1/webhook-endpoints/{endpoint_id}", endpoint_id=endpoint_id),
                query=query(dry_run=dry_run),
            )
        )
