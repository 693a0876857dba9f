"""POST /v1/returns: a purchase brought back, with all it earned and all it spent, as one operation with one outcome."""

from __future__ import annotations

from typing import Any

from flask import Response

from api.auth import requires
from api.postings import PARAMETERS, post
from api.schemas import ReturnSchema, ReturnShownSchema
from api.v1.reversals import REVERSING
from coalition import refusals
from kit.http.api import Blueprint
from kit.http.description import fails_with

returns_api = Blueprint("returns", __name__, url_prefix="/v1/returns", description="Returns of whole purchases")


@returns_api.post("")
@requires(returns_api, "reversals:write")
@fails_with(*REVERSING, refusals.SeveralMembers)
@returns_api.doc(
    summary="Return a receipt: reverse its earns, burns and captures together, or none of them.",
    description=(
        "We first give back the points that the receipt spent, then take back the points it earned. So the order of "
        "`transactions` does not change the outcome. If we refuse, `transaction_id` names the transaction that is the "
        "reason. The reference stands for the whole return: if you send it again with other transactions, the answer "
        "is `reference_reused`."
    ),
    parameters=PARAMETERS,
)
@returns_api.arguments(ReturnSchema())
@returns_api.response(201, ReturnShownSchema)
def create(body: dict[str, Any]) -> Response:
    return post("return", body)
