"""Contacts, for the admin. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from typing import Literal

from coalition_client.models.admin_contacts import Contact
from coalition_client.pages import Pages
from coalition_client.transport import Call, Transport, path, query
from coalition_client.values import Null, given


class AdminContacts:
    """Contacts, for the admin."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def of_partner(self, partner_id: str, *, limit: int | None = None) -> Pages[Contact]:
        """List a partner's contacts, including ended ones.

        Needs the scope `admin:read`.

        partner_id: An id that begins with `prt_`.
        """
        return self._transport.pages(
            Contact,
            Call(
                method="GET",
                path=path("/v1/admin/partners/{partner_id}/contacts", partner_id=partner_id),
                query=query(limit=limit),
            ),
        )

    def add(
        self,
        partner_id: str,
        *,
        role: Literal["business", "technical", "finance", "legal", "support"],
        name: str,
        email: str,
        phone: str | None = None,
        dry_run: bool = False,
    ) -> Contact:
        """Add a contact to a partner.

        Needs the scope `admin:write`.

        partner_id: An id that begins with `prt_`.
        phone: In international form, such as +44 20 7946 0000
        """
        return self._transport.one(
            Contact,
            Call(
                method="POST",
                path=path("/v1/admin/partners/{partner_id}/contacts", partner_id=partner_id),
                query=query(dry_run=dry_run),
                body=given(role=role, name=name, email=email, phone=phone),
            ),
        )

    def get(self, contact_id: str) -> Contact:
        """Get a contact.

        Needs the scope `admin:read`.

        contact_id: An id that begins with `ctc_`.
        """
        return self._transport.one(
            Contact,
            Call(
                method="GET",
                path=path("/v1/admin/contacts/{contact_id}", contact_id=contact_id),
            ),
        )

    def change(
        self,
        contact_id: str,
        *,
        if_match: str,
        reason: str | None = None,
        role: Literal["business", "technical", "finance", "legal", "support"] | None = None,
        name: str | None = None,
        email: str | None = None,
        phone: str | Null | None = None,
        dry_run: bool = False,
    ) -> Contact:
        """Correct a contact.

        Needs the scope `admin:write`.

        contact_id: An id that begins with `ctc_`.
        phone: In international form, such as +44 20 7946 0000
        """
        return self._transport.one(
            Contact,
            Call(
                method="PATCH",
                path=path("/v1/admin/contacts/{contact_id}", contact_id=contact_id),
                query=query(dry_run=dry_run),
                body=given(reason=reason, role=role, name=name, email=email, phone=phone),
                if_match=if_match,
            ),
        )

    def end(self, contact_id: str, *, reason: str | None = None, dry_run: bool = False) -> Contact:
        """End a contact.

        Needs the scope `admin:write`.

        contact_id: An id that begins with `ctc_`.
        """
        return self._transport.one(
            Contact,
            Call(
                method="POST",
                path=path("/v1/admin/contacts/{contact_id}/end", contact_id=contact_id),
                query=query(dry_run=dry_run),
                body=given(reason=reason),
            ),
        )
