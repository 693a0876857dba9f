"""Partners' accounts, for the admin. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from coalition_client.models.admin_partners import LegalEntity, Partner, Readiness, StateChange
from coalition_client.pages import Pages
from coalition_client.transport import Call, Transport, path, query
from coalition_client.values import given


class AdminPartners:
    """Partners' accounts, for the admin."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        *,
        limit: int | None = None,
        status: Literal["onboarding", "active", "suspended", "leaving", "left"] | None = None,
    ) -> Pages[Partner]:
        """Partners, the oldest first.

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
        """Take on a partner: it begins with onboarding, and posts nothing until it is activated.

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
        """One partner.

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
        """What a partner still lacks to be activated.

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
        """The steps of a partner's life, the first first.

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
        """End the onboarding; refused, naming what is missing, until all papers are in order.

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
        """Stop a partner's earning and spending within a second; reads, returns and the end of holds go on.

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
        """Make a suspended or leaving partner active again.

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
        """End an onboarding that comes to nothing.

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
        """Let a partner leave: no earns from one time, no burns from the next, no access from the last.

        Needs the scope `admin:write`.

        partner_id: An id that begins with `prt_`.
        leaves_at: Until then it can still take goods back
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
