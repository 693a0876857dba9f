"""Events we sent to you. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from typing import Literal

from coalition_client.models.webhook_deliveries import Delivery, DeliveryWithAttempts
from coalition_client.pages import Pages
from coalition_client.transport import Call, Transport, path, query


class WebhookDeliveries:
    """Events we sent to you."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        *,
        endpoint_id: str,
        limit: int | None = None,
        status: Literal["pending", "delivered", "failed", "held", "cancelled", None] | None = None,
    ) -> Pages[Delivery]:
        """List the deliveries to one of your endpoints, oldest first.

        Needs the scope `webhooks:write`.
        """
        return self._transport.pages(
            Delivery,
            Call(
                method="GET",
                path="/v1/webhook-deliveries",
                query=query(limit=limit, endpoint_id=endpoint_id, status=status),
            ),
        )

    def get(self, delivery_id: str) -> DeliveryWithAttempts:
        """Get a delivery with all its attempts.

        Needs the scope `webhooks:write`.

        delivery_id: An id that begins with `dlv_`.
        """
        return self._transport.one(
            DeliveryWithAttempts,
            Call(
                method="GET",
                path=path("/v1/webhook-deliveries/{delivery_id}", delivery_id=delivery_id),
            ),
        )

    def retry(self, delivery_id: str, *, dry_run: bool = False) -> DeliveryWithAttempts:
        """Retry a delivery now, even one that we gave up. The scheduled attempts stay as they are.

        Needs the scope `webhooks:write`.

        delivery_id: An id that begins with `dlv_`.
        """
        return self._transport.one(
            DeliveryWithAttempts,
            Call(
                method="POST",
                path=path("/v1/webhook-deliveries/{delivery_id}/retry", delivery_id=delivery_id),
                query=query(dry_run=dry_run),
            ),
        )

    def cancel(self, delivery_id: str, *, dry_run: bool = False) -> DeliveryWithAttempts:
        """Cancel a delivery that waits or is held. What waits after it goes on. An attempt that runs now may still
        arrive.

        Needs the scope `webhooks:write`.

        delivery_id: An id that begins with `dlv_`.
        """
        return self._transport.one(
            DeliveryWithAttempts,
            Call(
                method="POST",
                path=path("/v1/webhook-deliveries/{delivery_id}/cancel", delivery_id=delivery_id),
                query=query(dry_run=dry_run),
            ),
        )
