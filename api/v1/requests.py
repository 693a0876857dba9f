"""GET /v1/requests/{request_id}: what you sent, what was decided, and how to mend it."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from flask import request

from api import admission
from api.auth import principal, requires
from identity import request_log
from identity.request_log import Record, RequestNotFound
from kit import errors
from kit.http import exchange
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.requests import REQUEST_ID
from kit.http.services import services

requests_api = Blueprint("requests", __name__, url_prefix="/v1/requests", description="Requests you sent")
OTHER_PROCESSES_WRITE_WITHIN_S = 0.25


class RequestSchema(ma.Schema):
    schema_description = "One request of yours."

    request_id = ma.fields.String()
    at = ma.fields.AwareDateTime()
    client_id = ma.fields.String(metadata={"description": "which of your clients made it"})
    method = ma.fields.String()
    path = ma.fields.String()
    status = ma.fields.Integer()
    code = ma.fields.String(allow_none=True, metadata={"description": "of the problem, if it was refused"})
    duration_us = ma.fields.Integer(metadata={"description": "microseconds we took"})
    idempotency_key = ma.fields.String(allow_none=True)
    trace_id = ma.fields.String()
    sent = ma.fields.Dict(
        allow_none=True,
        metadata={"description": "`query` and `body`; what identifies people and what is secret is masked"},
    )
    answer = ma.fields.Dict(
        allow_none=True, metadata={"description": "the problem document, or the ids of what came about"}
    )
    remedy = ma.fields.String(allow_none=True, metadata={"description": "what you can do about the problem"})
    documentation = ma.fields.String(allow_none=True, metadata={"description": "the page about the problem"})


@requests_api.get("/<request_id>")
@requests_api.doc(
    summary=("Get one of your requests by the Request-Id of its answer: what you sent, what we decided, and a remedy."),
    description=(
        "For some days we keep requests that changed something and requests that we refused, except those without a "
        "valid token and those over a rate limit. If you send the same Request-Id twice, you get the newer request."
    ),
)
@requires(requests_api, "transactions:read")
@fails_with(RequestNotFound)
@requests_api.response(200, RequestSchema)
def get(request_id: str) -> dict[str, Any]:
    if not REQUEST_ID.fullmatch(request_id):
        raise RequestNotFound("you sent no request with this id, or we no longer keep it")
    admission.write_out()
    try:
        found = _find(request_id)
    except RequestNotFound:
        # Another process may have answered it a moment ago, and be about to write it down.
        exchange.of(request.environ).pause(OTHER_PROCESSES_WRITE_WITHIN_S)
        raise
    kind = errors.catalogue().get(found.code or "")
    return {
        **vars(found),
        "remedy": kind and kind.remedy,
        "documentation": kind and f"/problems/{kind.code}",
    }


def _find(request_id: str) -> Record:
    with services().reading() as session:
        owner = principal().partner_id or admission.COALITION
        return request_log.find(session, request_id=request_id, partner_id=owner)
