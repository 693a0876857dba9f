"""What you find members by. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from coalition_client.models.identifiers import KeptIdentifier
from coalition_client.transport import Call, Transport, path, query
from coalition_client.values import Meta, given


class Identifiers:
    """What you find members by."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, member_id: str) -> tuple[KeptIdentifier, ...]:
        """List a member's identifiers, masked, without other partners' external ids.

        Needs the scope `members:identify`.

        member_id: An id that begins with `mbr_`.
        """
        return self._transport.all(
            KeptIdentifier,
            Call(
                method="GET",
                path=path("/v1/members/{member_id}/identifiers", member_id=member_id),
            ),
        )

    def add(
        self,
        member_id: str,
        *,
        card: str | None = None,
        phone: str | None = None,
        email: str | None = None,
        external_id: str | None = None,
        code: str | None = None,
        pin: str | None = None,
        dry_run: bool = False,
    ) -> KeptIdentifier:
        """Add an identifier to a member. If the member already has it, you get it as it is.

        An external id belongs to you alone and needs no proof of the member. Every other identifier does, unless
        you enrolled the member and the member has no PIN, code or sign-in yet.

        Needs the scope `members:enrol`.

        member_id: An id that begins with `mbr_`.
        card: 12 to 19 digits, Luhn-valid
        phone: + and country code (E.164)
        external_id: An id of your choice
        code: The wallet's rotating code as scanned, or its eight digits as typed
        pin: The PIN, as the member types it
        """
        return self._transport.one(
            KeptIdentifier,
            Call(
                method="POST",
                path=path("/v1/members/{member_id}/identifiers", member_id=member_id),
                query=query(dry_run=dry_run),
                body=given(card=card, phone=phone, email=email, external_id=external_id, code=code, pin=pin),
            ),
        )

    def remove(
        self,
        member_id: str,
        identifier_id: str,
        *,
        code: str | None = None,
        pin: str | None = None,
        dry_run: bool = False,
    ) -> Meta:
        """Remove an identifier from a member. The last one stays.

        This needs the same proof as adding the identifier. If a member can sign in, only the member can remove a
        verified address, on our page.

        Needs the scope `members:enrol`.

        member_id: An id that begins with `mbr_`.
        identifier_id: An id that begins with `idn_`.
        code: The wallet's rotating code as scanned, or its eight digits as typed
        pin: The PIN, as the member types it
        """
        return self._transport.done(
            Call(
                method="POST",
                path=path(
                    "/v1/members/{member_id}/identifiers/{identifier_id}/removal",
                    member_id=member_id,
                    identifier_id=identifier_id,
                ),
                query=query(dry_run=dry_run),
                body=given(code=code, pin=pin),
            )
        )

    def send_code(
        self,
        member_id: str,
        identifier_id: str,
        *,
        code: str | None = None,
        pin: str | None = None,
        dry_run: bool = False,
    ) -> Meta:
        """Send a six-digit code to a member's e-mail address.

        This needs the same proof as adding the address. A member who can sign in verifies further addresses on our
        page.

        Needs the scope `members:enrol`.

        member_id: An id that begins with `mbr_`.
        identifier_id: An id that begins with `idn_`.
        code: The wallet's rotating code as scanned, or its eight digits as typed
        pin: The PIN, as the member types it
        """
        return self._transport.done(
            Call(
                method="POST",
                path=path(
                    "/v1/members/{member_id}/identifiers/{identifier_id}/verification",
                    member_id=member_id,
                    identifier_id=identifier_id,
                ),
                query=query(dry_run=dry_run),
                body=given(code=code, pin=pin),
            )
        )

    def confirm(self, member_id: str, identifier_id: str, *, code: str, dry_run: bool = False) -> KeptIdentifier:
        """Verify a member's e-mail address with the code that we sent to it.

        A member who can already sign in verifies the address on our page.

        Needs the scope `members:enrol`.

        member_id: An id that begins with `mbr_`.
        identifier_id: An id that begins with `idn_`.
        """
        return self._transport.one(
            KeptIdentifier,
            Call(
                method="POST",
                path=path(
                    "/v1/members/{member_id}/identifiers/{identifier_id}/verification/confirm",
                    member_id=member_id,
                    identifier_id=identifier_id,
                ),
                query=query(dry_run=dry_run),
                body=given(code=code),
            ),
        )
