"""/v1/admin: what an amount earns at a partner."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

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
from partners import accounts, texts
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
from partners.http.auth import requires

admin_rates_api = Blueprint("admin-rates", __name__, url_prefix=PREFIX, description="Earning rates, for the admin")
# What giving terms other days can meet.
DATING = (dated.DayIsOver, dated.VersionTaken, texts.MalformedText)
POINTS = {"description": "Points, a decimal of up to 8 places", "example": "1.5"}
MINOR = {"description": "For each of so many minor units; left out, 1.00 of the programme's currency", "example": 100}
SINCE = {"description": "The first business day; left out, the open one"}


class NewRateSchema(ReasonSchema):
    """What an amount earns, from a day on."""

    points_per_unit = line(20, required=True, metadata=POINTS)
    minor_per_unit = WholeNumber(least=1, most=rates.MOST_MINOR, metadata=MINOR)
    since = ma.fields.Date(metadata=SINCE)


class RateChangeSchema(ReasonSchema):
    """What is corrected; what is left out stays."""

    points_per_unit = line(20, metadata=POINTS)
    minor_per_unit = WholeNumber(least=1, most=rates.MOST_MINOR)
    since = ma.fields.Date()


class RateSchema(ma.Schema):
    """From `since` to before `until`, so many minor units earn so many points."""

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
@admin_rates_api.doc(parameters=[DRY_RUN])
@admin_rates_api.arguments(NewRateSchema())
@admin_rates_api.response(201, RateSchema, headers=etags.ETAG)
def add(body: dict[str, Any], partner_id: str) -> Tagged[Rate]:
    """Set what an amount earns at a partner from a day on; the rate before ends the day before."""
    points = rates.points(body["points_per_unit"])
    with services().writing() as session:
        current = programme.get(session)
        made = rates.set_rate(
            session,
            partner_id=accounts.present(session, ids.parse(ids.PARTNER, partner_id)).partner_id,
            points_per_unit=points,
            minor_per_unit=body.get("minor_per_unit") or money.minor_units(current.currency),
            currency=current.currency,
            since=body.get("since") or current.open_day,
        )
        write_down(session, "rate.set", made, key="rate_id", **made.facts, reason=body["reason"])
    return etags.tagged(made, 201)


@admin_rates_api.get("/partners/<partner_id>/rates")
@requires(admin_rates_api, READ)
@fails_with(accounts.PartnerNotFound, InvalidCursor)
@admin_rates_api.arguments(PageQuery(), location="query")
@admin_rates_api.response(200, page_schema(RateSchema))
def of_partner(query: dict[str, Any], partner_id: str) -> Page:
    """What an amount earned, earns and will earn at a partner."""
    return page_of_partner(query, partner_id, key="rate_id", fetch=rates.of_partner)


@admin_rates_api.get("/rates/<rate_id>")
@requires(admin_rates_api, READ)
@fails_with(rates.RateNotFound)
@admin_rates_api.response(200, RateSchema, headers=etags.ETAG)
def get(rate_id: str) -> Tagged[Rate]:
    """One earning rate."""
    with services().reading() as session:
        return etags.tagged(rates.get(session, ids.parse(ids.RATE, rate_id)))


@admin_rates_api.patch("/rates/<rate_id>")
@requires(admin_rates_api, WRITE)
@fails_with(rates.RateNotFound, rates.MalformedRate, *DATING)
@admin_rates_api.doc(parameters=[DRY_RUN, etags.IF_MATCH])
@admin_rates_api.arguments(RateChangeSchema())
@admin_rates_api.response(200, RateSchema, headers=etags.ETAG)
def correct(body: dict[str, Any], rate_id: str) -> Tagged[Rate]:
    """Correct a rate while no business day on which it holds is over."""
    seen, reason = etags.seen(), body.pop("reason")
    if "points_per_unit" in body:
        body["points_per_unit"] = rates.points(body["points_per_unit"])
    changes: RateChange = {**body}  # type: ignore[typeddict-item]
    with services().writing() as session:
        changed = rates.correct(session, rate_id=ids.parse(ids.RATE, rate_id), changes=changes, seen=seen)
        write_down(session, "rate.corrected", changed, key="rate_id", **changed.facts, reason=reason)
    return etags.tagged(changed)


@admin_rates_api.post("/rates/<rate_id>/withdraw")
@requires(admin_rates_api, WRITE)
@fails_with(rates.RateNotFound, dated.DayIsOver, texts.MalformedText)
@admin_rates_api.doc(parameters=[DRY_RUN])
@admin_rates_api.arguments(ReasonSchema())
@admin_rates_api.response(204)
def withdraw(body: dict[str, Any], rate_id: str) -> None:
    """Take back a rate while no business day on which it holds is over; the one before it goes on."""
    with services().writing() as session:
        gone = rates.withdraw(session, rate_id=ids.parse(ids.RATE, rate_id))
        write_down(session, "rate.withdrawn", gone, key="rate_id", **gone.facts, reason=body["reason"])
