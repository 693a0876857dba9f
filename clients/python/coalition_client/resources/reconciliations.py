"""Your files compared with the ledger. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from coalition_client.models.reconciliations import Reconciliation
from coalition_client.pages import Pages
from coalition_client.transport import Call, Transport, query


class Reconciliations:
    """Your files compared with the ledger."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, limit: int | None = None) -> Pages[Reconciliation]:
        """List how your files compared with the ledger, newest first.

        Needs the scope `settlement:read`.
        """
        return self._transport.pages(
            Reconciliation,
            Call(
                method="GET",
                path="/v1/reconciliations",
                query=query(limit=limit),
            ),
        )
