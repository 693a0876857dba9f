"""/v1/admin: that a partner's agreement was signed."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from api.admission import act
from api.auth import requires
from api.v1.admin.common import OWNED, PREFIX, READ, WRITE, line, page_of_partner, page_schema
from kit import ids
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.fields import Id
from kit.http.paging import InvalidCursor, Page, PageQuery
from kit.http.requests import DRY_RUN
from kit.http.services import services
from partners import accounts, signatures, texts
from partners.signatures import Signature

admin_signatures_api = Blueprint(
    "admin-signatures", __name__, url_prefix=PREFIX, description="Signed agreements, for the admin"
)


class HashField(ma.fields.Field[bytes]):
    """A SHA-256 as 64 hexadecimal digits."""

    def _serialize(self, value: bytes | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else value.hex()

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bytes:
        try:
            found = bytes.fromhex(value) if isinstance(value, str) and len(value) == 64 else b""
        except ValueError:
            found = b""
        if len(found) != 32:
            raise ma.ValidationError("a SHA-256 has 64 hexadecimal digits")
        return found


HASH = {"type": "string", "pattern": "^[0-9a-fA-F]{64}$", "description": "The SHA-256 of the document"}


class NewSignatureSchema(ma.Schema):
    schema_description = "A signed document."

    document = line(200, required=True, metadata={"description": "Where you keep the document, or its number"})
    document_hash = HashField(required=True, metadata=HASH)
    partner_signatory = line(100, required=True)
    coalition_signatory = line(100, required=True)
    signed_on = ma.fields.Date(required=True)


class SignatureSchema(NewSignatureSchema):
    schema_description = "A signed document, as you recorded it."

    signature_id = Id(ids.SIGNATURE)
    partner_id = Id(ids.PARTNER)
    recorded_at = ma.fields.AwareDateTime()


@admin_signatures_api.post("/partners/<partner_id>/signatures")
@requires(admin_signatures_api, WRITE)
@fails_with(*OWNED, texts.MalformedText, signatures.SignedInFuture)
@admin_signatures_api.doc(summary="Record that both sides signed. You cannot undo this.", parameters=[DRY_RUN])
@admin_signatures_api.arguments(NewSignatureSchema())
@admin_signatures_api.response(201, SignatureSchema)
def record(body: dict[str, Any], partner_id: str) -> Signature:
    with services().writing() as session:
        return signatures.record(session, act(), partner_id=ids.parse(ids.PARTNER, partner_id), **body)


@admin_signatures_api.get("/partners/<partner_id>/signatures")
@admin_signatures_api.doc(summary="List what a partner signed.")
@requires(admin_signatures_api, READ)
@fails_with(accounts.PartnerNotFound, InvalidCursor)
@admin_signatures_api.arguments(PageQuery(), location="query")
@admin_signatures_api.response(200, page_schema(SignatureSchema))
def of_partner(query: dict[str, Any], partner_id: str) -> Page:
    return page_of_partner(query, partner_id, key="signature_id", fetch=signatures.of_partner)


@admin_signatures_api.get("/signatures/<signature_id>")
@admin_signatures_api.doc(summary="Get a signed document.")
@requires(admin_signatures_api, READ)
@fails_with(signatures.SignatureNotFound)
@admin_signatures_api.response(200, SignatureSchema)
def get(signature_id: str) -> Signature:
    with services().reading() as session:
        return signatures.get(session, ids.parse(ids.SIGNATURE, signature_id))
