"""POST /v1/burns: spend points."""

from __future__ import annotations

from typing import Any

from flask import Response

from kit.http.api import Blueprint
from kit.http.description import fails_with
from partners.http.auth import requires
from partners.http.postings import PARAMETERS, SPENDING, post
from partners.http.schemas import BurnSchema, TransactionSchema

burns_api = Blueprint("burns", __name__, url_prefix="/v1/burns", description="Points spent by members")


@burns_api.post("")
@requires(burns_api, "burn:write")
@fails_with(*SPENDING)
@burns_api.doc(parameters=PARAMETERS)
@burns_api.arguments(BurnSchema())
@burns_api.response(201, TransactionSchema)
def burn(body: dict[str, Any]) -> Response:
    """Spend a member's points, those that expire first before others, whoever issued them."""
    return post("burn", body)
