"""Points issued to members. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from coalition_client.models.earns import Amount, Award
from coalition_client.models.members import Transaction
from coalition_client.transport import Call, Transport, new_key, query
from coalition_client.values import given


class Earns:
    """Points issued to members."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self,
        *,
        reference: str,
        card: str | None = None,
        phone: str | None = None,
        email: str | None = None,
        external_id: str | None = None,
        code: str | None = None,
        member_id: str | None = None,
        effective_at: datetime | None = None,
        location: str | None = None,
        points: int | None = None,
        amount: Amount | None = None,
        awards: Sequence[Award] | None = None,
        vests_at: datetime | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Transaction:
        """Issue points: a number of points, what an amount earns at your rate, or awards that you name.

        Needs the scope `earn:write`.

        card: 12 to 19 digits, Luhn-valid
        phone: + and country code (E.164)
        external_id: An id of your choice
        code: The wallet's rotating code as scanned, or its eight digits as typed
        member_id: Your own id of the member. Other partners have others.
        reference: Your receipt's number. You post it only once.
        effective_at: When the purchase was made. If you leave it out: now.
        location: The id or code of one of your open locations. If you leave it out: the till's, or none.
        vests_at: When the points vest, such as the end of the return period
        """
        return self._transport.one(
            Transaction,
            Call(
                method="POST",
                path="/v1/earns",
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
                    points=points,
                    amount=amount,
                    awards=awards,
                    vests_at=vests_at,
                ),
                key=idempotency_key or new_key(),
            ),
        )
