"""/v1/admin: what a partner pays for its points that others take."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import marshmallow as ma

from coalition import programme
from kit import clock, ids
from kit.http import etags
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.etags import Tagged
from kit.http.fields import Id
from kit.http.paging import InvalidCursor, Page, PageQuery
from kit.http.requests import DRY_RUN
from kit.http.services import services
from partners import accounts
from partners.http.admin import (
    OWNED,
    PREFIX,
    READ,
    WRITE,
    ReasonSchema,
    line,
    page_of_partner,
    page_schema,
    write_down,
)
from partners.http.admin_rates import DATING, SINCE
from partners.http.auth import requires
from settlement import agreements
from settlement.agreements import Agreement, AgreementChange

admin_agreements_api = Blueprint(
    "admin-agreements", __name__, url_prefix=PREFIX, description="Agreements, for the admin"
)
PRICE = {"description": "Minor units for each point burned elsewhere, a decimal of up to 8 places", "example": "0.95"}


class NewAgreementSchema(ReasonSchema):
    """What a partner pays, from a day on."""

    redemption_price_minor = line(20, required=True, metadata=PRICE)
    since = ma.fields.Date(metadata=SINCE)


class AgreementChangeSchema(ReasonSchema):
    """What is corrected; what is left out stays."""

    redemption_price_minor = line(20, metadata=PRICE)
    since = ma.fields.Date()


class AgreementSchema(ma.Schema):
    """From `since` to before `until`, what a partner pays for each of its points that another takes."""

    agreement_id = Id(ids.AGREEMENT)
    partner_id = Id(ids.PARTNER)
    version = ma.fields.Integer(metadata={"description": "Counts the partner's agreements"})
    redemption_price_minor = ma.fields.String(attribute="redemption_price", metadata=PRICE)
    currency = ma.fields.String()
    since = ma.fields.Date(allow_none=True)
    until = ma.fields.Date(allow_none=True)
    created_at = ma.fields.AwareDateTime()


def _tagged(found: Agreement, status: int = 200) -> Tagged[Agreement]:
    return found, status, etags.tag_of(found.revision)


@admin_agreements_api.post("/partners/<partner_id>/agreements")
@requires(admin_agreements_api, WRITE)
@fails_with(*OWNED, *DATING, agreements.MalformedPrice)
@admin_agreements_api.doc(parameters=[DRY_RUN])
@admin_agreements_api.arguments(NewAgreementSchema())
@admin_agreements_api.response(201, AgreementSchema, headers=etags.ETAG)
def add(body: dict[str, Any], partner_id: str) -> Tagged[Agreement]:
    """Agree what a partner pays from a day on; the agreement before ends the day before."""
    price = agreements.price(body["redemption_price_minor"])
    with services().writing() as session:
        current = programme.get(session)
        made = agreements.agree(
            session,
            partner_id=accounts.present(session, ids.parse(ids.PARTNER, partner_id)).partner_id,
            redemption_price_minor=price,
            currency=current.currency,
            since=body.get("since") or current.open_day,
            now=clock.now(),
        )
        write_down(session, "agreement.made", made, key="agreement_id", **made.facts, reason=body["reason"])
    return _tagged(made, 201)


@admin_agreements_api.get("/partners/<partner_id>/agreements")
@requires(admin_agreements_api, READ)
@fails_with(accounts.PartnerNotFound, InvalidCursor)
@admin_agreements_api.arguments(PageQuery(), location="query")
@admin_agreements_api.response(200, page_schema(AgreementSchema))
def of_partner(query: dict[str, Any], partner_id: str) -> Page:
    """What a partner paid, pays and will pay for its points."""
    return page_of_partner(query, partner_id, key="agreement_id", fetch=agreements.of_partner)


@admin_agreements_api.get("/agreements/<agreement_id>")
@requires(admin_agreements_api, READ)
@fails_with(agreements.AgreementNotFound)
@admin_agreements_api.response(200, AgreementSchema, headers=etags.ETAG)
def get(agreement_id: str) -> Tagged[Agreement]:
    """One agreement."""
    with services().reading() as session:
        return _tagged(agreements.get(session, ids.parse(ids.AGREEMENT, agreement_id)))


@admin_agreements_api.patch("/agreements/<agreement_id>")
@requires(admin_agreements_api, WRITE)
@fails_with(agreements.AgreementNotFound, agreements.MalformedPrice, *DATING)
@admin_agreements_api.doc(parameters=[DRY_RUN, etags.IF_MATCH])
@admin_agreements_api.arguments(AgreementChangeSchema())
@admin_agreements_api.response(200, AgreementSchema, headers=etags.ETAG)
def correct(body: dict[str, Any], agreement_id: str) -> Tagged[Agreement]:
    """Correct an agreement while no business day on which it holds is over."""
    seen, changes = etags.seen(), AgreementChange()
    if "redemption_price_minor" in body:
        changes["redemption_price_minor"] = Fraction(agreements.price(body["redemption_price_minor"]))
    if "since" in body:
        changes["since"] = body["since"]
    with services().writing() as session:
        wanted = ids.parse(ids.AGREEMENT, agreement_id)
        changed = agreements.correct(session, agreement_id=wanted, changes=changes, seen=seen)
        write_down(session, "agreement.corrected", changed, key="agreement_id", **changed.facts, reason=body["reason"])
    return _tagged(changed)


@admin_agreements_api.post("/agreements/<agreement_id>/withdraw")
@requires(admin_agreements_api, WRITE)
@fails_with(agreements.AgreementNotFound, *DATING)
@admin_agreements_api.doc(parameters=[DRY_RUN])
@admin_agreements_api.arguments(ReasonSchema())
@admin_agreements_api.response(204)
def withdraw(body: dict[str, Any], agreement_id: str) -> None:
    """Take back an agreement while no business day on which it holds is over; the one before it goes on."""
    with services().writing() as session:
        gone = agreements.withdraw(session, agreement_id=ids.parse(ids.AGREEMENT, agreement_id))
        write_down(session, "agreement.withdrawn", gone, key="agreement_id", **gone.facts, reason=body["reason"])
