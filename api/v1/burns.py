"""POST /v1/burns: spend points."""

from __future__ import annotations

from typing import Any

from flask import Response

from api.auth import requires
from api.postings import PARAMETERS, SPENDING, post
from api.schemas import BurnSchema, TransactionSchema
from kit.http.api import Blueprint
from kit.http.description import fails_with

burns_api = Blueprint("burns", __name__, url_prefix="/v1/burns", description="Points spent by members")


@burns_api.post("")
@requires(burns_api, "burn:write")
@fails_with(*SPENDING)
@burns_api.doc(
    summary="Spend a member's points. Points that expire first go first, whichever partner issued them.",
    parameters=PARAMETERS,
)
@burns_api.arguments(BurnSchema())
@burns_api.response(201, TransactionSchema)
def burn(body: dict[str, Any]) -> Response:
    return post("burn", body)
