"""What your statements are made of. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from coalition_client.models.obligations import Line
from coalition_client.pages import Pages
from coalition_client.transport import Call, Transport, path, query


class Obligations:
    """What your statements are made of."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def lines(self, obligation_id: str, *, limit: int | None = None) -> Pages[Line]:
        """List the postings that an obligation of yours is made of. Fees and tax have none.

        Needs the scope `settlement:read`.

        obligation_id: An id that begins with `obl_`.
        """
        return self._transport.pages(
            Line,
            Call(
                method="GET",
                path=path("/v1/obligations/{obligation_id}/lines", obligation_id=obligation_id),
                query=query(limit=limit),
            ),
        )
