"""Signed agreements, for the admin. Generated from the API's description: change that and pin it."""

from __future__ import annotations

from datetime import date

from coalition_client.models.admin_signatures import Signature
from coalition_client.pages import Pages
from coalition_client.transport import Call, Transport, path, query
from coalition_client.values import given


class AdminSignatures:
    """Signed agreements, for the admin."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def of_partner(self, partner_id: str, *, limit: int | None = None) -> Pages[Signature]:
        """List what a partner signed.

        Needs the scope `admin:read`.

        partner_id: An id that begins with `prt_`.
        """
        return self._transport.pages(
            Signature,
            Call(
                method="GET",
                path=path("/v1/admin/partners/{partner_id}/signatures", partner_id=partner_id),
                query=query(limit=limit),
            ),
        )

    def record(
        self,
        partner_id: str,
        *,
        document: str,
        document_hash: str,
        partner_signatory: str,
        coalition_signatory: str,
        signed_on: date,
        dry_run: bool = False,
    ) -> Signature:
        """Record that both sides signed. You cannot undo this.

        Needs the scope `admin:write`.

        partner_id: An id that begins with `prt_`.
        document: Where you keep the document, or its number
        document_hash: The SHA-256 of the document
        """
        return self._transport.one(
            Signature,
            Call(
                method="POST",
                path=path("/v1/admin/partners/{partner_id}/signatures", partner_id=partner_id),
                query=query(dry_run=dry_run),
                body=given(
                    document=document,
                    document_hash=document_hash,
                    partner_signatory=partner_signatory,
                    coalition_signatory=coalition_signatory,
                    signed_on=signed_on,
                ),
            ),
        )

    def get(self, signature_id: str) -> Signature:
        """Get a signed document.

        Needs the scope `admin:read`.

        signature_id: An id that begins with `sig_`.
        """
        return self._transport.one(
            Signature,
            Call(
                method="GET",
                path=path("/v1/admin/signatures/{signature_id}", signature_id=signature_id),
            ),
        )
