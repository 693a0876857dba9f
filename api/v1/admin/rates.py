"""/v1/admin: what an amount earns at a partner."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from api.admission import act
from api.auth import requires
from api.v1.admin.common import OWNED, PREFIX, READ, WRITE, ReasonSchema, line, page_of_partner, page_schema
from coalition import dated, programme, rates
from coalition.rates import Rate, RateChange
from kit import ids, money
from kit.http import etags
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.etags import Tagged
from kit.http.fields import Id, WholeNumber
from kit.http.paging import InvalidCursor, Page, PageQuery
from kit.http.requests import DRY_RUN
from kit.http.services import services
from partners import accounts, issuing, texts

admin_rates_api = Blueprint("admin-rates", __name__, url_prefix=PREFIX, description="Earning rates, for the admin")
# What giving terms other days can meet.
DATING = (dated.DayIsOver, dated.VersionTaken, texts.MalformedText)
POINTS = {"description": "Points, as a decimal with up to 8 places", "example": "1.5"}
MINOR = {
    "description": "The minor units that earn these points. If you leave it out: 1.00 of the programme's currency.",
    "example": 100,
}
SINCE = {"description": "The first business day. If you leave it out: the open one."}


class NewRateSchema(ReasonSchema):
    schema_description = "What an amount earns from a day on."

    points_per_unit = line(20, required=True, metadata=POINTS)
    minor_per_unit = WholeNumber(least=1, most=rates.MOST_MINOR, metadata=MINOR)
    since = ma.fields.Date(metadata=SINCE)


class RateChangeSchema(ReasonSchema):
    schema_description = "The fields you correct. A field you leave out stays as it is."

    points_per_unit = line(20, metadata=POINTS)
    minor_per_unit = WholeNumber(least=1, most=rates.MOST_MINOR)
    since = ma.fields.Date()


class RateSchema(ma.Schema):
    schema_description = (
        "From `since` until the day before `until`, `minor_per_unit` minor units earn `points_per_unit` points."
    )

    rate_id = Id(ids.RATE)
    partner_id = Id(ids.PARTNER)
    points_per_unit = ma.fields.String(metadata=POINTS)
    minor_per_unit = ma.fields.Integer()
    currency = ma.fields.String()
    since = ma.fields.Date(allow_none=True)
    until = ma.fields.Date(allow_none=True)


@admin_rates_api.post("/partners/<partner_id>/rates")
@requires(admin_rates_api, WRITE)
@fails_with(*OWNED, *DATING, rates.MalformedRate)
@admin_rates_api.doc(
    summary="Set what an amount earns at a partner from a day on. The previous rate ends the day before.",
    parameters=[DRY_RUN],
)
@admin_rates_api.arguments(NewRateSchema())
@admin_rates_api.response(201, RateSchema, headers=etags.ETAG)
def add(body: dict[str, Any], partner_id: str) -> Tagged[Rate]:
    points, why = rates.points(body["points_per_unit"]), act(reason=body["reason"])
    with services().writing() as session:
        current = programme.get(session)
        made = rates.set_rate(
            session,
            why,
            partner_id=accounts.present(session, ids.parse(ids.PARTNER, partner_id)).partner_id,
            points_per_unit=points,
            minor_per_unit=body.get("minor_per_unit") or money.minor_units(current.currency),
            currency=current.currency,
            since=body.get("since") or current.open_day,
        )
    return etags.tagged(made, 201)


@admin_rates_api.get("/partners/<partner_id>/rates")
@admin_rates_api.doc(summary="List what an amount earned, earns and will earn at a partner.")
@requires(admin_rates_api, READ)
@fails_with(accounts.PartnerNotFound, InvalidCursor)
@admin_rates_api.arguments(PageQuery(), location="query")
@admin_rates_api.response(200, page_schema(RateSchema))
def of_partner(query: dict[str, Any], partner_id: str) -> Page:
    return page_of_partner(query, partner_id, key="rate_id", fetch=rates.of_partner)


@admin_rates_api.get("/rates/<rate_id>")
@admin_rates_api.doc(summary="Get an earning rate.")
@requires(admin_rates_api, READ)
@fails_with(rates.RateNotFound)
@admin_rates_api.response(200, RateSchema, headers=etags.ETAG)
def get(rate_id: str) -> Tagged[Rate]:
    with services().reading() as session:
        return etags.tagged(rates.get(session, ids.parse(ids.RATE, rate_id)))


@admin_rates_api.patch("/rates/<rate_id>")
@requires(admin_rates_api, WRITE)
@fails_with(rates.RateNotFound, rates.MalformedRate, issuing.TermsMissing, *DATING)
@admin_rates_api.doc(
    summary="Correct a rate before any business day that it covers is over.", parameters=[DRY_RUN, etags.IF_MATCH]
)
@admin_rates_api.arguments(RateChangeSchema())
@admin_rates_api.response(200, RateSchema, headers=etags.ETAG)
def correct(body: dict[str, Any], rate_id: str) -> Tagged[Rate]:
    expected_version, why = etags.expected_version(), act(reason=body.pop("reason"))
    if "points_per_unit" in body:
        body["points_per_unit"] = rates.points(body["points_per_unit"])
    changes: RateChange = {**body}  # type: ignore[typeddict-item]
    with services().writing() as session:
        changed = rates.correct(
            session, why, rate_id=ids.parse(ids.RATE, rate_id), changes=changes, expected_version=expected_version
        )
    return etags.tagged(changed)


@admin_rates_api.post("/rates/<rate_id>/withdraw")
@requires(admin_rates_api, WRITE)
@fails_with(rates.RateNotFound, dated.DayIsOver, issuing.TermsMissing, texts.MalformedText)
@admin_rates_api.doc(
    summary="Withdraw a rate before any business day that it covers is over. The previous rate continues.",
    parameters=[DRY_RUN],
)
@admin_rates_api.arguments(ReasonSchema())
@admin_rates_api.response(204)
def withdraw(body: dict[str, Any], rate_id: str) -> None:
    with services().writing() as session:
        rates.withdraw(session, act(reason=body["reason"]), rate_id=ids.parse(ids.RATE, rate_id))
