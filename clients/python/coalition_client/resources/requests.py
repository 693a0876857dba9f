"""Requests you sent. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from coalition_client.models.requests import Request
from coalition_client.transport import Call, Transport, path


class Requests:
    """Requests you sent."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self, request_id: str) -> Request:
        """Get one of your requests by the Request-Id of its answer: what you sent, what we decided, and a remedy.

        For some days we keep requests that changed something and requests that we refused, except those without a
        valid token and those over a rate limit. If you send the same Request-Id twice, you get the newer request.

        Needs the scope `transactions:read`.

        request_id: The Request-Id header of an answer.
        """
        return self._transport.one(
            Request,
            Call(
                method="GET",
                path=path("/v1/requests/{request_id}", request_id=request_id),
            ),
        )
