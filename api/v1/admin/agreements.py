"""/v1/admin: what is agreed with a partner about its points."""

from __future__ import annotations

from typing import Any, cast

import marshmallow as ma

from api.admission import act
from api.auth import requires
from api.v1.admin.common import OWNED, PREFIX, READ, WRITE, ReasonSchema, line, page_of_partner, page_schema
from api.v1.admin.rates import DATING, SINCE
from coalition import programme
from kit import ids
from kit.http import etags
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.etags import Tagged
from kit.http.fields import Id, WholeNumber, currency
from kit.http.paging import InvalidCursor, Page, PageQuery
from kit.http.requests import DRY_RUN
from kit.http.services import services
from partners import accounts, issuing
from settlement import agreement_terms, agreements
from settlement.agreement_terms import (
    MOST_MINOR,
    TERMS,
    Amount,
    Bic,
    Choice,
    Currency,
    Iban,
    Line,
    Percent,
    Price,
    Term,
)
from settlement.agreements import Agreement, AgreementChange

admin_agreements_api = Blueprint(
    "admin-agreements", __name__, url_prefix=PREFIX, description="Agreements, for the admin"
)
DECIMAL = 20  # characters


class _Decimal(ma.fields.String):
    """An exact number in an answer, as text."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return super()._serialize(agreement_terms.show(value), attr, obj, **kwargs)


def asked(term: Term) -> ma.fields.Field[Any]:
    """A term in a request; null takes away what an agreement may be without."""
    given: dict[str, Any] = {"metadata": _described(term), "allow_none": term.default is None}
    match term.kind:
        case Amount():
            return WholeNumber(least=0, most=MOST_MINOR, **given)
        case Choice(values):
            return ma.fields.String(validate=ma.validate.OneOf(values), **given)
        case Currency():
            return currency(**given)
        case Line(longest) | Iban(longest) | Bic(longest):
            return line(longest, **given)
    return line(DECIMAL, **given)


def _answered(term: Term) -> ma.fields.Field[Any]:
    given: dict[str, Any] = {"metadata": _described(term), "allow_none": term.default is None}
    if isinstance(term.kind, Amount):
        return ma.fields.Integer(**given)
    return _Decimal(**given) if isinstance(term.kind, Price | Percent) else ma.fields.String(**given)


def _described(term: Term) -> dict[str, Any]:
    return {"description": term.about, "example": term.example}


AskedSchema = ma.Schema.from_dict({term.name: asked(term) for term in TERMS}, name="AskedSchema")
AnsweredSchema = ma.Schema.from_dict({term.name: _answered(term) for term in TERMS}, name="AnsweredSchema")


class NewAgreementSchema(ReasonSchema, AskedSchema):  # type: ignore[misc, valid-type]
    schema_description = (
        "What is agreed with a partner from a day on. A term you leave out is taken over from the agreement before; a "
        "first agreement needs at least `redemption_price_minor`."
    )

    since = ma.fields.Date(metadata=SINCE)


class AgreementChangeSchema(ReasonSchema, AskedSchema):  # type: ignore[misc, valid-type]
    schema_description = "The fields you correct. A field you leave out stays as it is."

    since = ma.fields.Date()


class AgreementSchema(AnsweredSchema):  # type: ignore[misc, valid-type]
    schema_description = "From `since` until the day before `until`, what is agreed with a partner about its points."

    agreement_id = Id(ids.AGREEMENT)
    partner_id = Id(ids.PARTNER)
    version = ma.fields.Integer(metadata={"description": "The number of this agreement among the partner's agreements"})
    since = ma.fields.Date(allow_none=True)
    until = ma.fields.Date(allow_none=True)
    created_at = ma.fields.AwareDateTime()


# What terms that somebody sends can meet.
TERMS_SENT = (
    agreement_terms.MalformedPrice,
    agreement_terms.MalformedTerm,
    programme.UnknownCurrency,
    agreements.PriceMissing,
    agreements.ContradictoryTerms,
)


def _tagged(found: Agreement, status: int = 200) -> Tagged[Agreement]:
    return found, status, etags.tag_of(found.revision)


@admin_agreements_api.post("/partners/<partner_id>/agreements")
@requires(admin_agreements_api, WRITE)
@fails_with(*OWNED, *DATING, *TERMS_SENT)
@admin_agreements_api.doc(
    summary="Add an agreement with a partner from a day on. The previous agreement ends the day before.",
    parameters=[DRY_RUN],
)
@admin_agreements_api.arguments(NewAgreementSchema())
@admin_agreements_api.response(201, AgreementSchema, headers=etags.ETAG)
def add(body: dict[str, Any], partner_id: str) -> Tagged[Agreement]:
    terms, why = agreement_terms.parse(body), act(reason=body["reason"])
    with services().writing() as session:
        made = agreements.agree(
            session,
            why,
            partner_id=accounts.present(session, ids.parse(ids.PARTNER, partner_id)).partner_id,
            since=body.get("since") or programme.get(session).open_day,
            **terms,
        )
    return _tagged(made, 201)


@admin_agreements_api.get("/partners/<partner_id>/agreements")
@admin_agreements_api.doc(summary="List what was, is and will be agreed with a partner.")
@requires(admin_agreements_api, READ)
@fails_with(accounts.PartnerNotFound, InvalidCursor)
@admin_agreements_api.arguments(PageQuery(), location="query")
@admin_agreements_api.response(200, page_schema(AgreementSchema))
def of_partner(query: dict[str, Any], partner_id: str) -> Page:
    return page_of_partner(query, partner_id, key="agreement_id", fetch=agreements.of_partner)


@admin_agreements_api.get("/agreements/<agreement_id>")
@admin_agreements_api.doc(summary="Get an agreement.")
@requires(admin_agreements_api, READ)
@fails_with(agreements.AgreementNotFound)
@admin_agreements_api.response(200, AgreementSchema, headers=etags.ETAG)
def get(agreement_id: str) -> Tagged[Agreement]:
    with services().reading() as session:
        return _tagged(agreements.get(session, ids.parse(ids.AGREEMENT, agreement_id)))


@admin_agreements_api.patch("/agreements/<agreement_id>")
@requires(admin_agreements_api, WRITE)
@fails_with(agreements.AgreementNotFound, issuing.TermsMissing, *DATING, *TERMS_SENT)
@admin_agreements_api.doc(
    summary="Correct an agreement before any business day that it covers is over.",
    parameters=[DRY_RUN, etags.IF_MATCH],
)
@admin_agreements_api.arguments(AgreementChangeSchema())
@admin_agreements_api.response(200, AgreementSchema, headers=etags.ETAG)
def correct(body: dict[str, Any], agreement_id: str) -> Tagged[Agreement]:
    expected_version, why = etags.expected_version(), act(reason=body["reason"])
    changes = cast(AgreementChange, agreement_terms.parse(body))
    if "since" in body:
        changes["since"] = body["since"]
    with services().writing() as session:
        wanted = ids.parse(ids.AGREEMENT, agreement_id)
        changed = agreements.correct(
            session, why, agreement_id=wanted, changes=changes, expected_version=expected_version
        )
    return _tagged(changed)


@admin_agreements_api.post("/agreements/<agreement_id>/withdraw")
@requires(admin_agreements_api, WRITE)
@fails_with(agreements.AgreementNotFound, issuing.TermsMissing, *DATING)
@admin_agreements_api.doc(
    summary="Withdraw an agreement before any business day that it covers is over. The previous agreement continues.",
    parameters=[DRY_RUN],
)
@admin_agreements_api.arguments(ReasonSchema())
@admin_agreements_api.response(204)
def withdraw(body: dict[str, Any], agreement_id: str) -> None:
    with services().writing() as session:
        wanted = ids.parse(ids.AGREEMENT, agreement_id)
        agreements.withdraw(session, act(reason=body["reason"]), agreement_id=wanted)
