"""/v1/admin: brands of partners."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from api.admission import act
from api.auth import requires
from api.v1.admin.common import (
    OWNED,
    PREFIX,
    READ,
    WRITE,
    LeftOutSchema,
    NoteSchema,
    line,
    page_of_partner,
    page_schema,
)
from kit import ids
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

admin_brands_api = Blueprint(
    "admin-brands", __name__, url_prefix=PREFIX, description="Brands of partners, for the admin"
)


class NewBrandSchema(ma.Schema):
    schema_description = "A name that a partner trades under."

    name = line(100, required=True)


class BrandChangeSchema(NoteSchema):
    schema_description = "The fields you can correct."

    name = line(100, required=True)


class BrandSchema(ma.Schema):
    schema_description = "A brand."

    brand_id = Id(ids.BRAND)
    partner_id = Id(ids.PARTNER)
    name = ma.fields.String()
    created_at = ma.fields.AwareDateTime()
    ended_at = ma.fields.AwareDateTime(allow_none=True)


@admin_brands_api.post("/partners/<partner_id>/brands")
@requires(admin_brands_api, WRITE)
@fails_with(*OWNED, brands.BrandTaken, texts.MalformedText)
@admin_brands_api.doc(summary="Add a brand to a partner.", parameters=[DRY_RUN])
@admin_brands_api.arguments(NewBrandSchema())
@admin_brands_api.response(201, BrandSchema, headers=etags.ETAG)
def add(body: dict[str, Any], partner_id: str) -> Tagged[Brand]:
    with services().writing() as session:
        made = brands.add(session, act(), partner_id=ids.parse(ids.PARTNER, partner_id), name=body["name"])
    return etags.tagged(made, 201)


@admin_brands_api.get("/partners/<partner_id>/brands")
@admin_brands_api.doc(summary="List a partner's brands, including ended ones.")
@requires(admin_brands_api, READ)
@fails_with(accounts.PartnerNotFound, InvalidCursor)
@admin_brands_api.arguments(PageQuery(), location="query")
@admin_brands_api.response(200, page_schema(BrandSchema))
def of_partner(query: dict[str, Any], partner_id: str) -> Page:
    return page_of_partner(query, partner_id, key="brand_id", fetch=brands.of_partner)


@admin_brands_api.get("/brands/<brand_id>")
@admin_brands_api.doc(summary="Get a brand.")
@requires(admin_brands_api, READ)
@fails_with(brands.BrandNotFound)
@admin_brands_api.response(200, BrandSchema, headers=etags.ETAG)
def get(brand_id: str) -> Tagged[Brand]:
    with services().reading() as session:
        return etags.tagged(brands.get(session, ids.parse(ids.BRAND, brand_id)))


@admin_brands_api.patch("/brands/<brand_id>")
@requires(admin_brands_api, WRITE)
@fails_with(brands.BrandNotFound, brands.BrandTaken, texts.MalformedText)
@admin_brands_api.doc(summary="Correct a brand's name.", parameters=[DRY_RUN, etags.IF_MATCH])
@admin_brands_api.arguments(BrandChangeSchema())
@admin_brands_api.response(200, BrandSchema, headers=etags.ETAG)
def change(body: dict[str, Any], brand_id: str) -> Tagged[Brand]:
    expected_version, why = etags.expected_version(), act(reason=body.get("reason"))
    with services().writing() as session:
        changed = brands.change(
            session, why, brand_id=ids.parse(ids.BRAND, brand_id), name=body["name"], expected_version=expected_version
        )
    return etags.tagged(changed)


@admin_brands_api.post("/brands/<brand_id>/end")
@requires(admin_brands_api, WRITE)
@fails_with(brands.BrandNotFound, texts.MalformedText)
@admin_brands_api.doc(summary="End a brand. Its name becomes free.", parameters=[DRY_RUN])
@admin_brands_api.arguments(LeftOutSchema())
@admin_brands_api.response(200, BrandSchema, headers=etags.ETAG)
def end(body: dict[str, Any], brand_id: str) -> Tagged[Brand]:
    with services().writing() as session:
        ended = brands.end(session, act(reason=body.get("reason")), brand_id=ids.parse(ids.BRAND, brand_id))
    return etags.tagged(ended)
