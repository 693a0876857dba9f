"""Returns of whole purchases. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from coalition_client.models.returns import Returned, ReturnShown
from coalition_client.transport import Call, Transport, new_key, query
from coalition_client.values import given


class Returns:
    """Returns of whole purchases."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def give_back(
        self,
        *,
        reference: str,
        transactions: Sequence[Returned],
        effective_at: datetime | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> ReturnShown:
        """Reverse the earns, burns and captures of one purchase together: all of them, or none.

        The points it spent come back first, then the points it earned are taken back, so the outcome is the same
        whatever the order of `transactions`. A refusal names the transaction it is about in `transaction_id`.

        Needs the scope `reversals:write`.

        reference: The number of your return
        effective_at: When the goods came back; now, if left out
        """
        return self._transport.one(
            ReturnShown,
            Call(
                method="POST",
                path="/v1/returns",
                query=query(dry_run=dry_run),
                body=given(reference=reference, effective_at=effective_at, transactions=transactions),
                key=idempotency_key or new_key(),
            ),
        )
