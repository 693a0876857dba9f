"""POST /v1/transactions/{id}/reversals, and /v1/clawbacks for a return whose purchase is not known."""

from __future__ import annotations

from typing import Any

from flask import Response

from api.auth import requires
from api.postings import COUNTERING, PARAMETERS, POSTING, post
from api.schemas import ClawbackSchema, ReversalSchema, TransactionSchema
from coalition import refusals
from kit.http.api import Blueprint
from kit.http.description import fails_with

reversals_api = Blueprint("reversals", __name__, url_prefix="/v1", description="Returns")

# What reversing a transaction can meet.
REVERSING = (
    *COUNTERING,
    refusals.OriginalNotFound,
    refusals.NotReversible,
    refusals.MoreThanReversible,
    refusals.AmountNotComparable,
    refusals.PointsSpent,
)


@reversals_api.post("/transactions/<transaction_id>/reversals")
@requires(reversals_api, "reversals:write")
@fails_with(*REVERSING)
@reversals_api.doc(
    summary=(
        "Reverse one of your earns, burns or captures, in whole or in part. All reversals together never exceed the "
        "original."
    ),
    description=(
        "To return a receipt, use `POST /v1/returns`. It reverses everything that the purchase earned and spent."
    ),
    parameters=PARAMETERS,
)
@reversals_api.arguments(ReversalSchema())
@reversals_api.response(201, TransactionSchema)
def reverse(body: dict[str, Any], transaction_id: str) -> Response:
    return post("reversal", body, transaction_id)


@reversals_api.post("/clawbacks")
@requires(reversals_api, "reversals:write")
@fails_with(*POSTING, refusals.NoEarningRate, refusals.PointsSpent)
@reversals_api.doc(
    summary="Claw back what an amount earns when nobody knows the receipt: your own points, the last issued first.",
    description=(
        "We take back at most what you issued to the member and have not taken back yet. That can be no points at all."
    ),
    parameters=PARAMETERS,
)
@reversals_api.arguments(ClawbackSchema())
@reversals_api.response(201, TransactionSchema)
def claw_back(body: dict[str, Any]) -> Response:
    return post("clawback", body)
