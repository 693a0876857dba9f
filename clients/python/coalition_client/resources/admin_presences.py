"""Presence and exclusivity, for the admin. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from datetime import date

from coalition_client.models.admin_presences import Presence
from coalition_client.pages import Pages
from coalition_client.transport import Call, Transport, path, query
from coalition_client.values import Meta, Null, given


class AdminPresences:
    """Presence and exclusivity, for the admin."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def of_partner(self, partner_id: str, *, limit: int | None = None) -> Pages[Presence]:
        """Where a partner is, was and will be present.

        Needs the scope `admin:read`.

        partner_id: An id that begins with `prt_`.
        """
        return self._transport.pages(
            Presence,
            Call(
                method="GET",
                path=path("/v1/admin/partners/{partner_id}/presences", partner_id=partner_id),
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
    ) -> Presence:
        """Put a partner into a category and territory; refused where it or a partner there is exclusive.

        Needs the scope `admin:write`.

        partner_id: An id that begins with `prt_`.
        territory: GB, GB-SCT, or * for everywhere
        until: The first day after it; null for as long as the partner stays
        clause: The agreement's clause that keeps competitors out; null where there is none
        """
        return self._transport.one(
            Presence,
            Call(
                method="POST",
                path=path("/v1/admin/partners/{partner_id}/presences", partner_id=partner_id),
                query=query(dry_run=dry_run),
                body=given(category_id=category_id, territory=territory, since=since, until=until, clause=clause),
            ),
        )

    def get(self, presence_id: str) -> Presence:
        """One presence.

        Needs the scope `admin:read`.

        presence_id: An id that begins with `prs_`.
        """
        return self._transport.one(
            Presence,
            Call(
                method="GET",
                path=path("/v1/admin/presences/{presence_id}", presence_id=presence_id),
            ),
        )

    def change(
        self,
        presence_id: str,
        *,
        if_match: str,
        reason: str | None = None,
        since: date | None = None,
        until: date | Null | None = None,
        clause: str | Null | None = None,
        dry_run: bool = False,
    ) -> Presence:
        """Extend or end a presence, or change its clause; checked like a new one.

        Needs the scope `admin:write`.

        presence_id: An id that begins with `prs_`.
        until: The first day after it; null for as long as the partner stays
        clause: The agreement's clause that keeps competitors out; null where there is none
        """
        return self._transport.one(
            Presence,
            Call(
                method="PATCH",
                path=path("/v1/admin/presences/{presence_id}", presence_id=presence_id),
                query=query(dry_run=dry_run),
                body=given(reason=reason, since=since, until=until, clause=clause),
                if_match=if_match,
            ),
        )

    def withdraw(self, presence_id: str, *, reason: str | None = None, dry_run: bool = False) -> Meta:
        """Take back a presence that was entered by mistake.

        Needs the scope `admin:write`.

        presence_id: An id that begins with `prs_`.
        """
        return self._transport.done(
            Call(
                method="POST",
                path=path("/v1/admin/presences/{presence_id}/withdraw", presence_id=presence_id),
                query=query(dry_run=dry_run),
                body=given(reason=reason),
            )
        )
