"""/v1/settlement-runs: the days that were settled together with you, what they came to, and how far that is paid."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import marshmallow as ma

from api.auth import principal, requires
from api.settled import LAST_ID, PaymentSchema, PositionSchema, payment_of, position_of
from kit import ids
from kit.http import paging
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.fields import Id
from kit.http.paging import Page, PageQuery
from kit.http.services import services
from settlement import drill_down, runs, statements
from settlement.runs import Run

settlement_runs_api = Blueprint(
    "settlement-runs", __name__, url_prefix="/v1/settlement-runs", description="Your settlements"
)
STATE = {
    "enum": list(runs.STATES),
    "description": "From `calculated` on the figures stay. `settled`: everything is paid. `abandoned`: another attempt "
    "takes its place.",
    "example": "calculated",
}


class RunSchema(ma.Schema):
    schema_description = "Business days that are settled together: one, a week or a month."

    run_id = Id(ids.SETTLEMENT_RUN)
    cycle = ma.fields.String(metadata={"example": "monthly"})
    first_day = ma.fields.Date()
    last_day = ma.fields.Date()
    attempt = ma.fields.Integer(metadata={"description": "One more than were abandoned", "example": 1})
    state = ma.fields.String(metadata=STATE)


class RunPageSchema(ma.Schema):
    schema_description = "A page of settlement runs."

    data = ma.fields.List(ma.fields.Nested(RunSchema))
    next_cursor = ma.fields.String(allow_none=True)


class RunDetailSchema(RunSchema):
    schema_description = "A settlement run, and what it comes to for you."

    statement_id = Id(ids.STATEMENT)
    positions = ma.fields.List(ma.fields.Nested(PositionSchema))
    payments = ma.fields.List(ma.fields.Nested(PaymentSchema))


@settlement_runs_api.get("")
@settlement_runs_api.doc(summary="List the settlement runs that you have a statement of, newest first.")
@requires(settlement_runs_api, "settlement:read")
@fails_with(paging.InvalidCursor)
@settlement_runs_api.arguments(PageQuery(), location="query")
@settlement_runs_api.response(200, RunPageSchema)
def everything(query: dict[str, Any]) -> Page:
    svc = services()
    bound_to = ["settlement-runs", principal().client_id]
    before = paging.unseal(svc.keyring, query["cursor"], bound_to=bound_to, start=LAST_ID.int)
    with svc.reading() as session:
        found = drill_down.runs_of(session, principal().partner_id, before=UUID(int=before), limit=query["limit"] + 1)
    page = found[: query["limit"]]
    more = len(found) > len(page)
    return Page(page, paging.seal(svc.keyring, bound_to=bound_to, position=page[-1].run_id.int) if more else None)


@settlement_runs_api.get("/<run_id>")
@settlement_runs_api.doc(summary="Get a settlement run: what you receive or owe, and who pays whom.")
@requires(settlement_runs_api, "settlement:read")
@fails_with(statements.StatementNotFound)
@settlement_runs_api.response(200, RunDetailSchema)
def get(run_id: str) -> dict[str, Any]:
    svc = services()
    wanted = ids.parse(ids.SETTLEMENT_RUN, run_id)
    with svc.reading_public() as session:
        parties = statements.parties(session)
    with svc.reading() as session:
        kept = statements.kept_of(session, wanted, principal().partner_id)
        found: Run = runs.get(session, wanted)
        positions, payments = runs.positions(session, wanted), runs.payments(session, wanted)
    return {
        **vars(found),
        "statement_id": kept.statement_id,
        "positions": [position_of(one) for one in positions],
        "payments": [payment_of(one, parties) for one in payments],
    }
