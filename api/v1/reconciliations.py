"""/v1/reconciliations, /v1/reconciliation-breaks: your own files, compared with what you posted, and what differs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import marshmallow as ma
from marshmallow import validate

from api.auth import principal, requires
from api.settled import HASH, LAST_ID
from kit import ids
from kit.http import paging
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.fields import Id
from kit.http.paging import Page, PageQuery
from kit.http.services import services
from settlement.reconciliation import breaks, mappings, reconciliations
from settlement.reconciliation.breaks import Asked

reconciliations_api = Blueprint(
    "reconciliations", __name__, url_prefix="/v1/reconciliations", description="Your files compared with the ledger"
)
reconciliation_breaks_api = Blueprint(
    "reconciliation-breaks", __name__, url_prefix="/v1/reconciliation-breaks", description="What they disagree about"
)


class ReconciliationSchema(ma.Schema):
    schema_description = "A file of yours, compared with what you posted on some days."

    reconciliation_id = Id(ids.RECONCILIATION)
    file_sha256 = ma.fields.String(metadata={"description": "SHA-256 over the bytes of the file", **HASH})
    first_day = ma.fields.Date()
    last_day = ma.fields.Date()
    tolerance_points = ma.fields.Integer()
    tolerance_days = ma.fields.Integer()
    lines = ma.fields.Integer(metadata={"description": "Lines of these days"})
    passed_over = ma.fields.Integer(metadata={"description": "Lines of other days, or that are not compared"})
    postings = ma.fields.Integer(metadata={"description": "What you posted on these days"})
    by_reference = ma.fields.Integer(metadata={"description": "How many match by reference"})
    by_member = ma.fields.Integer(metadata={"description": "How many match by member, day and points"})
    by_tolerance = ma.fields.Integer(metadata={"description": "How many match within the tolerances"})
    breaks = ma.fields.Integer()
    compared_at = ma.fields.AwareDateTime()


class ReconciliationPageSchema(ma.Schema):
    schema_description = "A page of reconciliations."

    data = ma.fields.List(ma.fields.Nested(ReconciliationSchema))
    next_cursor = ma.fields.String(allow_none=True)


class BreakSchema(ma.Schema):
    schema_description = "What your file and the ledger disagree about. What begins with `line` is from your file."

    break_id = Id(ids.BREAK)
    type = ma.fields.String(
        metadata={
            "enum": list(breaks.TYPES),
            "description": "`missing_here`: the ledger lacks your line. `missing_there`: your file lacks what you "
            "posted.",
            "example": "points_differ",
        }
    )
    day = ma.fields.Date()
    transaction_id = Id(ids.TRANSACTION, allow_none=True)
    member_id = Id(ids.MEMBER, allow_none=True, metadata={"description": "As you know the member, if we know it"})
    kind = ma.fields.String(metadata={"enum": list(mappings.KINDS), "example": "earn"})
    reference = ma.fields.String(allow_none=True)
    posted_on = ma.fields.Date(allow_none=True)
    points = ma.fields.Integer(allow_none=True)
    amount_minor = ma.fields.Integer(allow_none=True)
    currency = ma.fields.String(allow_none=True)
    line = ma.fields.Integer(allow_none=True, metadata={"description": "The number of the line, from 1"})
    line_reference = ma.fields.String(allow_none=True)
    line_day = ma.fields.Date(allow_none=True)
    line_points = ma.fields.Integer(allow_none=True)
    line_amount_minor = ma.fields.Integer(allow_none=True)
    line_currency = ma.fields.String(allow_none=True)
    line_store = ma.fields.String(allow_none=True)
    difference = ma.fields.Integer(
        allow_none=True, metadata={"description": "Yours less ours: points, minor units or, of a wrong day, days"}
    )
    first_seen_at = ma.fields.AwareDateTime()
    first_seen_in = Id(ids.RECONCILIATION)
    last_seen_in = Id(ids.RECONCILIATION)
    state = ma.fields.String(metadata={"enum": list(breaks.STATES), "example": "open"})
    reason = ma.fields.String(allow_none=True, metadata={"description": "Why it is resolved"})
    resolved_at = ma.fields.AwareDateTime(allow_none=True)
    is_gone = ma.fields.Boolean(metadata={"description": "Resolved, because a later comparison did not find it"})


class BreakPageSchema(ma.Schema):
    schema_description = "A page of breaks."

    data = ma.fields.List(ma.fields.Nested(BreakSchema))
    next_cursor = ma.fields.String(allow_none=True)


class BreakQuery(PageQuery):
    """Which breaks."""

    state = ma.fields.String(load_default=None, validate=validate.OneOf(breaks.STATES))
    type = ma.fields.String(load_default=None, validate=validate.OneOf(breaks.TYPES))


@reconciliations_api.get("")
@reconciliations_api.doc(summary="List how your files compared with the ledger, newest first.")
@requires(reconciliations_api, "settlement:read")
@fails_with(paging.InvalidCursor)
@reconciliations_api.arguments(PageQuery(), location="query")
@reconciliations_api.response(200, ReconciliationPageSchema)
def everything(query: dict[str, Any]) -> Page:
    svc = services()
    bound_to = ["reconciliations", principal().client_id]
    before = paging.unseal(svc.keyring, query["cursor"], bound_to=bound_to, start=LAST_ID.int)
    with svc.reading() as session:
        found = reconciliations.newest(
            session, partner_id=principal().partner_id, before=UUID(int=before), limit=query["limit"] + 1
        )
    page = found[: query["limit"]]
    last = page[-1].reconciliation_id.int if len(found) > len(page) else None
    shown = [{**vars(one), "file_sha256": one.file_sha256.hex()} for one in page]
    return Page(shown, None if last is None else paging.seal(svc.keyring, bound_to=bound_to, position=last))


@reconciliation_breaks_api.get("")
@reconciliation_breaks_api.doc(summary="List what your files and the ledger disagree about, oldest first.")
@requires(reconciliation_breaks_api, "settlement:read")
@fails_with(paging.InvalidCursor)
@reconciliation_breaks_api.arguments(BreakQuery(), location="query")
@reconciliation_breaks_api.response(200, BreakPageSchema)
def list_breaks(query: dict[str, Any]) -> Page:
    svc = services()
    asked = Asked(principal().partner_id, state=query["state"], type=query["type"])
    bound_to = ["reconciliation-breaks", str(asked.state), str(asked.type), principal().client_id]
    after = paging.unseal(svc.keyring, query["cursor"], bound_to=bound_to, start=0)
    with svc.reading() as session:
        found = breaks.find(session, asked, after=UUID(int=after), limit=query["limit"] + 1)
    page = found[: query["limit"]]
    last = page[-1].break_id.int if len(found) > len(page) else None
    return Page(page, None if last is None else paging.seal(svc.keyring, bound_to=bound_to, position=last))
