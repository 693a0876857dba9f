"""Agreements, for the admin. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from datetime import date

from coalition_client.models.admin_agreements import Agreement
from coalition_client.pages import Pages
from coalition_client.transport import Call, Transport, path, query
from coalition_client.values import Meta, given


class AdminAgreements:
    """Agreements, for the admin."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def of_partner(self, partner_id: str, *, limit: int | None = None) -> Pages[Agreement]:
        """What a partner paid, pays and will pay for its points.

        Needs the scope `admin:read`.

        partner_id: An id that begins with `prt_`.
        """
        return self._transport.pages(
            Agreement,
            Call(
                method="GET",
                path=path("/v1/admin/partners/{partner_id}/agreements", partner_id=partner_id),
                query=query(limit=limit),
            ),
        )

    def add(
        self,
        partner_id: str,
        *,
        reason: str,
        redemption_price_minor: str,
        since: date | None = None,
        dry_run: bool = False,
    ) -> Agreement:
        """Agree what a partner pays from a day on; the agreement before ends the day before.

        Needs the scope `admin:write`.

        partner_id: An id that begins with `prt_`.
        redemption_price_minor: Minor units for each point burned elsewhere, a decimal of up to 8 places
        since: The first business day; left out, the open one
        """
        return self._transport.one(
            Agreement,
            Call(
                method="POST",
                path=path("/v1/admin/partners/{partner_id}/agreements", partner_id=partner_id),
                query=query(dry_run=dry_run),
                body=given(reason=reason, redemption_price_minor=redemption_price_minor, since=since),
            ),
        )

    def get(self, agreement_id: str) -> Agreement:
        """One agreement.

        Needs the scope `admin:read`.

        agreement_id: An id that begins with `agr_`.
        """
        return self._transport.one(
            Agreement,
            Call(
                method="GET",
                path=path("/v1/admin/agreements/{agreement_id}", agreement_id=agreement_id),
            ),
        )

    def correct(
        self,
        agreement_id: str,
        *,
        reason: str,
        if_match: str,
        redemption_price_minor: str | None = None,
        since: date | None = None,
        dry_run: bool = False,
    ) -> Agreement:
        """Correct an agreement while no business day on which it holds is over.

        Needs the scope `admin:write`.

        agreement_id: An id that begins with `agr_`.
        redemption_price_minor: Minor units for each point burned elsewhere, a decimal of up to 8 places
        """
        return self._transport.one(
            Agreement,
            Call(
                method="PATCH",
                path=path("/v1/admin/agreements/{agreement_id}", agreement_id=agreement_id),
                query=query(dry_run=dry_run),
                body=given(reason=reason, redemption_price_minor=redemption_price_minor, since=since),
                if_match=if_match,
            ),
        )

    def withdraw(self, agreement_id: str, *, reason: str, dry_run: bool = False) -> Meta:
        """Take back an agreement while no business day on which it holds is over; the one before it goes on.

        Needs the scope `admin:write`.

        agreement_id: An id that begins with `agr_`.
        """
        return self._transport.done(
            Call(
                method="POST",
                path=path("/v1/admin/agreements/{agreement_id}/withdraw", agreement_id=agreement_id),
                query=query(dry_run=dry_run),
                body=given(reason=reason),
            )
        )
