"""Settlement runs, for the admin. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Literal

from coalition_client.models.admin_settlement_runs import AdminRun, AdminRunDetail, OpenItem, WhatIfReport
from coalition_client.pages import Pages
from coalition_client.transport import Call, Transport, path, query
from coalition_client.values import given


class AdminSettlementRuns:
    """Settlement runs, for the admin."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        *,
        limit: int | None = None,
        state: Literal["open", "closed", "calculated", "approved", "instructed", "settled", "abandoned"] | None = None,
    ) -> Pages[AdminRun]:
        """List the settlement runs, newest first.

        Needs the scope `admin:read`.
        """
        return self._transport.pages(
            AdminRun,
            Call(
                method="GET",
                path="/v1/admin/settlement/runs",
                query=query(limit=limit, state=state),
            ),
        )

    def get(self, run_id: str) -> AdminRunDetail:
        """Get a settlement run: its positions, payments, and who decided what.

        Needs the scope `admin:read`.

        run_id: An id that begins with `srn_`.
        """
        return self._transport.one(
            AdminRunDetail,
            Call(
                method="GET",
                path=path("/v1/admin/settlement/runs/{run_id}", run_id=run_id),
            ),
        )

    def approve(self, run_id: str, *, decided_by: str, reason: str | None = None, dry_run: bool = False) -> AdminRun:
        """Approve a calculated run. It takes as many people as the coalition's policy says.

        Needs the scope `admin:write`.

        run_id: An id that begins with `srn_`.
        decided_by: The person who decides. Your client vouches for it, and the audit keeps both
        """
        return self._transport.one(
            AdminRun,
            Call(
                method="POST",
                path=path("/v1/admin/settlement/runs/{run_id}/approve", run_id=run_id),
                query=query(dry_run=dry_run),
                body=given(reason=reason, decided_by=decided_by),
            ),
        )

    def instruct(self, run_id: str, *, decided_by: str, reason: str | None = None, dry_run: bool = False) -> AdminRun:
        """Say that the payments of an approved run are on their way, made without a payment file of ours.

        Needs the scope `admin:write`.

        run_id: An id that begins with `srn_`.
        decided_by: The person who decides. Your client vouches for it, and the audit keeps both
        """
        return self._transport.one(
            AdminRun,
            Call(
                method="POST",
                path=path("/v1/admin/settlement/runs/{run_id}/instruct", run_id=run_id),
                query=query(dry_run=dry_run),
                body=given(reason=reason, decided_by=decided_by),
            ),
        )

    def abandon(self, run_id: str, *, reason: str, decided_by: str, dry_run: bool = False) -> AdminRun:
        """Give up a run before it is instructed. The answer is the next attempt, which takes its place.

        Needs the scope `admin:write`.

        run_id: An id that begins with `srn_`.
        decided_by: The person who decides. Your client vouches for it, and the audit keeps both
        """
        return self._transport.one(
            AdminRun,
            Call(
                method="POST",
                path=path("/v1/admin/settlement/runs/{run_id}/abandon", run_id=run_id),
                query=query(dry_run=dry_run),
                body=given(reason=reason, decided_by=decided_by),
            ),
        )

    def open_items(self, *, limit: int | None = None) -> Pages[OpenItem]:
        """List what banks booked and no payment has, in the order we read it.

        Needs the scope `admin:read`.
        """
        return self._transport.pages(
            OpenItem,
            Call(
                method="GET",
                path="/v1/admin/settlement/open-items",
                query=query(limit=limit),
            ),
        )

    def suppose(
        self,
        *,
        first_day: date,
        last_day: date,
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
        partners: Sequence[str] | None = None,
        dry_run: bool = False,
    ) -> WhatIfReport:
        """Calculate settled days as if partners had agreed on other terms, beside what was settled. Nothing changes.

        Needs the scope `admin:read`.

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
        last_day: At most 100 days in all
        partners: Whose terms, by their codes. If you leave it out: all that have an agreement
        """
        return self._transport.one(
            WhatIfReport,
            Call(
                method="POST",
                path="/v1/admin/settlement/what-if",
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
                    first_day=first_day,
                    last_day=last_day,
                    partners=partners,
                ),
            ),
        )
