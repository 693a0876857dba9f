"""People who collect points. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from datetime import datetime

from coalition_client.models.members import Balance, Member, Transaction
from coalition_client.pages import Pages
from coalition_client.transport import Call, Transport, path, query
from coalition_client.values import given


class Members:
    """People who collect points."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def enrol(
        self,
        *,
        card: str | None = None,
        phone: str | None = None,
        email: str | None = None,
        external_id: str | None = None,
        dry_run: bool = False,
    ) -> Member:
        """Enrol a member with one or more identifiers: card, phone, e-mail or your own id.

        Needs the scope `members:enrol`.

        card: 12 to 19 digits, Luhn-valid
        phone: + and country code (E.164)
        external_id: An id of your choice
        """
        return self._transport.one(
            Member,
            Call(
                method="POST",
                path="/v1/members",
                query=query(dry_run=dry_run),
                body=given(card=card, phone=phone, email=email, external_id=external_id),
            ),
        )

    def look_up(
        self,
        *,
        card: str | None = None,
        phone: str | None = None,
        email: str | None = None,
        external_id: str | None = None,
        code: str | None = None,
        dry_run: bool = False,
    ) -> Member:
        """Find a member by one identifier or by the wallet's code. This is a POST so that no log contains the
        identifier.

        This uses the code up for everybody else. You can still spend with the same code once.

        Needs the scope `members:identify`.

        card: 12 to 19 digits, Luhn-valid
        phone: + and country code (E.164)
        external_id: An id of your choice
        code: The wallet's rotating code as scanned, or its eight digits as typed
        """
        return self._transport.one(
            Member,
            Call(
                method="POST",
                path="/v1/members/lookup",
                query=query(dry_run=dry_run),
                body=given(card=card, phone=phone, email=email, external_id=external_id, code=code),
            ),
        )

    def get(self, member_id: str) -> Member:
        """Get a member.

        Needs the scope `members:identify`.

        member_id: An id that begins with `mbr_`.
        """
        return self._transport.one(
            Member,
            Call(
                method="GET",
                path=path("/v1/members/{member_id}", member_id=member_id),
            ),
        )

    def balance(self, member_id: str, *, at: datetime | None = None) -> Balance:
        """Get what the member can spend, who issued the points, and when they expire. With `at`, get what the wallet
        held at that time.

        Needs the scope `members:identify`.

        member_id: An id that begins with `mbr_`.
        at: Get what the wallet held at this time. If you leave it out: now.
        """
        return self._transport.one(
            Balance,
            Call(
                method="GET",
                path=path("/v1/members/{member_id}/balance", member_id=member_id),
                query=query(at=at),
            ),
        )

    def history(self, member_id: str, *, limit: int | None = None) -> Pages[Transaction]:
        """List your own transactions with the member, newest first.

        Needs the scope `transactions:read`.

        member_id: An id that begins with `mbr_`.
        """
        return self._transport.pages(
            Transaction,
            Call(
                method="GET",
                path=path("/v1/members/{member_id}/transactions", member_id=member_id),
                query=query(limit=limit),
            ),
        )
