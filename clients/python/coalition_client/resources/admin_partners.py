"""Accounts of partners, for the admin. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from coalition_client.models.admin_partners import LegalEntity, Partner, Readiness, StateChange
from coalition_client.pages import Pages
from coalition_client.transport import Call, Transport, path, query
from coalition_client.values import given


class AdminPartners:
    """Accounts of partners, for the admin."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        *,
        limit: int | None = None,
        status: Literal["onboarding", "active", "suspended", "leaving", "left"] | None = None,
    ) -> Pages[Partner]:
        """List partners, oldest first.

        Needs the scope `admin:read`.
        """
        return self._transport.pages(
            Partner,
            Call(
                method="GET",
                path="/v1/admin/partners",
                query=query(limit=limit, status=status),
            ),
        )

    def create(
        self,
        *,
        code: str,
        name: str,
        is_issuer: bool | None = None,
        is_redeemer: bool | None = None,
        legal_entity: LegalEntity | None = None,
        dry_run: bool = False,
    ) -> Partner:
        """Create a partner. It begins in onboarding and cannot post until you activate it.

        Needs the scope `admin:write`.
        """
        return self._transport.one(
            Partner,
            Call(
                method="POST",
                path="/v1/admin/partners",
                query=query(dry_run=dry_run),
                body=given(
                    code=code, name=name, is_issuer=is_issuer, is_redeemer=is_redeemer, legal_entity=legal_entity
                ),
            ),
        )

    def get(self, partner_id: str) -> Partner:
        """Get a partner.

        Needs the scope `admin:read`.

        partner_id: An id that begins with `prt_`.
        """
        return self._transport.one(
            Partner,
            Call(
                method="GET",
                path=path("/v1/admin/partners/{partner_id}", partner_id=partner_id),
            ),
        )

    def change(
        self,
        partner_id: str,
        *,
        if_match: str,
        name: str | None = None,
        is_issuer: bool | None = None,
        is_redeemer: bool | None = None,
        legal_entity: LegalEntity | None = None,
        dry_run: bool = False,
    ) -> Partner:
        """Change a partner's name, roles or legal entity.

        Needs the scope `admin:write`.

        partner_id: An id that begins with `prt_`.
        """
        return self._transport.one(
            Partner,
            Call(
                method="PATCH",
                path=path("/v1/admin/partners/{partner_id}", partner_id=partner_id),
                query=query(dry_run=dry_run),
                body=given(name=name, is_issuer=is_issuer, is_redeemer=is_redeemer, legal_entity=legal_entity),
                if_match=if_match,
            ),
        )

    def readiness(self, partner_id: str) -> Readiness:
        """Get what a partner still lacks before you can activate it.

        Needs the scope `admin:read`.

        partner_id: An id that begins with `prt_`.
        """
        return self._transport.one(
            Readiness,
            Call(
                method="GET",
                path=path("/v1/admin/partners/{partner_id}/readiness", partner_id=partner_id),
            ),
        )

    def history(self, partner_id: str, *, limit: int | None = None) -> Pages[StateChange]:
        """List the changes of a partner's status, oldest first.

        Needs the scope `admin:read`.

        partner_id: An id that begins with `prt_`.
        """
        return self._transport.pages(
            StateChange,
            Call(
                method="GET",
                path=path("/v1/admin/partners/{partner_id}/history", partner_id=partner_id),
                query=query(limit=limit),
            ),
        )

    def activate(self, partner_id: str, *, reason: str, dry_run: bool = False) -> Partner:
        """Activate a partner. While anything is missing we refuse and name it.

        Needs the scope `admin:write`.

        partner_id: An id that begins with `prt_`.
        """
        return self._transport.one(
            Partner,
            Call(
                method="POST",
                path=path("/v1/admin/partners/{partner_id}/activate", partner_id=partner_id),
                query=query(dry_run=dry_run),
                body=given(reason=reason),
            ),
        )

    def suspend(self, partner_id: str, *, reason: str, dry_run: bool = False) -> Partner:
        """Suspend a partner. Earns, burns and new holds stop within a second. Reads, returns and the end of holds go
        on.

        Needs the scope `admin:write`.

        partner_id: An id that begins with `prt_`.
        """
        return self._transport.one(
            Partner,
            Call(
                method="POST",
                path=path("/v1/admin/partners/{partner_id}/suspend", partner_id=partner_id),
                query=query(dry_run=dry_run),
                body=given(reason=reason),
            ),
        )

    def resume(self, partner_id: str, *, reason: str, dry_run: bool = False) -> Partner:
        """Make a suspended or leaving partner active again. A partner that issues points needs its terms first.

        Needs the scope `admin:write`.

        partner_id: An id that begins with `prt_`.
        """
        return self._transport.one(
            Partner,
            Call(
                method="POST",
                path=path("/v1/admin/partners/{partner_id}/resume", partner_id=partner_id),
                query=query(dry_run=dry_run),
                body=given(reason=reason),
            ),
        )

    def abandon(self, partner_id: str, *, reason: str, dry_run: bool = False) -> Partner:
        """Abandon an onboarding.

        Needs the scope `admin:write`.

        partner_id: An id that begins with `prt_`.
        """
        return self._transport.one(
            Partner,
            Call(
                method="POST",
                path=path("/v1/admin/partners/{partner_id}/abandon", partner_id=partner_id),
                query=query(dry_run=dry_run),
                body=given(reason=reason),
            ),
        )

    def leave(
        self,
        partner_id: str,
        *,
        reason: str,
        earns_until: datetime,
        burns_until: datetime,
        leaves_at: datetime,
        dry_run: bool = False,
    ) -> Partner:
        """Let a partner leave: earns stop at the first time, burns at the second, and access ends at the third.

        Needs the scope `admin:write`.

        partner_id: An id that begins with `prt_`.
        leaves_at: Until then the partner can still post returns
        """
        return self._transport.one(
            Partner,
            Call(
                method="POST",
                path=path("/v1/admin/partners/{partner_id}/leave", partner_id=partner_id),
                query=query(dry_run=dry_run),
                body=given(reason=reason, earns_until=earns_until, burns_until=burns_until, leaves_at=leaves_at),
            ),
        )
