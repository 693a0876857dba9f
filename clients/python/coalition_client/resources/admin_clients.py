"""OAuth clients, for the admin. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from collections.abc import Sequence

from coalition_client.models.admin_clients import Client
from coalition_client.transport import Call, Transport, path, query
from coalition_client.values import Meta, given


class AdminClients:
    """OAuth clients, for the admin."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def of_partner(self, partner_id: str) -> tuple[Client, ...]:
        """List the newest 100 clients of a partner, including revoked ones.

        Needs the scope `admin:read`.

        partner_id: An id that begins with `prt_`.
        """
        return self._transport.all(
            Client,
            Call(
                method="GET",
                path=path("/v1/admin/partners/{partner_id}/clients", partner_id=partner_id),
            ),
        )

    def create(self, partner_id: str, *, scopes: Sequence[str] | None = None, dry_run: bool = False) -> Client:
        """Create a client for an active partner. Keep the secret: we show it only this once.

        Needs the scope `admin:write`.

        partner_id: An id that begins with `prt_`.
        """
        return self._transport.one(
            Client,
            Call(
                method="POST",
                path=path("/v1/admin/partners/{partner_id}/clients", partner_id=partner_id),
                query=query(dry_run=dry_run),
                body=given(scopes=scopes),
            ),
        )

    def get(self, client_id: str) -> Client:
        """Get a client, even a revoked one.

        Needs the scope `admin:read`.

        client_id: The id of an OAuth client.
        """
        return self._transport.one(
            Client,
            Call(
                method="GET",
                path=path("/v1/admin/clients/{client_id}", client_id=client_id),
            ),
        )

    def change(
        self,
        client_id: str,
        *,
        if_match: str,
        reason: str | None = None,
        name: str | None = None,
        redirect_uris: Sequence[str] | None = None,
        scopes: Sequence[str] | None = None,
        dry_run: bool = False,
    ) -> Client:
        """Correct a client: its name, an app's redirect addresses, or a back end's scopes.

        Needs the scope `admin:write`.

        client_id: The id of an OAuth client.
        """
        return self._transport.one(
            Client,
            Call(
                method="PATCH",
                path=path("/v1/admin/clients/{client_id}", client_id=client_id),
                query=query(dry_run=dry_run),
                body=given(reason=reason, name=name, redirect_uris=redirect_uris, scopes=scopes),
                if_match=if_match,
            ),
        )

    def revoke(self, client_id: str, *, reason: str | None = None, dry_run: bool = False) -> Meta:
        """Revoke a client. Its tokens end within a second.

        Needs the scope `admin:write`.

        client_id: The id of an OAuth client.
        """
        return self._transport.done(
            Call(
                method="POST",
                path=path("/v1/admin/clients/{client_id}/revoke", client_id=client_id),
                query=query(dry_run=dry_run),
                body=given(reason=reason),
            )
        )
