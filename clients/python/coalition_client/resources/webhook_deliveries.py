"""What was sent to you. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from typing import Literal

from coalition_client.models.webhook_deliveries import Delivery, DeliveryWithAttempts
from coalition_client.pages import Pages
from coalition_client.transport import Call, Transport, path, query


class WebhookDeliveries:
    """What was sent to you."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        *,
        endpoint_id: str,
        limit: int | None = None,
        state: Literal["pending", "delivered", "failed", None] | None = None,
    ) -> Pages[Delivery]:
        """Deliveries of one of your endpoints, oldest first.

        Needs the scope `webhooks:write`.
        """
        return self._transport.pages(
            Delivery,
            Call(
                method="GET",
                path="/v1/webhook-deliveries",
                query=query(limit=limit, endpoint_id=endpoint_id, state=state),
            ),
        )

    def get(self, delivery_id: str) -> DeliveryWithAttempts:
        """One delivery with every attempt.

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
        """Send it again now, also when it was given up; the attempts of the schedule stay as they are.

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
