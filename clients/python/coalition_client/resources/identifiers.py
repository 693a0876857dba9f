"""What members are found by. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from coalition_client.models.identifiers import KeptIdentifier
from coalition_client.transport import Call, Transport, path, query
from coalition_client.values import Meta, given


class Identifiers:
    """What members are found by."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, member_id: str) -> tuple[KeptIdentifier, ...]:
        """All of a member's identifiers, masked, but for other partners' external ids.

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
        """Let a member be found by one more identifier; what it has already is answered as it is.

        An external id is yours alone, and takes no proof of the member. Anything else does, unless you enrolled the
        member and it has no proof of its own yet.

        Needs the scope `members:enrol`.

        member_id: An id that begins with `mbr_`.
        card: 12 to 19 digits, Luhn-valid
        phone: + and country code (E.164)
        external_id: your own id of them
        code: the wallet's rotating code, as scanned; typed off, its eight digits
        pin: as the member types it
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
        """Let a member not be found by it any more; the last one stays.

        Takes what adding it takes; a verified address of a member that can sign in is removed by the member, on our
        page.

        Needs the scope `members:enrol`.

        member_id: An id that begins with `mbr_`.
        identifier_id: An id that begins with `idn_`.
        code: the wallet's rotating code, as scanned; typed off, its eight digits
        pin: as the member types it
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
        """Send a six-digit code to an e-mail address of a member.

        Takes what adding it takes. A member that can sign in verifies further addresses on our page.

        Needs the scope `members:enrol`.

        member_id: An id that begins with `mbr_`.
        identifier_id: An id that begins with `idn_`.
        code: the wallet's rotating code, as scanned; typed off, its eight digits
        pin: as the member types it
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
        """Tell back the code that was sent for you: the address is the member's.

        A member that can sign in by now verifies it on our page.

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
