"""Brands of partners, for the admin. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from coalition_client.models.admin_brands import Brand
from coalition_client.pages import Pages
from coalition_client.transport import Call, Transport, path, query
from coalition_client.values import given


class AdminBrands:
    """Brands of partners, for the admin."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def of_partner(self, partner_id: str, *, limit: int | None = None) -> Pages[Brand]:
        """List a partner's brands, including ended ones.

        Needs the scope `admin:read`.

        partner_id: An id that begins with `prt_`.
        """
        return self._transport.pages(
            Brand,
            Call(
                method="GET",
                path=path("/v1/admin/partners/{partner_id}/brands", partner_id=partner_id),
                query=query(limit=limit),
            ),
        )

    def add(self, partner_id: str, *, name: str, dry_run: bool = False) -> Brand:
        """Add a brand to a partner.

        Needs the scope `admin:write`.

        partner_id: An id that begins with `prt_`.
        """
        return self._transport.one(
            Brand,
            Call(
                method="POST",
                path=path("/v1/admin/partners/{partner_id}/brands", partner_id=partner_id),
                query=query(dry_run=dry_run),
                body=given(name=name),
            ),
        )

    def get(self, brand_id: str) -> Brand:
        """Get a brand.

        Needs the scope `admin:read`.

        brand_id: An id that begins with `brd_`.
        """
        return self._transport.one(
            Brand,
            Call(
                method="GET",
                path=path("/v1/admin/brands/{brand_id}", brand_id=brand_id),
            ),
        )

    def change(
        self, brand_id: str, *, name: str, if_match: str, reason: str | None = None, dry_run: bool = False
    ) -> Brand:
        """Correct a brand's name.

        Needs the scope `admin:write`.

        brand_id: An id that begins with `brd_`.
        """
        return self._transport.one(
            Brand,
            Call(
                method="PATCH",
                path=path("/v1/admin/brands/{brand_id}", brand_id=brand_id),
                query=query(dry_run=dry_run),
                body=given(reason=reason, name=name),
                if_match=if_match,
            ),
        )

    def end(self, brand_id: str, *, reason: str | None = None, dry_run: bool = False) -> Brand:
        """End a brand. Its name becomes free.

        Needs the scope `admin:write`.

        brand_id: An id that begins with `brd_`.
        """
        return self._transport.one(
            Brand,
            Call(
                method="POST",
                path=path("/v1/admin/brands/{brand_id}/end", brand_id=brand_id),
                query=query(dry_run=dry_run),
                body=given(reason=reason),
            ),
        )
