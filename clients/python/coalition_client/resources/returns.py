"""Returns of whole purchases. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from coalition_client.models.batches import ReturnShown
from coalition_client.models.returns import Returned
from coalition_client.transport import Call, Transport, new_key, query
from coalition_client.values import given


class Returns:
    """Returns of whole purchases."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self,
        *,
        reference: str,
        transactions: Sequence[Returned],
        effective_at: datetime | None = None,
        location: str | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> ReturnShown:
        """Return a receipt: reverse its earns, burns and captures together, or none of them.

        We first give back the points that the receipt spent, then take back the points it earned. So the order of
        `transactions` does not change the outcome. If we refuse, `transaction_id` names the transaction that is the
        reason. The reference stands for the whole return: if you send it again with other transactions, the answer
        is `reference_reused`.

        Needs the scope `reversals:write`.

        reference: Your number for the return
        effective_at: When the goods came back. If you leave it out: now.
        location: The id or code of one of your open locations. If you leave it out: the till's, or where the
            purchase was.
        """
        return self._transport.one(
            ReturnShown,
            Call(
                method="POST",
                path="/v1/returns",
                query=query(dry_run=dry_run),
                body=given(
                    reference=reference, effective_at=effective_at, location=location, transactions=transactions
                ),
                key=idempotency_key or new_key(),
            ),
        )
