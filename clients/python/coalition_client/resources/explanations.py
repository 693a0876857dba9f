"""Explanations of your transactions. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from coalition_client.models.explanations import Explanation
from coalition_client.transport import Call, Transport, path


class Explanations:
    """Explanations of your transactions."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def explain(self, transaction_id: str) -> Explanation:
        """Explain one of your transactions: the lots it moved, their issuers and prices, and what was reversed since.

        Needs the scope `transactions:read`.

        transaction_id: An id that begins with `txn_`.
        """
        return self._transport.one(
            Explanation,
            Call(
                method="GET",
                path=path("/v1/transactions/{transaction_id}/explanation", transaction_id=transaction_id),
            ),
        )
