"""/v1/holds: points set aside for a purchase in progress, then captured or voided."""

from __future__ import annotations

from typing import Any

from flask import Response

from api.auth import principal, requires
from api.postings import ENDING, PARAMETERS, SPENDING, post
from api.schemas import CaptureSchema, HoldSchema, HoldShownSchema, TransactionSchema, VoidSchema
from coalition import refusals, wallets
from kit import ids
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.services import services

holds_api = Blueprint("holds", __name__, url_prefix="/v1/holds", description="Purchases in progress")


@holds_api.post("")
@requires(holds_api, "holds:write")
@fails_with(*SPENDING, refusals.HoldOutOfRange)
@holds_api.doc(
    summary="Set a member's points aside until you capture or void them. Points that expire first go first.",
    parameters=PARAMETERS,
)
@holds_api.arguments(HoldSchema())
@holds_api.response(201, TransactionSchema)
def hold(body: dict[str, Any]) -> Response:
    return post("hold", body)


@holds_api.get("/<hold_id>")
@holds_api.doc(summary="Get one of your holds.")
@requires(holds_api, "transactions:read")
@fails_with(refusals.HoldNotFound)
@holds_api.response(200, HoldShownSchema)
def get(hold_id: str) -> wallets.Hold:
    with services().reading() as session:
        return wallets.hold(session, hold_id=ids.parse(ids.HOLD, hold_id), partner_id=principal().partner_id)


@holds_api.post("/<hold_id>/capture")
@requires(holds_api, "holds:write")
@fails_with(*ENDING, refusals.MoreThanHeld)
@holds_api.doc(summary="Capture all or part of a hold. The rest returns to the wallet.", parameters=PARAMETERS)
@holds_api.arguments(CaptureSchema())
@holds_api.response(201, TransactionSchema)
def capture(body: dict[str, Any], hold_id: str) -> Response:
    return post("capture", body, hold_id)


@holds_api.post("/<hold_id>/void")
@requires(holds_api, "holds:write")
@fails_with(*ENDING)
@holds_api.doc(summary="Void a hold and return its points to the wallet.", parameters=PARAMETERS)
@holds_api.arguments(VoidSchema())
@holds_api.response(201, TransactionSchema)
def void(body: dict[str, Any], hold_id: str) -> Response:
    return post("void", body, hold_id)
