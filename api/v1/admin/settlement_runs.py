"""/v1/admin/settlement: the runs and what people decide about them, what banks booked, and what would have been."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import marshmallow as ma

from api.admission import act
from api.auth import requires
from api.settled import HASH, LAST_ID, PARTY, PaymentSchema, PositionSchema, position_of
from api.v1.admin.agreements import TERMS_SENT, asked
from api.v1.admin.common import PREFIX, READ, WRITE, NoteSchema, ReasonSchema, line, page, page_schema
from api.v1.admin.settlement_reports import ReportTooSlow, bounded, table_schema
from api.v1.settlement_runs import RunSchema
from coalition import programme
from kit import clock, ids, texts
from kit.audit import Act
from kit.db import Session
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.fields import Id
from kit.http.paging import InvalidCursor, Page, PageQuery
from kit.http.requests import DRY_RUN
from kit.http.services import services
from partners import accounts
from settlement import agreement_terms, agreements, approvals, bank_entries, payments, runs, statements, what_if
from settlement.agreement_terms import TERMS
from settlement.bank_entries import BankEntry
from settlement.cycles import Span
from settlement.reports import DayNotSettled
from settlement.runs import Run
from settlement.spans import SpanRefused
from settlement.supposed import PRICING

admin_settlement_runs_api = Blueprint(
    "admin-settlement-runs", __name__, url_prefix=f"{PREFIX}/settlement", description="Settlement runs, for the admin"
)
MOST_PARTNERS = 1_000
MOST_DAYS = 100  # of a what-if in a request: each is calculated again


class AdminRunSchema(RunSchema):
    schema_description = "Business days that are settled together: one, a week or a month."

    netting = ma.fields.String(
        allow_none=True, metadata={"description": "How it is paid, once it is calculated", "example": "direct"}
    )
    content_hash = ma.fields.String(allow_none=True, metadata=HASH)


class PartyPositionSchema(PositionSchema):
    schema_description = "What a party receives of a run in a currency; negative: what it owes."

    party = ma.fields.String(metadata=PARTY)


class StandingSchema(PaymentSchema):
    schema_description = "A payment of a run, and how it stands."

    status = ma.fields.String(
        metadata={"enum": [payments.DUE, payments.PARTLY_PAID, payments.PAID, payments.RETURNED, payments.REJECTED],
                  "example": payments.DUE}
    )  # fmt: skip
    reference = ma.fields.String(metadata={"description": "What the bank's statement calls it"})
    paid_minor = ma.fields.Integer(metadata={"example": 0})
    is_covered = ma.fields.Boolean(
        metadata={"description": "The coalition pays for a partner in default", "example": False}
    )
    reason = ma.fields.String(allow_none=True, metadata={"description": "Why it came back", "example": None})


class RunStepSchema(ma.Schema):
    schema_description = "A step of a run: into which state, when, by whom and why."

    state = ma.fields.String(metadata={"enum": list(runs.STATES), "example": runs.APPROVED})
    at = ma.fields.AwareDateTime()
    by = ma.fields.String(metadata={"description": "A person, or the coalition's clock", "example": "Ann"})
    reason = ma.fields.String(allow_none=True, metadata={"example": None})


class AdminRunDetailSchema(AdminRunSchema):
    schema_description = "A run, what it comes to, how it is paid, and who decided what."

    positions = ma.fields.List(ma.fields.Nested(PartyPositionSchema))
    payments = ma.fields.List(ma.fields.Nested(StandingSchema))
    changes = ma.fields.List(ma.fields.Nested(RunStepSchema))


class RunsQuery(PageQuery):
    """Which runs."""

    state = ma.fields.String(validate=ma.validate.OneOf(runs.STATES))


_WHO = {"description": "The person who decides. Your client vouches for it, and the audit keeps both", "example": "Ann"}


class DecisionSchema(NoteSchema):
    schema_description = "Who decides it, and why if there is something to say."

    decided_by = line(texts.LONGEST_NAME, required=True, metadata=_WHO)


class ReasonedDecisionSchema(ReasonSchema):
    schema_description = "Who decides it, and why."

    decided_by = line(texts.LONGEST_NAME, required=True, metadata=_WHO)


class OpenItemSchema(ma.Schema):
    schema_description = "What a bank booked and no payment has, in full or in part."

    bank_entry_id = Id(ids.BANK_ENTRY)
    account_of = ma.fields.String(metadata=PARTY)
    direction = ma.fields.String(metadata={"enum": ["in", "out"], "example": "in"})
    booked_on = ma.fields.Date()
    age_days = ma.fields.Integer(metadata={"example": 3})
    currency = ma.fields.String()
    amount_minor = ma.fields.Integer()
    open_minor = ma.fields.Integer(metadata={"description": "Of it, what no payment has", "example": 1066})
    counterparty_name = ma.fields.String(allow_none=True)
    counterparty_account = ma.fields.String(allow_none=True)
    booking_reference = ma.fields.String(allow_none=True)
    end_to_end_id = ma.fields.String(allow_none=True)
    remittance = ma.fields.String(allow_none=True)
    is_return = ma.fields.Boolean()
    return_reason = ma.fields.String(allow_none=True)
    imported_at = ma.fields.AwareDateTime()


TermsSchema = ma.Schema.from_dict(
    {term.name: asked(term) for term in TERMS if term.name in PRICING}, name="PricingSchema"
)


class WhatIfSchema(TermsSchema):  # type: ignore[misc, valid-type]
    schema_description = "Settled days, and terms that partners are supposed to have had. What you leave out stays."

    first_day = ma.fields.Date(required=True)
    last_day = ma.fields.Date(required=True, metadata={"description": f"At most {MOST_DAYS} days in all"})
    partners = ma.fields.List(
        line(64), validate=ma.validate.Length(1, MOST_PARTNERS),
        metadata={"description": "Whose terms, by their codes. If you leave it out: all that have an agreement"},
    )  # fmt: skip


RUN_STEP = (runs.RunNotFound, approvals.WrongState, approvals.PersonMissing, texts.MalformedText)


@admin_settlement_runs_api.get("/runs")
@admin_settlement_runs_api.doc(summary="List the settlement runs, newest first.")
@requires(admin_settlement_runs_api, READ)
@fails_with(InvalidCursor)
@admin_settlement_runs_api.arguments(RunsQuery(), location="query")
@admin_settlement_runs_api.response(200, page_schema(AdminRunSchema))
def everything(query: dict[str, Any]) -> Page:
    states = (query["state"],) if "state" in query else runs.STATES

    def fetch(session: Session, before: UUID, limit: int) -> list[Run]:
        return runs.page(session, before=before, limit=limit, states=states)

    found = page(query, key="run_id", bound_to=states, fetch=fetch, start=LAST_ID)
    return Page([_shown(one) for one in found.data], found.next_cursor)


@admin_settlement_runs_api.get("/runs/<run_id>")
@admin_settlement_runs_api.doc(summary="Get a settlement run: its positions, payments, and who decided what.")
@requires(admin_settlement_runs_api, READ)
@fails_with(runs.RunNotFound)
@admin_settlement_runs_api.response(200, AdminRunDetailSchema)
def get(run_id: str) -> dict[str, Any]:
    with services().reading() as session:
        found = runs.get(session, ids.parse(ids.SETTLEMENT_RUN, run_id))
        parties = statements.parties(session)
        positions = runs.positions(session, found.run_id)
        standings = payments.of_run(session, found.run_id)
        changes = runs.changes(session, found.run_id)
    return {
        **_shown(found),
        "positions": [{**position_of(one), "party": parties[one.party_id].code} for one in positions],
        "payments": [
            {
                **vars(one.payment), "payer": parties[one.payment.payer_id].code,
                "payee": parties[one.payment.payee_id].code, "status": one.status, "paid_minor": one.paid_minor,
                "reference": payments.reference(one.payment.payment_id), "is_covered": one.is_covered,
                "reason": one.reason,
            }
            for one in standings
        ],
        "changes": changes,
    }  # fmt: skip


@admin_settlement_runs_api.post("/runs/<run_id>/approve")
@requires(admin_settlement_runs_api, WRITE)
@fails_with(*RUN_STEP, approvals.SamePerson)
@admin_settlement_runs_api.doc(
    summary="Approve a calculated run. It takes as many people as the coalition's policy says.", parameters=[DRY_RUN]
)
@admin_settlement_runs_api.arguments(DecisionSchema())
@admin_settlement_runs_api.response(200, AdminRunSchema)
def approve(body: dict[str, Any], run_id: str) -> dict[str, Any]:
    return _do(approvals.approve, body, run_id)


@admin_settlement_runs_api.post("/runs/<run_id>/instruct")
@requires(admin_settlement_runs_api, WRITE)
@fails_with(*RUN_STEP)
@admin_settlement_runs_api.doc(
    summary="Say that the payments of an approved run are on their way, made without a payment file of ours.",
    parameters=[DRY_RUN],
)
@admin_settlement_runs_api.arguments(DecisionSchema())
@admin_settlement_runs_api.response(200, AdminRunSchema)
def instruct(body: dict[str, Any], run_id: str) -> dict[str, Any]:
    return _do(approvals.instruct, body, run_id)


@admin_settlement_runs_api.post("/runs/<run_id>/abandon")
@requires(admin_settlement_runs_api, WRITE)
@fails_with(*RUN_STEP, approvals.MoneyBooked)
@admin_settlement_runs_api.doc(
    summary="Give up a run before it is instructed. The answer is the next attempt, which takes its place.",
    parameters=[DRY_RUN],
)
@admin_settlement_runs_api.arguments(ReasonedDecisionSchema())
@admin_settlement_runs_api.response(200, AdminRunSchema)
def abandon(body: dict[str, Any], run_id: str) -> dict[str, Any]:
    return _do(approvals.abandon, body, run_id)


@admin_settlement_runs_api.get("/open-items")
@admin_settlement_runs_api.doc(summary="List what banks booked and no payment has, in the order we read it.")
@requires(admin_settlement_runs_api, READ)
@fails_with(InvalidCursor)
@admin_settlement_runs_api.arguments(PageQuery(), location="query")
@admin_settlement_runs_api.response(200, page_schema(OpenItemSchema))
def open_items(query: dict[str, Any]) -> Page:
    def fetch(session: Session, after: UUID, limit: int) -> list[BankEntry]:
        return bank_entries.open_page(session, after=after, limit=limit)

    found = page(query, key="bank_entry_id", bound_to=(), fetch=fetch)
    with services().reading() as session:
        parties, current = statements.parties(session), programme.get(session)
    today = current.day(current.time(clock.now()))
    items = [
        {**vars(one), "account_of": parties[one.owner_id].code, "direction": "in" if one.is_credit else "out",
         "age_days": (today - one.booked_on).days}
        for one in found.data
    ]  # fmt: skip
    return Page(items, found.next_cursor)


@admin_settlement_runs_api.post("/what-if")
@admin_settlement_runs_api.doc(
    summary="Calculate settled days as if partners had agreed on other terms, beside what was settled. Nothing changes."
)
@requires(admin_settlement_runs_api, READ)
@fails_with(
    ReportTooSlow, SpanRefused, DayNotSettled, accounts.PartnerNotFound, what_if.AgreementToChangeMissing, *TERMS_SENT
)
@admin_settlement_runs_api.arguments(WhatIfSchema())
@admin_settlement_runs_api.response(200, table_schema("WhatIf", what_if.COLUMNS))
def suppose(body: dict[str, Any]) -> dict[str, Any]:
    days, codes = Span(body.pop("first_day"), body.pop("last_day")), body.pop("partners", None)
    terms = agreement_terms.parse(body)
    if (days.last - days.first).days >= MOST_DAYS:
        raise SpanRefused(f"from {days.first} to {days.last} is more than {MOST_DAYS} days")
    with bounded() as session:
        if codes is None:
            whose = {one.partner_id for one in agreements.everything(session)}
        else:
            whose = {accounts.by_code(session, code).partner_id for code in codes}
        found = what_if.compare(session, days, dict.fromkeys(whose, terms))
        made = what_if.table(found, days, statements.parties(session))
    return {"title": made.title, "note": made.note, "data": made.dicts}


def _do(verb: Callable[..., Run], body: dict[str, Any], run_id: str) -> dict[str, Any]:
    why: Act = act(reason=body.get("reason"), by=body["decided_by"])
    with services().writing() as session:
        return _shown(verb(session, why, run_id=ids.parse(ids.SETTLEMENT_RUN, run_id)))


def _shown(run: Run) -> dict[str, Any]:
    return {**vars(run), "content_hash": run.content_hash and run.content_hash.hex()}
