"""POST /v1/transactions/{id}/reversals, and /v1/clawbacks for a return whose purchase is not known."""

from __future__ import annotations

from typing import Any

from flask import Response

from coalition import ledger
from kit import ids
from kit.db import Session
from kit.http import idempotency
from kit.http.api import Blueprint
from partners.http.auth import requires
from partners.http.postings import measure, member_of, post
from partners.http.schemas import ClawbackSchema, ReversalSchema, TransactionSchema

reversals_api = Blueprint("reversals", __name__, url_prefix="/v1", description="Returns")


@reversals_api.post("/transactions/<transaction_id>/reversals")
@requires(reversals_api, "reversals:write")
@reversals_api.doc(parameters=[idempotency.PARAMETER])
@reversals_api.arguments(ReversalSchema())
@reversals_api.response(201, TransactionSchema)
def reverse(body: dict[str, Any], transaction_id: str) -> Response:
    """Reverse an earn or a burn of yours, whole or in part, never more in sum than the original."""
    command = ledger.Reversal(
        original_id=ids.parse(ids.TRANSACTION, transaction_id),
        reference=body["reference"],
        effective_at=body.get("effective_at"),
        **measure(body),
    )
    return post(lambda session, request: ledger.reverse(session, request, command))


@reversals_api.post("/clawbacks")
@requires(reversals_api, "reversals:write")
@reversals_api.doc(parameters=[idempotency.PARAMETER])
@reversals_api.arguments(ClawbackSchema())
@reversals_api.response(201, TransactionSchema)
def claw_back(body: dict[str, Any]) -> Response:
    """Take back what an amount earns at your rate, from your own points, the newest first, as far as they go."""

    def verb(session: Session, request: ledger.Request) -> ledger.Outcome:
        command = ledger.Clawback(
            member_id=member_of(session, body),
            reference=body["reference"],
            amount_minor=body["amount"]["minor"],
            currency=body["amount"]["currency"],
            effective_at=body.get("effective_at"),
        )
        return ledger.claw_back(session, request, command)

    return post(verb)
