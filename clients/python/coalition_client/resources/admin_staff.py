"""Staff, for the admin. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from typing import Literal

from coalition_client.models.admin_staff import Person
from coalition_client.pages import Pages
from coalition_client.transport import Call, Transport, path, query
from coalition_client.values import given


class AdminStaff:
    """Staff, for the admin."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def of_partner(self, partner_id: str, *, limit: int | None = None) -> Pages[Person]:
        """List a partner's staff, including people who left.

        Needs the scope `admin:read`.

        partner_id: An id that begins with `prt_`.
        """
        return self._transport.pages(
            Person,
            Call(
                method="GET",
                path=path("/v1/admin/partners/{partner_id}/staff", partner_id=partner_id),
                query=query(limit=limit),
            ),
        )

    def add(
        self,
        partner_id: str,
        *,
        email: str,
        name: str,
        role: Literal["admin", "manager", "cashier"],
        dry_run: bool = False,
    ) -> Person:
        """Add a person to a partner's staff.

        Needs the scope `admin:write`.

        partner_id: An id that begins with `prt_`.
        """
        return self._transport.one(
            Person,
            Call(
                method="POST",
                path=path("/v1/admin/partners/{partner_id}/staff", partner_id=partner_id),
                query=query(dry_run=dry_run),
                body=given(email=email, name=name, role=role),
            ),
        )

    def of_coalition(self, *, limit: int | None = None) -> Pages[Person]:
        """List the coalition's staff, including people who left.

        Needs the scope `admin:read`.
        """
        return self._transport.pages(
            Person,
            Call(
                method="GET",
                path="/v1/admin/staff",
                query=query(limit=limit),
            ),
        )

    def add_to_coalition(
        self, *, email: str, name: str, role: Literal["admin", "manager", "cashier"], dry_run: bool = False
    ) -> Person:
        """Add a person to the coalition's staff.

        Needs the scope `admin:write`.
        """
        return self._transport.one(
            Person,
            Call(
                method="POST",
                path="/v1/admin/staff",
                query=query(dry_run=dry_run),
                body=given(email=email, name=name, role=role),
            ),
        )

    def get(self, staff_id: str) -> Person:
        """Get a person on the staff of a partner or of the coalition.

        Needs the scope `admin:read`.

        staff_id: An id that begins with `stf_`.
        """
        return self._transport.one(
            Person,
            Call(
                method="GET",
                path=path("/v1/admin/staff/{staff_id}", staff_id=staff_id),
            ),
        )

    def change(
        self,
        staff_id: str,
        *,
        if_match: str,
        reason: str | None = None,
        role: Literal["admin", "manager", "cashier"] | None = None,
        name: str | None = None,
        dry_run: bool = False,
    ) -> Person:
        """Change a person's role or name.

        Needs the scope `admin:write`.

        staff_id: An id that begins with `stf_`.
        """
        return self._transport.one(
            Person,
            Call(
                method="PATCH",
                path=path("/v1/admin/staff/{staff_id}", staff_id=staff_id),
                query=query(dry_run=dry_run),
                body=given(reason=reason, role=role, name=name),
                if_match=if_match,
            ),
        )

    def end(self, staff_id: str, *, reason: str | None = None, dry_run: bool = False) -> Person:
        """Remove a person from the staff.

        Needs the scope `admin:write`.

        staff_id: An id that begins with `stf_`.
        """
        return self._transport.one(
            Person,
            Call(
                method="POST",
                path=path("/v1/admin/staff/{staff_id}/end", staff_id=staff_id),
                query=query(dry_run=dry_run),
                body=given(reason=reason),
            ),
        )
