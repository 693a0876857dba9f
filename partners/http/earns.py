"""POST /v1/earns: issue points."""

from __future__ import annotations

from typing import Any

from flask import Response

from coalition import refusals
from kit.http.api import Blueprint
from kit.http.description import fails_with
from partners.http.auth import requires
from partners.http.postings import PARAMETERS, POSTING, post
from partners.http.schemas import EarnSchema, TransactionSchema

earns_api = Blueprint("earns", __name__, url_prefix="/v1/earns", description="Points issued to members")


@earns_api.post("")
@requires(earns_api, "earn:write")
@fails_with(*POSTING, refusals.NoEarningRate, refusals.VestsOutOfRange)
@earns_api.doc(parameters=PARAMETERS)
@earns_api.arguments(EarnSchema())
@earns_api.response(201, TransactionSchema)
def earn(body: dict[str, Any]) -> Response:
    """Issue points: so many, or what an amount earns at your rate."""
    return post("earn", body)
