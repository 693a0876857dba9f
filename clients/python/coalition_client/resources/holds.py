"""Purchases in progress. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from datetime import datetime

from coalition_client.models.holds import HoldShown
from coalition_client.models.members import Transaction
from coalition_client.transport import Call, Transport, new_key, path, query
from coalition_client.values import given


class Holds:
    """Purchases in progress."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self,
        *,
        reference: str,
        points: int,
        expires_at: datetime,
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
        """Set a member's points aside until you capture or void them. Points that expire first go first.

        Needs the scope `holds:write`.

        card: 12 to 19 digits, Luhn-valid
        phone: + and country code (E.164)
        external_id: An id of your choice
        code: The wallet's rotating code as scanned, or its eight digits as typed
        member_id: Your own id of the member. Other partners have others.
        reference: Your receipt's number. You post it only once.
        effective_at: When the purchase was made. If you leave it out: now.
        location: The id or code of one of your open locations. If you leave it out: the till's, or none.
        pin: The PIN, as the member types it
        expires_at: When the hold lapses, within 31 days
        """
        return self._transport.one(
            Transaction,
            Call(
                method="POST",
                path="/v1/holds",
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
                    expires_at=expires_at,
                ),
                key=idempotency_key or new_key(),
            ),
        )

    def get(self, hold_id: str) -> HoldShown:
        """Get one of your holds.

        Needs the scope `transactions:read`.

        hold_id: An id that begins with `hld_`.
        """
        return self._transport.one(
            HoldShown,
            Call(
                method="GET",
                path=path("/v1/holds/{hold_id}", hold_id=hold_id),
            ),
        )

    def capture(
        self,
        hold_id: str,
        *,
        reference: str,
        points: int | None = None,
        effective_at: datetime | None = None,
        location: str | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Transaction:
        """Capture all or part of a hold. The rest returns to the wallet.

        Needs the scope `holds:write`.

        hold_id: An id that begins with `hld_`.
        reference: Your receipt's number. You post it only once.
        location: The id or code of one of your open locations. If you leave it out: the till's, or where the hold
            was.
        """
        return self._transport.one(
            Transaction,
            Call(
                method="POST",
                path=path("/v1/holds/{hold_id}/capture", hold_id=hold_id),
                query=query(dry_run=dry_run),
                body=given(reference=reference, points=points, effective_at=effective_at, location=location),
                key=idempotency_key or new_key(),
            ),
        )

    def void(
        self,
        hold_id: str,
        *,
        reference: str,
        effective_at: datetime | None = None,
        idempotency_key: str | None = None,
        dry_run: bool = False,
    ) -> Transaction:
        """Void a hold and return its points to the wallet.

        Needs the scope `holds:write`.

        hold_id: An id that begins with `hld_`.
        reference: Your number for this. You post it only once.
        """
        return self._transport.one(
            Transaction,
            Call(
                method="POST",
                path=path("/v1/holds/{hold_id}/void", hold_id=hold_id),
                query=query(dry_run=dry_run),
                body=given(reference=reference, effective_at=effective_at),
                key=idempotency_key or new_key(),
            ),
        )
