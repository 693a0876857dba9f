"""Exclusivity: placements, for the admin. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from datetime import date

from coalition_client.models.admin_placements import Placement
from coalition_client.pages import Pages
from coalition_client.transport import Call, Transport, path, query
from coalition_client.values import Meta, Null, given


class AdminPlacements:
    """Exclusivity: placements, for the admin."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def of_partner(self, partner_id: str, *, limit: int | None = None) -> Pages[Placement]:
        """List where a partner is, was and will be present.

        Needs the scope `admin:read`.

        partner_id: An id that begins with `prt_`.
        """
        return self._transport.pages(
            Placement,
            Call(
                method="GET",
                path=path("/v1/admin/partners/{partner_id}/placements", partner_id=partner_id),
                query=query(limit=limit),
            ),
        )

    def add(
        self,
        partner_id: str,
        *,
        category_id: str,
        territory: str,
        since: date,
        until: date | None = None,
        clause: str | None = None,
        dry_run: bool = False,
    ) -> Placement:
        """Add a partner to a category and a territory. We refuse if an exclusive clause of either partner forbids it.

        Needs the scope `admin:write`.

        partner_id: An id that begins with `prt_`.
        territory: GB, GB-SCT, or * for everywhere
        until: The first day after the placement, or null if it lasts as long as the partner stays
        clause: The clause of the agreement that excludes competitors, or null if there is none
        """
        return self._transport.one(
            Placement,
            Call(
                method="POST",
                path=path("/v1/admin/partners/{partner_id}/placements", partner_id=partner_id),
                query=query(dry_run=dry_run),
                body=given(category_id=category_id, territory=territory, since=since, until=until, clause=clause),
            ),
        )

    def get(self, placement_id: str) -> Placement:
        """Get a placement.

        Needs the scope `admin:read`.

        placement_id: An id that begins with `plc_`.
        """
        return self._transport.one(
            Placement,
            Call(
                method="GET",
                path=path("/v1/admin/placements/{placement_id}", placement_id=placement_id),
            ),
        )

    def change(
        self,
        placement_id: str,
        *,
        if_match: str,
        reason: str | None = None,
        since: date | None = None,
        until: date | Null | None = None,
        clause: str | Null | None = None,
        dry_run: bool = False,
    ) -> Placement:
        """Extend or end a placement, or change its clause. We check it like a new one.

        Needs the scope `admin:write`.

        placement_id: An id that begins with `plc_`.
        until: The first day after the placement, or null if it lasts as long as the partner stays
        clause: The clause of the agreement that excludes competitors, or null if there is none
        """
        return self._transport.one(
            Placement,
            Call(
                method="PATCH",
                path=path("/v1/admin/placements/{placement_id}", placement_id=placement_id),
                query=query(dry_run=dry_run),
                body=given(reason=reason, since=since, until=until, clause=clause),
                if_match=if_match,
            ),
        )

    def withdraw(self, placement_id: str, *, reason: str | None = None, dry_run: bool = False) -> Meta:
        """Withdraw a placement that you added by mistake.

        Needs the scope `admin:write`.

        placement_id: An id that begins with `plc_`.
        """
        return self._transport.done(
            Call(
                method="POST",
                path=path("/v1/admin/placements/{placement_id}/withdraw", placement_id=placement_id),
                query=query(dry_run=dry_run),
                body=given(reason=reason),
            )
        )
