"""/v1/admin: brands of partners."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from kit import clock, ids
from kit.http import etags
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.etags import Tagged
from kit.http.fields import Id
from kit.http.paging import InvalidCursor, Page, PageQuery
from kit.http.requests import DRY_RUN
from kit.http.services import services
from partners import accounts, brands, texts
from partners.brands import Brand
from partners.http.admin import (
    OWNED,
    PREFIX,
    READ,
    WRITE,
    LeftOutSchema,
    NoteSchema,
    line,
    page_of_partner,
    page_schema,
    write_down,
)
from partners.http.auth import requires

admin_brands_api = Blueprint("admin-brands", __name__, url_prefix=PREFIX, description="Brands, for the admin")


class NewBrandSchema(ma.Schema):
    """A name a partner trades under."""

    name = line(100, required=True)


class BrandChangeSchema(NoteSchema):
    """What can be corrected."""

    name = line(100, required=True)


class BrandSchema(ma.Schema):
    """A brand."""

    brand_id = Id(ids.BRAND)
    partner_id = Id(ids.PARTNER)
    name = ma.fields.String()
    created_at = ma.fields.AwareDateTime()
    ended_at = ma.fields.AwareDateTime(allow_none=True)


@admin_brands_api.post("/partners/<partner_id>/brands")
@requires(admin_brands_api, WRITE)
@fails_with(*OWNED, brands.BrandTaken, texts.MalformedText)
@admin_brands_api.doc(parameters=[DRY_RUN])
@admin_brands_api.arguments(NewBrandSchema())
@admin_brands_api.response(201, BrandSchema, headers=etags.ETAG)
def add(body: dict[str, Any], partner_id: str) -> Tagged[Brand]:
    """Give a partner a brand."""
    with services().writing() as session:
        made = brands.add(session, partner_id=ids.parse(ids.PARTNER, partner_id), name=body["name"], now=clock.now())
        write_down(session, "brand.added", made, key="brand_id")
    return etags.tagged(made, 201)


@admin_brands_api.get("/partners/<partner_id>/brands")
@requires(admin_brands_api, READ)
@fails_with(accounts.PartnerNotFound, InvalidCursor)
@admin_brands_api.arguments(PageQuery(), location="query")
@admin_brands_api.response(200, page_schema(BrandSchema))
def of_partner(query: dict[str, Any], partner_id: str) -> Page:
    """A partner's brands, ended ones included."""
    return page_of_partner(query, partner_id, key="brand_id", fetch=brands.of_partner)


@admin_brands_api.get("/brands/<brand_id>")
@requires(admin_brands_api, READ)
@fails_with(brands.BrandNotFound)
@admin_brands_api.response(200, BrandSchema, headers=etags.ETAG)
def get(brand_id: str) -> Tagged[Brand]:
    """One brand."""
    with services().reading() as session:
        return etags.tagged(brands.get(session, ids.parse(ids.BRAND, brand_id)))


@admin_brands_api.patch("/brands/<brand_id>")
@requires(admin_brands_api, WRITE)
@fails_with(brands.BrandNotFound, brands.BrandTaken, texts.MalformedText)
@admin_brands_api.doc(parameters=[DRY_RUN, etags.IF_MATCH])
@admin_brands_api.arguments(BrandChangeSchema())
@admin_brands_api.response(200, BrandSchema, headers=etags.ETAG)
def change(body: dict[str, Any], brand_id: str) -> Tagged[Brand]:
    """Correct a brand's name."""
    seen = etags.seen()
    with services().writing() as session:
        changed = brands.change(session, brand_id=ids.parse(ids.BRAND, brand_id), name=body["name"], seen=seen)
        write_down(session, "brand.corrected", changed, key="brand_id", reason=body.get("reason"))
    return etags.tagged(changed)


@admin_brands_api.post("/brands/<brand_id>/end")
@requires(admin_brands_api, WRITE)
@fails_with(brands.BrandNotFound, texts.MalformedText)
@admin_brands_api.doc(parameters=[DRY_RUN])
@admin_brands_api.arguments(LeftOutSchema())
@admin_brands_api.response(200, BrandSchema, headers=etags.ETAG)
def end(body: dict[str, Any], brand_id: str) -> Tagged[Brand]:
    """End a brand; its name is free then."""
    with services().writing() as session:
        ended = brands.end(session, brand_id=ids.parse(ids.BRAND, brand_id), now=clock.now())
        write_down(session, "brand.ended", ended, key="brand_id", reason=body.get("reason"))
    return etags.tagged(ended)
