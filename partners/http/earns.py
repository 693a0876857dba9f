"""POST /v1/earns: issue points."""

from __future__ import annotations

from typing import Any

from flask import Response

from coalition import ledger
from kit.db import Session
from kit.http import idempotency
from kit.http.api import Blueprint
from partners.http.auth import principal, requires
from partners.http.postings import measure, member_of, post, require_role
from partners.http.schemas import EarnSchema, TransactionSchema

earns_api = Blueprint("earns", __name__, url_prefix="/v1/earns", description="Points issued to members")


@earns_api.post("")
@requires(earns_api, "earn:write")
@earns_api.doc(parameters=[idempotency.PARAMETER])
@earns_api.arguments(EarnSchema())
@earns_api.response(201, TransactionSchema)
def earn(body: dict[str, Any]) -> Response:
    """Issue points: so many, or what an amount earns at your rate."""
    require_role(has_it=principal().is_issuer, role="issuer")

    def verb(session: Session, request: ledger.Request) -> ledger.Outcome:
        command = ledger.Earn(
            member_id=member_of(session, body),
            reference=body["reference"],
            effective_at=body.get("effective_at"),
            **measure(body),
        )
        return ledger.earn(session, request, command)

    return post(verb)
