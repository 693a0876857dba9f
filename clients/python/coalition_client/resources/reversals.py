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
        location: str | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Transaction:
        """Reverse one of your earns, burns or captures, in whole or in part. All reversals together never exceed the
        original.

        To return a receipt, use `POST /v1/returns`. It reverses everything that the purchase earned and spent.

        Needs the scope `reversals:write`.

        transaction_id: An id that begins with `txn_`.
        reference: Your number for the return
        location: The id or code of one of your open locations. If you leave it out: the till's, or where the
            purchase was.
        """
        return self._transport.one(
            Transaction,
            Call(
                method="POST",
                path=path("/v1/transactions/{transaction_id}/reversals", transaction_id=transaction_id),
                query=query(dry_run=dry_run),
                body=given(
                    reference=reference, points=points, amount=amount, effective_at=effective_at, location=location
                ),
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
        location: str | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Transaction:
        """Claw back what an amount earns when nobody knows the receipt: your own points, the last issued first.

        We take back at most what you issued to the member and have not taken back yet. That can be no points at
        all.

        Needs the scope `reversals:write`.

        card: 12 to 19 digits, Luhn-valid
        phone: + and country code (E.164)
        external_id: An id of your choice
        code: The wallet's rotating code as scanned, or its eight digits as typed
        member_id: Your own id of the member. Other partners have others.
        reference: Your receipt's number. You post it only once.
        effective_at: When the purchase was made. If you leave it out: now.
        location: The id or code of one of your open locations. If you leave it out: the till's, or none.
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
                    location=location,
                    amount=amount,
                ),
                key=idempotency_key or new_key(),
            ),
        )
