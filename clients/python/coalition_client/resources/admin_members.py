"""Members, for the coalition's staff. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from coalition_client.models.admin_members import ExplainedMember, FoundMember, ShownMember
from coalition_client.transport import Call, Transport, path, query
from coalition_client.values import given


class AdminMembers:
    """Members, for the coalition's staff."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def find(
        self,
        *,
        card: str | None = None,
        phone: str | None = None,
        email: str | None = None,
        external_id: str | None = None,
        receipt: str | None = None,
        partner_id: str | None = None,
        dry_run: bool = False,
    ) -> tuple[FoundMember, ...]:
        """Find a member by card, phone, e-mail, external id or receipt. This is a POST so that no log contains the
        identifier.

        Needs the scope `admin:read`.

        card: 12 to 19 digits, Luhn-valid
        phone: + and country code (E.164)
        external_id: An id of your choice
        receipt: The reference a partner posted the receipt under
        """
        return self._transport.all(
            FoundMember,
            Call(
                method="POST",
                path="/v1/admin/members/find",
                query=query(dry_run=dry_run),
                body=given(
                    card=card, phone=phone, email=email, external_id=external_id, receipt=receipt, partner_id=partner_id
                ),
            ),
        )

    def get(self, member_id: str) -> ShownMember:
        """Get a member by the coalition's own id: masked identifiers, balances, open holds and the newest
        transactions.

        Needs the scope `admin:read`.

        member_id: An id that begins with `mbr_`.
        """
        return self._transport.one(
            ShownMember,
            Call(
                method="GET",
                path=path("/v1/admin/members/{member_id}", member_id=member_id),
            ),
        )

    def explain(self, member_id: str) -> ExplainedMember:
        """Explain each balance of a member by issuer and expiry, hold or debt, and by what has moved.

        Needs the scope `admin:read`.

        member_id: An id that begins with `mbr_`.
        """
        return self._transport.one(
            ExplainedMember,
            Call(
                method="GET",
                path=path("/v1/admin/members/{member_id}/explanation", member_id=member_id),
            ),
        )
