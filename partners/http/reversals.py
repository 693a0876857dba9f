"""POST /v1/transactions/{id}/reversals, and /v1/clawbacks for a return whose purchase is not known."""

from __future__ import annotations

from typing import Any

from flask import Response

from coalition import refusals
from kit.http.api import Blueprint
from kit.http.description import fails_with
from partners.http.auth import requires
from partners.http.postings import COUNTERING, PARAMETERS, POSTING, post
from partners.http.schemas import ClawbackSchema, ReversalSchema, TransactionSchema

reversals_api = Blueprint("reversals", __name__, url_prefix="/v1", description="Returns")

# What reversing a transaction can meet.
REVERSING = (
    *COUNTERING,
    refusals.ReversedUnknown,
    refusals.NotReversible,
    refusals.MoreThanReversible,
    refusals.AmountNotComparable,
    refusals.PointsSpent,
)


@reversals_api.post("/transactions/<transaction_id>/reversals")
@requires(reversals_api, "reversals:write")
@fails_with(*REVERSING)
@reversals_api.doc(parameters=PARAMETERS)
@reversals_api.arguments(ReversalSchema())
@reversals_api.response(201, TransactionSchema)
def reverse(body: dict[str, Any], transaction_id: str) -> Response:
    """Reverse an earn, a burn or a capture of yours, whole or in part, never more in sum than the original.

    Where a purchase both earned and spent points, use `POST /v1/returns`: it reverses both with one outcome.
    """
    return post("reversal", body, transaction_id)


@reversals_api.post("/clawbacks")
@requires(reversals_api, "reversals:write")
@fails_with(*POSTING, refusals.NoEarningRate, refusals.PointsSpent)
@reversals_api.doc(parameters=PARAMETERS)
@reversals_api.arguments(ClawbackSchema())
@reversals_api.response(201, TransactionSchema)
def claw_back(body: dict[str, Any]) -> Response:
    """Take back what an amount earns at your rate, from your own points, the last issued first.

    You take back at most what you issued to the member and have not taken back yet; that may be no points at all.
    """
    return post("clawback", body)
