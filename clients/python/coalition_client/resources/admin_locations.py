"""Locations, for the admin. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from typing import Literal

from coalition_client.models.admin_locations import Location
from coalition_client.pages import Pages
from coalition_client.transport import Call, Transport, path, query
from coalition_client.values import given


class AdminLocations:
    """Locations, for the admin."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def of_partner(self, partner_id: str, *, limit: int | None = None) -> Pages[Location]:
        """List a partner's locations.

        Needs the scope `admin:read`.

        partner_id: An id that begins with `prt_`.
        """
        return self._transport.pages(
            Location,
            Call(
                method="GET",
                path=path("/v1/admin/partners/{partner_id}/locations", partner_id=partner_id),
                query=query(limit=limit),
            ),
        )

    def add(
        self, partner_id: str, *, code: str, name: str, territory: str, address: str, dry_run: bool = False
    ) -> Location:
        """Add a location to a partner.

        Needs the scope `admin:write`.

        partner_id: An id that begins with `prt_`.
        code: What the partner's own systems call it
        territory: GB, or GB-SCT
        """
        return self._transport.one(
            Location,
            Call(
                method="POST",
                path=path("/v1/admin/partners/{partner_id}/locations", partner_id=partner_id),
                query=query(dry_run=dry_run),
                body=given(code=code, name=name, territory=territory, address=address),
            ),
        )

    def get(self, location_id: str) -> Location:
        """Get a location.

        Needs the scope `admin:read`.

        location_id: An id that begins with `loc_`.
        """
        return self._transport.one(
            Location,
            Call(
                method="GET",
                path=path("/v1/admin/locations/{location_id}", location_id=location_id),
            ),
        )

    def change(
        self,
        location_id: str,
        *,
        if_match: str,
        reason: str | None = None,
        code: str | None = None,
        name: str | None = None,
        territory: str | None = None,
        address: str | None = None,
        status: Literal["open", "closed"] | None = None,
        dry_run: bool = False,
    ) -> Location:
        """Correct, close or reopen a location.

        Needs the scope `admin:write`.

        location_id: An id that begins with `loc_`.
        territory: GB, or GB-SCT
        """
        return self._transport.one(
            Location,
            Call(
                method="PATCH",
                path=path("/v1/admin/locations/{location_id}", location_id=location_id),
                query=query(dry_run=dry_run),
                body=given(reason=reason, code=code, name=name, territory=territory, address=address, status=status),
                if_match=if_match,
            ),
        )
