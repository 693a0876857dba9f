"""POST /v1/earns: issue points."""

from __future__ import annotations

from typing import Any

from flask import Response

from api.auth import requires
from api.postings import PARAMETERS, POSTING, post
from api.schemas import EarnSchema, TransactionSchema
from coalition import refusals
from kit.http.api import Blueprint
from kit.http.description import fails_with

earns_api = Blueprint("earns", __name__, url_prefix="/v1/earns", description="Points issued to members")


@earns_api.post("")
@requires(earns_api, "earn:write")
@fails_with(
    *POSTING,
    refusals.ExposureExceeded,
    refusals.NoEarningRate,
    refusals.VestsOutOfRange,
    refusals.ExpiresOutOfRange,
    refusals.AwardNotPermitted,
)
@earns_api.doc(
    summary="Issue points: a number of points, what an amount earns at your rate, or awards that you name.",
    parameters=PARAMETERS,
)
@earns_api.arguments(EarnSchema())
@earns_api.response(201, TransactionSchema)
def earn(body: dict[str, Any]) -> Response:
    return post("earn", body)
