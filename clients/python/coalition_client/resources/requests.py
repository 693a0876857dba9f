"""What you asked, and what came. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from coalition_client.models.requests import Request
from coalition_client.transport import Call, Transport, path


class Requests:
    """What you asked, and what came."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self, request_id: str) -> Request:
        """One request of your partner account, by the Request-Id of its answer: what you sent, what was decided, a
        remedy.

        Kept for some days are requests that changed something and requests that were refused, except those refused
        for having no valid token or being too many. If you send the same Request-Id twice, the newer request is
        shown.

        Needs the scope `transactions:read`.

        request_id: The Request-Id of an answer.
        """
        return self._transport.one(
            Request,
            Call(
                method="GET",
                path=path("/v1/requests/{request_id}", request_id=request_id),
            ),
        )
