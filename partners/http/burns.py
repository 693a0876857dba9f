"""POST /v1/burns: spend points."""

from __future__ import annotations

from typing import Any

from flask import Response

from coalition import ledger
from kit.db import Session
from kit.http import idempotency
from kit.http.api import Blueprint
from partners.http.auth import principal, requires
from partners.http.postings import member_of, post, require_role
from partners.http.schemas import BurnSchema, TransactionSchema

burns_api = Blueprint("burns", __name__, url_prefix="/v1/burns", description="Points spent by members")


@burns_api.post("")
@requires(burns_api, "burn:write")
@burns_api.doc(parameters=[idempotency.PARAMETER])
@burns_api.arguments(BurnSchema())
@burns_api.response(201, TransactionSchema)
def burn(body: dict[str, Any]) -> Response:
    """Spend a member's points, those that expire first before others, whoever issued them."""
    require_role(has_it=principal().is_redeemer, role="redeemer")

    def verb(session: Session, request: ledger.Request) -> ledger.Outcome:
        command = ledger.Burn(
            member_id=member_of(session, body),
            reference=body["reference"],
            points=body["points"],
            effective_at=body.get("effective_at"),
        )
        return ledger.burn(session, request, command)

    return post(verb)
