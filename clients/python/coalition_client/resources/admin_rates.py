"""Earning rates, for the admin. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from datetime import date

from coalition_client.models.admin_rates import Rate
from coalition_client.pages import Pages
from coalition_client.transport import Call, Transport, path, query
from coalition_client.values import Meta, given


class AdminRates:
    """Earning rates, for the admin."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def of_partner(self, partner_id: str, *, limit: int | None = None) -> Pages[Rate]:
        """List what an amount earned, earns and will earn at a partner.

        Needs the scope `admin:read`.

        partner_id: An id that begins with `prt_`.
        """
        return self._transport.pages(
            Rate,
            Call(
                method="GET",
                path=path("/v1/admin/partners/{partner_id}/rates", partner_id=partner_id),
                query=query(limit=limit),
            ),
        )

    def add(
        self,
        partner_id: str,
        *,
        reason: str,
        points_per_unit: str,
        minor_per_unit: int | None = None,
        since: date | None = None,
        dry_run: bool = False,
    ) -> Rate:
        """Set what an amount earns at a partner from a day on. The previous rate ends the day before.

        Needs the scope `admin:write`.

        partner_id: An id that begins with `prt_`.
        points_per_unit: Points, as a decimal with up to 8 places
        minor_per_unit: The minor units that earn these points. If you leave it out: 1.00 of the programme's
            currency.
        since: The first business day. If you leave it out: the open one.
        """
        return self._transport.one(
            Rate,
            Call(
                method="POST",
                path=path("/v1/admin/partners/{partner_id}/rates", partner_id=partner_id),
                query=query(dry_run=dry_run),
                body=given(reason=reason, points_per_unit=points_per_unit, minor_per_unit=minor_per_unit, since=since),
            ),
        )

    def get(self, rate_id: str) -> Rate:
        """Get an earning rate.

        Needs the scope `admin:read`.

        rate_id: An id that begins with `rate_`.
        """
        return self._transport.one(
            Rate,
            Call(
                method="GET",
                path=path("/v1/admin/rates/{rate_id}", rate_id=rate_id),
            ),
        )

    def correct(
        self,
        rate_id: str,
        *,
        reason: str,
        if_match: str,
        points_per_unit: str | None = None,
        minor_per_unit: int | None = None,
        since: date | None = None,
        dry_run: bool = False,
    ) -> Rate:
        """Correct a rate before any business day that it covers is over.

        Needs the scope `admin:write`.

        rate_id: An id that begins with `rate_`.
        points_per_unit: Points, as a decimal with up to 8 places
        """
        return self._transport.one(
            Rate,
            Call(
                method="PATCH",
                path=path("/v1/admin/rates/{rate_id}", rate_id=rate_id),
                query=query(dry_run=dry_run),
                body=given(reason=reason, points_per_unit=points_per_unit, minor_per_unit=minor_per_unit, since=since),
                if_match=if_match,
            ),
        )

    def withdraw(self, rate_id: str, *, reason: str, dry_run: bool = False) -> Meta:
        """Withdraw a rate before any business day that it covers is over. The previous rate continues.

        Needs the scope `admin:write`.

        rate_id: An id that begins with `rate_`.
        """
        return self._transport.done(
            Call(
                method="POST",
                path=path("/v1/admin/rates/{rate_id}/withdraw", rate_id=rate_id),
                query=query(dry_run=dry_run),
                body=given(reason=reason),
            )
        )
