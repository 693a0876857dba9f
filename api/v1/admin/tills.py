"""/v1/admin: tills of a location."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import marshmallow as ma

from api.admission import act
from api.auth import requires
from api.v1.admin.common import PREFIX, READ, WRITE, NoteSchema, line, page, page_schema
from kit import ids
from kit.db import Session
from kit.http import etags
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.etags import Tagged
from kit.http.fields import Id
from kit.http.paging import InvalidCursor, Page, PageQuery
from kit.http.requests import DRY_RUN
from kit.http.services import services
from partners import locations, texts
from partners.locations import Till

admin_tills_api = Blueprint("admin-tills", __name__, url_prefix=PREFIX, description="Tills, for the admin")


class NewTillSchema(ma.Schema):
    schema_description = "A till."

    code = line(32, required=True, metadata={"description": "What the location's own systems call it"})


class TillChangeSchema(NoteSchema):
    schema_description = "The fields you can change."

    status = ma.fields.String(required=True, validate=ma.validate.OneOf(locations.TILL_STATES))


class TillSchema(ma.Schema):
    schema_description = "A till."

    till_id = Id(ids.TILL)
    location_id = Id(ids.LOCATION)
    code = ma.fields.String()
    status = ma.fields.String()
    created_at = ma.fields.AwareDateTime()


@admin_tills_api.post("/locations/<location_id>/tills")
@requires(admin_tills_api, WRITE)
@fails_with(locations.LocationNotFound, locations.LocationClosed, locations.MalformedCode, locations.TillCodeTaken)
@admin_tills_api.doc(summary="Add a till to a location.", parameters=[DRY_RUN])
@admin_tills_api.arguments(NewTillSchema())
@admin_tills_api.response(201, TillSchema, headers=etags.ETAG)
def add(body: dict[str, Any], location_id: str) -> Tagged[Till]:
    with services().writing() as session:
        where = ids.parse(ids.LOCATION, location_id)
        made = locations.add_till(session, act(), location_id=where, code=body["code"])
    return etags.tagged(made, 201)


@admin_tills_api.get("/locations/<location_id>/tills")
@admin_tills_api.doc(summary="List a location's tills.")
@requires(admin_tills_api, READ)
@fails_with(locations.LocationNotFound, InvalidCursor)
@admin_tills_api.arguments(PageQuery(), location="query")
@admin_tills_api.response(200, page_schema(TillSchema))
def of_location(query: dict[str, Any], location_id: str) -> Page:
    where = ids.parse(ids.LOCATION, location_id)

    def fetch(session: Session, after: UUID, limit: int) -> Sequence[Till]:
        locations.get(session, where)
        return locations.tills(session, location_id=where, after=after, limit=limit)

    return page(query, key="till_id", bound_to=[where], fetch=fetch)


@admin_tills_api.get("/tills/<till_id>")
@admin_tills_api.doc(summary="Get a till.")
@requires(admin_tills_api, READ)
@fails_with(locations.TillNotFound)
@admin_tills_api.response(200, TillSchema, headers=etags.ETAG)
def get(till_id: str) -> Tagged[Till]:
    with services().reading() as session:
        return etags.tagged(locations.till(session, ids.parse(ids.TILL, till_id)))


@admin_tills_api.patch("/tills/<till_id>")
@requires(admin_tills_api, WRITE)
@fails_with(locations.TillNotFound, locations.TillRetired, texts.MalformedText)
@admin_tills_api.doc(summary="Block a till, unblock it, or retire it for good.", parameters=[DRY_RUN, etags.IF_MATCH])
@admin_tills_api.arguments(TillChangeSchema())
@admin_tills_api.response(200, TillSchema, headers=etags.ETAG)
def change(body: dict[str, Any], till_id: str) -> Tagged[Till]:
    expected_version, why, wanted = (
        etags.expected_version(),
        act(reason=body.get("reason")),
        ids.parse(ids.TILL, till_id),
    )
    with services().writing() as session:
        changed = locations.set_till(
            session, why, till_id=wanted, status=body["status"], expected_version=expected_version
        )
    return etags.tagged(changed)
