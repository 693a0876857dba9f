"""What you posted. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from coalition_client.models.members import Transaction
from coalition_client.transport import Call, Transport, path, query


class Transactions:
    """What you posted."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def find(self, *, reference: str) -> tuple[Transaction, ...]:
        """List what you posted under a reference, oldest first (at most 100).

        Needs the scope `transactions:read`.
        """
        return self._transport.all(
            Transaction,
            Call(
                method="GET",
                path="/v1/transactions",
                query=query(reference=reference),
            ),
        )

    def get(self, transaction_id: str) -> Transaction:
        """Get one of your transactions.

        Needs the scope `transactions:read`.

        transaction_id: An id that begins with `txn_`.
        """
        return self._transport.one(
            Transaction,
            Call(
                method="GET",
                path=path("/v1/transactions/{transaction_id}", transaction_id=transaction_id),
            ),
        )
