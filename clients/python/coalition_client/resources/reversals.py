"""Returns. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from datetime import datetime

from coalition_client.models.earns import Amount
from coalition_client.models.members import Transaction
from coalition_client.transport import Call, Transport, new_key, path, query
from coalition_client.values import given


class Reversals:
    """Returns."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def reverse(
        self,
        transaction_id: str,
        *,
        reference: str,
        points: int | None = None,
        amount: Amount | None = None,
        effective_at: datetime | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Transaction:
        """Reverse an earn, a burn or a capture of yours, whole or in part, never more in sum than the original.

        Where a purchase both earned and spent points, use `POST /v1/returns`: it reverses both with one outcome.

        Needs the scope `reversals:write`.

        transaction_id: An id that begins with `txn_`.
        reference: The number of your return
        """
        return self._transport.one(
            Transaction,
            Call(
                method="POST",
                path=path("/v1/transactions/{transaction_id}/reversals", transaction_id=transaction_id),
                query=query(dry_run=dry_run),
                body=given(reference=reference, points=points, amount=amount, effective_at=effective_at),
                key=idempotency_key or new_key(),
            ),
        )

    def claw_back(
        self,
        *,
        reference: str,
        amount: Amount,
        card: str | None = None,
        phone: str | None = None,
        email: str | None = None,
        external_id: str | None = None,
        code: str | None = None,
        member_id: str | None = None,
        effective_at: datetime | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Transaction:
        """Take back what an amount earns at your rate, from your own points, the last issued first.

        You take back at most what you issued to the member and have not taken back yet; that may be no points at
        all.

        Needs the scope `reversals:write`.

        card: 12 to 19 digits, Luhn-valid
        phone: + and country code (E.164)
        external_id: your own id of them
        code: the wallet's rotating code, as scanned; typed off, its eight digits
        member_id: Your id of the member; other partners have others of the same
        reference: Your receipt's number, posted once for ever
        effective_at: When the purchase was made; now, if left out
        """
        return self._transport.one(
            Transaction,
            Call(
                method="POST",
                path="/v1/clawbacks",
                query=query(dry_run=dry_run),
                body=given(
                    card=card,
                    phone=phone,
                    email=email,
                    external_id=external_id,
                    code=code,
                    member_id=member_id,
                    reference=reference,
                    effective_at=effective_at,
                    amount=amount,
                ),
                key=idempotency_key or new_key(),
            ),
        )
