"""What they disagree about. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from typing import Literal

from coalition_client.models.reconciliation_breaks import Break
from coalition_client.pages import Pages
from coalition_client.transport import Call, Transport, query


class ReconciliationBreaks:
    """What they disagree about."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list_breaks(
        self,
        *,
        limit: int | None = None,
        state: Literal["open", "resolved", None] | None = None,
        type: str | None = None,
    ) -> Pages[Break]:
        """List what your files and the ledger disagree about, oldest first.

        Needs the scope `settlement:read`.
        """
        return self._transport.pages(
            Break,
            Call(
                method="GET",
                path="/v1/reconciliation-breaks",
                query=query(limit=limit, state=state, type=type),
            ),
        )
