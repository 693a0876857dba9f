"""Agreements, for the admin. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from datetime import date
from typing import Literal

from coalition_client.models.admin_agreements import Agreement
from coalition_client.pages import Pages
from coalition_client.transport import Call, Transport, path, query
from coalition_client.values import Meta, Null, given


class AdminAgreements:
    """Agreements, for the admin."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def of_partner(self, partner_id: str, *, limit: int | None = None) -> Pages[Agreement]:
        """List what was, is and will be agreed with a partner.

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
        redemption_price_minor: str | None = None,
        currency: str | None = None,
        funding: Literal["on_burn", "on_earn"] | None = None,
        issue_price_minor: str | None = None,
        fee_per_point_minor: str | None = None,
        fee_percent: str | None = None,
        fee_minimum_minor: int | None = None,
        breakage_share_percent: str | None = None,
        vat_percent: str | None = None,
        cycle: Literal["daily", "weekly", "monthly"] | None = None,
        exposure_limit_minor: int | Null | None = None,
        deposit_minor: int | None = None,
        legal_name: str | Null | None = None,
        legal_address: str | Null | None = None,
        tax_id: str | Null | None = None,
        iban: str | Null | None = None,
        bic: str | Null | None = None,
        since: date | None = None,
        dry_run: bool = False,
    ) -> Agreement:
        """Add an agreement with a partner from a day on. The previous agreement ends the day before.

        Needs the scope `admin:write`.

        partner_id: An id that begins with `prt_`.
        redemption_price_minor: Minor units for each point burned elsewhere, as a decimal with up to 8 places.
        currency: The ISO 4217 code of the currency that all of it is agreed in.
        funding: on_burn: the issuer owes the redeemer when a point is burned. on_earn: the issuer owes the
            coalition's fund when a point is issued, and the fund owes the redeemer when it is burned.
        issue_price_minor: Minor units that the issuer owes the fund for each point issued, as a decimal: above 0
            with on_earn, 0 with on_burn.
        fee_per_point_minor: The coalition's fee for each point issued, in minor units, as a decimal.
        fee_percent: The coalition's fee in per cent of what the issuer is charged for points.
        fee_minimum_minor: The least that the coalition's fees come to in a settlement cycle, in minor units.
        breakage_share_percent: With on_earn: what the issuer gets back for each point that expires, in per cent of
            the issue price.
        vat_percent: VAT on the coalition's fees, in per cent.
        cycle: How often the partner settles.
        exposure_limit_minor: How much may be issued and not funded, in minor units. Without it there is no limit.
        deposit_minor: What the partner deposited, in minor units.
        legal_name: The legal entity that settles.
        legal_address: Its address.
        tax_id: Its tax or VAT number.
        iban: The IBAN of its account.
        bic: The BIC of its bank.
        since: The first business day. If you leave it out: the open one.
        """
        return self._transport.one(
            Agreement,
            Call(
                method="POST",
                path=path("/v1/admin/partners/{partner_id}/agreements", partner_id=partner_id),
                query=query(dry_run=dry_run),
                body=given(
                    redemption_price_minor=redemption_price_minor,
                    currency=currency,
                    funding=funding,
                    issue_price_minor=issue_price_minor,
                    fee_per_point_minor=fee_per_point_minor,
                    fee_percent=fee_percent,
                    fee_minimum_minor=fee_minimum_minor,
                    breakage_share_percent=breakage_share_percent,
                    vat_percent=vat_percent,
                    cycle=cycle,
                    exposure_limit_minor=exposure_limit_minor,
                    deposit_minor=deposit_minor,
                    legal_name=legal_name,
                    legal_address=legal_address,
                    tax_id=tax_id,
                    iban=iban,
                    bic=bic,
                    reason=reason,
                    since=since,
                ),
            ),
        )

    def get(self, agreement_id: str) -> Agreement:
        """Get an agreement.

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
        currency: str | None = None,
        funding: Literal["on_burn", "on_earn"] | None = None,
        issue_price_minor: str | None = None,
        fee_per_point_minor: str | None = None,
        fee_percent: str | None = None,
        fee_minimum_minor: int | None = None,
        breakage_share_percent: str | None = None,
        vat_percent: str | None = None,
        cycle: Literal["daily", "weekly", "monthly"] | None = None,
        exposure_limit_minor: int | Null | None = None,
        deposit_minor: int | None = None,
        legal_name: str | Null | None = None,
        legal_address: str | Null | None = None,
        tax_id: str | Null | None = None,
        iban: str | Null | None = None,
        bic: str | Null | None = None,
        since: date | None = None,
        dry_run: bool = False,
    ) -> Agreement:
        """Correct an agreement before any business day that it covers is over.

        Needs the scope `admin:write`.

        agreement_id: An id that begins with `agr_`.
        redemption_price_minor: Minor units for each point burned elsewhere, as a decimal with up to 8 places.
        currency: The ISO 4217 code of the currency that all of it is agreed in.
        funding: on_burn: the issuer owes the redeemer when a point is burned. on_earn: the issuer owes the
            coalition's fund when a point is issued, and the fund owes the redeemer when it is burned.
        issue_price_minor: Minor units that the issuer owes the fund for each point issued, as a decimal: above 0
            with on_earn, 0 with on_burn.
        fee_per_point_minor: The coalition's fee for each point issued, in minor units, as a decimal.
        fee_percent: The coalition's fee in per cent of what the issuer is charged for points.
        fee_minimum_minor: The least that the coalition's fees come to in a settlement cycle, in minor units.
        breakage_share_percent: With on_earn: what the issuer gets back for each point that expires, in per cent of
            the issue price.
        vat_percent: VAT on the coalition's fees, in per cent.
        cycle: How often the partner settles.
        exposure_limit_minor: How much may be issued and not funded, in minor units. Without it there is no limit.
        deposit_minor: What the partner deposited, in minor units.
        legal_name: The legal entity that settles.
        legal_address: Its address.
        tax_id: Its tax or VAT number.
        iban: The IBAN of its account.
        bic: The BIC of its bank.
        """
        return self._transport.one(
            Agreement,
            Call(
                method="PATCH",
                path=path("/v1/admin/agreements/{agreement_id}", agreement_id=agreement_id),
                query=query(dry_run=dry_run),
                body=given(
                    redemption_price_minor=redemption_price_minor,
                    currency=currency,
                    funding=funding,
                    issue_price_minor=issue_price_minor,
                    fee_per_point_minor=fee_per_point_minor,
                    fee_percent=fee_percent,
                    fee_minimum_minor=fee_minimum_minor,
                    breakage_share_percent=breakage_share_percent,
                    vat_percent=vat_percent,
                    cycle=cycle,
                    exposure_limit_minor=exposure_limit_minor,
                    deposit_minor=deposit_minor,
                    legal_name=legal_name,
                    legal_address=legal_address,
                    tax_id=tax_id,
                    iban=iban,
                    bic=bic,
                    reason=reason,
                    since=since,
                ),
                if_match=if_match,
            ),
        )

    def withdraw(self, agreement_id: str, *, reason: str, dry_run: bool = False) -> Meta:
        """Withdraw an agreement before any business day that it covers is over. The previous agreement continues.

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
