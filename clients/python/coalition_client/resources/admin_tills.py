"""Tills, for the admin. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from typing import Literal

from coalition_client.models.admin_tills import Till
from coalition_client.pages import Pages
from coalition_client.transport import Call, Transport, path, query
from coalition_client.values import given


class AdminTills:
    """Tills, for the admin."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def of_location(self, location_id: str, *, limit: int | None = None) -> Pages[Till]:
        """List a location's tills.

        Needs the scope `admin:read`.

        location_id: An id that begins with `loc_`.
        """
        return self._transport.pages(
            Till,
            Call(
                method="GET",
                path=path("/v1/admin/locations/{location_id}/tills", location_id=location_id),
                query=query(limit=limit),
            ),
        )

    def add(self, location_id: str, *, code: str, dry_run: bool = False) -> Till:
        """Add a till to a location.

        Needs the scope `admin:write`.

        location_id: An id that begins with `loc_`.
        code: What the location's own systems call it
        """
        return self._transport.one(
            Till,
            Call(
                method="POST",
                path=path("/v1/admin/locations/{location_id}/tills", location_id=location_id),
                query=query(dry_run=dry_run),
                body=given(code=code),
            ),
        )

    def get(self, till_id: str) -> Till:
        """Get a till.

        Needs the scope `admin:read`.

        till_id: An id that begins with `till_`.
        """
        return self._transport.one(
            Till,
            Call(
                method="GET",
                path=path("/v1/admin/tills/{till_id}", till_id=till_id),
            ),
        )

    def change(
        self,
        till_id: str,
        *,
        status: Literal["active", "blocked", "retired"],
        if_match: str,
        reason: str | None = None,
        dry_run: bool = False,
    ) -> Till:
        """Block a till, unblock it, or retire it for good.

        Needs the scope `admin:write`.

        till_id: An id that begins with `till_`.
        """
        return self._transport.one(
            Till,
            Call(
                method="PATCH",
                path=path("/v1/admin/tills/{till_id}", till_id=till_id),
                query=query(dry_run=dry_run),
                body=given(reason=reason, status=status),
                if_match=if_match,
            ),
        )
