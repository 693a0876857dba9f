"""/v1/admin: locations of partners."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from api.admission import act
from api.auth import requires
from api.v1.admin.common import PREFIX, READ, WRITE, NoteSchema, line, page_of_partner, page_schema
from kit import ids
from kit.http import etags
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.etags import Tagged
from kit.http.fields import Id
from kit.http.paging import InvalidCursor, Page, PageQuery
from kit.http.requests import DRY_RUN
from kit.http.services import services
from partners import accounts, locations, placements, texts
from partners.locations import Location

admin_locations_api = Blueprint("admin-locations", __name__, url_prefix=PREFIX, description="Locations, for the admin")


class NewLocationSchema(ma.Schema):
    schema_description = "A shop."

    code = line(32, required=True, metadata={"description": "What the partner's own systems call it"})
    name = line(100, required=True)
    territory = line(6, required=True, metadata={"description": "GB, or GB-SCT"})
    address = line(300, required=True)


class LocationChangeSchema(NoteSchema):
    schema_description = "The fields you can change. A field you leave out stays as it is."

    code = line(32)
    name = line(100)
    territory = line(6, metadata={"description": "GB, or GB-SCT"})
    address = line(300)
    status = ma.fields.String(validate=ma.validate.OneOf(locations.LOCATION_STATES))


class LocationSchema(ma.Schema):
    schema_description = "A location."

    location_id = Id(ids.LOCATION)
    partner_id = Id(ids.PARTNER)
    code = ma.fields.String()
    name = ma.fields.String()
    territory = ma.fields.String()
    address = ma.fields.String()
    status = ma.fields.String()
    created_at = ma.fields.AwareDateTime()


@admin_locations_api.post("/partners/<partner_id>/locations")
@requires(admin_locations_api, WRITE)
@fails_with(
    accounts.PartnerNotFound,
    accounts.PartnerGone,
    locations.MalformedCode,
    locations.LocationCodeTaken,
    placements.UnknownTerritory,
    texts.MalformedText,
)
@admin_locations_api.doc(summary="Add a location to a partner.", parameters=[DRY_RUN])
@admin_locations_api.arguments(NewLocationSchema())
@admin_locations_api.response(201, LocationSchema, headers=etags.ETAG)
def add(body: dict[str, Any], partner_id: str) -> Tagged[Location]:
    with services().writing() as session:
        made = locations.add(session, act(), partner_id=ids.parse(ids.PARTNER, partner_id), **body)
    return etags.tagged(made, 201)


@admin_locations_api.get("/partners/<partner_id>/locations")
@admin_locations_api.doc(summary="List a partner's locations.")
@requires(admin_locations_api, READ)
@fails_with(accounts.PartnerNotFound, InvalidCursor)
@admin_locations_api.arguments(PageQuery(), location="query")
@admin_locations_api.response(200, page_schema(LocationSchema))
def of_partner(query: dict[str, Any], partner_id: str) -> Page:
    return page_of_partner(query, partner_id, key="location_id", fetch=locations.of_partner)


@admin_locations_api.get("/locations/<location_id>")
@admin_locations_api.doc(summary="Get a location.")
@requires(admin_locations_api, READ)
@fails_with(locations.LocationNotFound)
@admin_locations_api.response(200, LocationSchema, headers=etags.ETAG)
def get(location_id: str) -> Tagged[Location]:
    with services().reading() as session:
        return etags.tagged(locations.get(session, ids.parse(ids.LOCATION, location_id)))


@admin_locations_api.patch("/locations/<location_id>")
@requires(admin_locations_api, WRITE)
@fails_with(
    locations.LocationNotFound,
    locations.LocationCodeTaken,
    locations.MalformedCode,
    placements.UnknownTerritory,
    texts.MalformedText,
)
@admin_locations_api.doc(summary="Correct, close or reopen a location.", parameters=[DRY_RUN, etags.IF_MATCH])
@admin_locations_api.arguments(LocationChangeSchema())
@admin_locations_api.response(200, LocationSchema, headers=etags.ETAG)
def change(body: dict[str, Any], location_id: str) -> Tagged[Location]:
    expected_version, why = etags.expected_version(), act(reason=body.pop("reason", None))
    with services().writing() as session:
        changed = locations.change(
            session, why, location_id=ids.parse(ids.LOCATION, location_id), **body, expected_version=expected_version
        )
    return etags.tagged(changed)
