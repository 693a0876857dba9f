"""/v1/obligations: the postings that an obligation is made of."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from api.auth import principal, requires
from api.fields import location_shown
from kit import ids
from kit.http import paging
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.fields import Id
from kit.http.paging import Page, PageQuery
from kit.http.services import services
from settlement import drill_down

obligations_api = Blueprint(
    "obligations", __name__, url_prefix="/v1/obligations", description="What your statements are made of"
)


class LineSchema(ma.Schema):
    schema_description = "A posting, and its share of the obligation."

    n = ma.fields.Integer(metadata={"description": "Its place, from 1", "example": 1})
    transaction_id = Id(ids.TRANSACTION)
    seq = ma.fields.Integer(metadata={"description": "The posting's place in its transaction", "example": 1})
    reference = ma.fields.String(metadata={"description": "The receipt, as the partner that posted it calls it"})
    posted_on = ma.fields.Date(metadata={"description": "The business day it was posted on"})
    issued_on = ma.fields.Date(metadata={"description": "The business day that fixed the points' price"})
    concerns = ma.fields.Date(metadata={"description": "The day of the purchase or return itself"})
    location = location_shown()
    points = ma.fields.Integer()
    amount_minor = ma.fields.Integer(metadata={"description": "All lines add up to the obligation's amount"})


class LinePageSchema(ma.Schema):
    schema_description = "A page of an obligation's lines."

    data = ma.fields.List(ma.fields.Nested(LineSchema))
    next_cursor = ma.fields.String(allow_none=True)


@obligations_api.get("/<obligation_id>/lines")
@obligations_api.doc(summary="List the postings that an obligation of yours is made of. Fees and tax have none.")
@requires(obligations_api, "settlement:read")
@fails_with(drill_down.ObligationNotFound, paging.InvalidCursor)
@obligations_api.arguments(PageQuery(), location="query")
@obligations_api.response(200, LinePageSchema)
def lines(query: dict[str, Any], obligation_id: str) -> Page:
    svc = services()
    wanted = ids.parse(ids.OBLIGATION, obligation_id)
    bound_to = ["lines", obligation_id, principal().client_id]
    after = paging.unseal(svc.keyring, query["cursor"], bound_to=bound_to, start=0)
    with svc.reading() as session:
        drill_down.obligation(session, wanted)
        found = drill_down.lines(session, wanted, after=after, limit=query["limit"] + 1)
    page = found[: query["limit"]]
    more = len(found) > len(page)
    return Page(page, paging.seal(svc.keyring, bound_to=bound_to, position=page[-1].n) if more else None)
