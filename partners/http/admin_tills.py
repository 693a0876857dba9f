"""/v1/admin: tills of a location."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import marshmallow as ma

from kit import clock, ids
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
from partners.http.admin import PREFIX, READ, WRITE, NoteSchema, line, page, page_schema, write_down
from partners.http.auth import requires
from partners.locations import Till

admin_tills_api = Blueprint("admin-tills", __name__, url_prefix=PREFIX, description="Tills, for the admin")


class NewTillSchema(ma.Schema):
    """A till."""

    code = line(32, required=True, metadata={"description": "What the location's own systems call it"})


class TillChangeSchema(NoteSchema):
    """What can be changed."""

    status = ma.fields.String(required=True, validate=ma.validate.OneOf(locations.TILL_STATES))


class TillSchema(ma.Schema):
    """A till."""

    till_id = Id(ids.TILL)
    location_id = Id(ids.LOCATION)
    code = ma.fields.String()
    status = ma.fields.String()
    created_at = ma.fields.AwareDateTime()


@admin_tills_api.post("/locations/<location_id>/tills")
@requires(admin_tills_api, WRITE)
@fails_with(locations.LocationNotFound, locations.LocationClosed, locations.MalformedCode, locations.TillCodeTaken)
@admin_tills_api.doc(parameters=[DRY_RUN])
@admin_tills_api.arguments(NewTillSchema())
@admin_tills_api.response(201, TillSchema, headers=etags.ETAG)
def add(body: dict[str, Any], location_id: str) -> Tagged[Till]:
    """Put a till into a location."""
    with services().writing() as session:
        where = ids.parse(ids.LOCATION, location_id)
        made = locations.add_till(session, location_id=where, code=body["code"], now=clock.now())
        write_down(session, "till.added", made, key="till_id", location=location_id)
    return etags.tagged(made, 201)


@admin_tills_api.get("/locations/<location_id>/tills")
@requires(admin_tills_api, READ)
@fails_with(locations.LocationNotFound, InvalidCursor)
@admin_tills_api.arguments(PageQuery(), location="query")
@admin_tills_api.response(200, page_schema(TillSchema))
def of_location(query: dict[str, Any], location_id: str) -> Page:
    """A location's tills."""
    where = ids.parse(ids.LOCATION, location_id)

    def fetch(session: Session, after: UUID, limit: int) -> Sequence[Till]:
        locations.get(session, where)
        return locations.tills(session, location_id=where, after=after, limit=limit)

    return page(query, key="till_id", bound_to=[where], fetch=fetch)


@admin_tills_api.get("/tills/<till_id>")
@requires(admin_tills_api, READ)
@fails_with(locations.TillNotFound)
@admin_tills_api.response(200, TillSchema, headers=etags.ETAG)
def get(till_id: str) -> Tagged[Till]:
    """One till."""
    with services().reading() as session:
        return etags.tagged(locations.till(session, ids.parse(ids.TILL, till_id)))


@admin_tills_api.patch("/tills/<till_id>")
@requires(admin_tills_api, WRITE)
@fails_with(locations.TillNotFound, locations.TillRetired, texts.MalformedText)
@admin_tills_api.doc(parameters=[DRY_RUN, etags.IF_MATCH])
@admin_tills_api.arguments(TillChangeSchema())
@admin_tills_api.response(200, TillSchema, headers=etags.ETAG)
def change(body: dict[str, Any], till_id: str) -> Tagged[Till]:
    """Block a till, let it work again, or retire it for good."""
    seen = etags.seen()
    with services().writing() as session:
        changed = locations.set_till(session, till_id=ids.parse(ids.TILL, till_id), status=body["status"], seen=seen)
        write_down(session, "till.changed", changed, key="till_id", status=changed.status, reason=body.get("reason"))
    return etags.tagged(changed)
