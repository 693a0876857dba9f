"""Points spent by members. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from datetime import datetime

from coalition_client.models.members import Transaction
from coalition_client.transport import Call, Transport, new_key, query
from coalition_client.values import given


class Burns:
    """Points spent by members."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self,
        *,
        reference: str,
        points: int,
        card: str | None = None,
        phone: str | None = None,
        email: str | None = None,
        external_id: str | None = None,
        code: str | None = None,
        member_id: str | None = None,
        effective_at: datetime | None = None,
        location: str | None = None,
        pin: str | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Transaction:
        """Spend a member's points. Points that expire first go first, whichever partner issued them.

        Needs the scope `burn:write`.

        card: 12 to 19 digits, Luhn-valid
        phone: + and country code (E.164)
        external_id: An id of your choice
        code: The wallet's rotating code as scanned, or its eight digits as typed
        member_id: Your own id of the member. Other partners have others.
        reference: Your receipt's number. You post it only once.
        effective_at: When the purchase was made. If you leave it out: now.
        location: The id or code of one of your open locations. If you leave it out: the till's, or none.
        pin: The PIN, as the member types it
        """
        return self._transport.one(
            Transaction,
            Call(
                method="POST",
                path="/v1/burns",
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
                    pin=pin,
                    points=points,
                ),
                key=idempotency_key or new_key(),
            ),
        )
