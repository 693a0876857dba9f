"""/v1/admin: people who work for a partner, or for the coalition."""

from __future__ import annotations

from typing import Any
from uuid import UUID

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
    page,
    page_of_partner,
    page_schema,
)
from coalition.identifiers import MalformedEmail
from kit import ids
from kit.http import etags
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.etags import Tagged
from kit.http.fields import Id
from kit.http.paging import InvalidCursor, Page, PageQuery
from kit.http.requests import DRY_RUN
from kit.http.services import services
from partners import accounts, staff, texts
from partners.staff import Person

admin_staff_api = Blueprint("admin-staff", __name__, url_prefix=PREFIX, description="Staff, for the admin")
# What somebody new can meet.
PERSON = (texts.MalformedText, MalformedEmail, staff.StaffEmailTaken)


class NewPersonSchema(ma.Schema):
    schema_description = "A new member of staff."

    email = line(254, required=True)
    name = line(100, required=True)
    role = ma.fields.String(required=True, validate=ma.validate.OneOf(staff.ROLES))


class PersonChangeSchema(NoteSchema):
    schema_description = (
        "The fields you can change. A field you leave out stays as it is. You cannot change the address, because the "
        "person signs in with it."
    )

    role = ma.fields.String(validate=ma.validate.OneOf(staff.ROLES))
    name = line(100)


class PersonSchema(ma.Schema):
    schema_description = "A person who works for a partner or, without a partner, for the coalition."

    staff_id = Id(ids.STAFF)
    partner_id = Id(ids.PARTNER, allow_none=True)
    email = ma.fields.String()
    name = ma.fields.String()
    role = ma.fields.String()
    created_at = ma.fields.AwareDateTime()
    ended_at = ma.fields.AwareDateTime(allow_none=True)


def _add(body: dict[str, Any], partner_id: UUID | None) -> Tagged[Person]:
    with services().writing() as session:
        made = staff.add(session, act(), partner_id=partner_id, **body)
    return etags.tagged(made, 201)


@admin_staff_api.post("/partners/<partner_id>/staff")
@requires(admin_staff_api, WRITE)
@fails_with(*OWNED, *PERSON)
@admin_staff_api.doc(summary="Add a person to a partner's staff.", parameters=[DRY_RUN])
@admin_staff_api.arguments(NewPersonSchema())
@admin_staff_api.response(201, PersonSchema, headers=etags.ETAG)
def add(body: dict[str, Any], partner_id: str) -> Tagged[Person]:
    return _add(body, ids.parse(ids.PARTNER, partner_id))


@admin_staff_api.get("/partners/<partner_id>/staff")
@admin_staff_api.doc(summary="List a partner's staff, including people who left.")
@requires(admin_staff_api, READ)
@fails_with(accounts.PartnerNotFound, InvalidCursor)
@admin_staff_api.arguments(PageQuery(), location="query")
@admin_staff_api.response(200, page_schema(PersonSchema))
def of_partner(query: dict[str, Any], partner_id: str) -> Page:
    return page_of_partner(query, partner_id, key="staff_id", fetch=staff.page)


@admin_staff_api.post("/staff")
@requires(admin_staff_api, WRITE)
@fails_with(*PERSON)
@admin_staff_api.doc(summary="Add a person to the coalition's staff.", parameters=[DRY_RUN])
@admin_staff_api.arguments(NewPersonSchema())
@admin_staff_api.response(201, PersonSchema, headers=etags.ETAG)
def add_to_coalition(body: dict[str, Any]) -> Tagged[Person]:
    return _add(body, None)


@admin_staff_api.get("/staff")
@admin_staff_api.doc(summary="List the coalition's staff, including people who left.")
@requires(admin_staff_api, READ)
@fails_with(InvalidCursor)
@admin_staff_api.arguments(PageQuery(), location="query")
@admin_staff_api.response(200, page_schema(PersonSchema))
def of_coalition(query: dict[str, Any]) -> Page:
    return page(
        query,
        key="staff_id",
        bound_to=[],
        fetch=lambda session, after, limit: staff.page(session, partner_id=None, after=after, limit=limit),
    )


@admin_staff_api.get("/staff/<staff_id>")
@admin_staff_api.doc(summary="Get a person on the staff of a partner or of the coalition.")
@requires(admin_staff_api, READ)
@fails_with(staff.StaffNotFound)
@admin_staff_api.response(200, PersonSchema, headers=etags.ETAG)
def get(staff_id: str) -> Tagged[Person]:
    with services().reading() as session:
        return etags.tagged(staff.get(session, ids.parse(ids.STAFF, staff_id)))


@admin_staff_api.patch("/staff/<staff_id>")
@requires(admin_staff_api, WRITE)
@fails_with(staff.StaffNotFound, texts.MalformedText)
@admin_staff_api.doc(summary="Change a person's role or name.", parameters=[DRY_RUN, etags.IF_MATCH])
@admin_staff_api.arguments(PersonChangeSchema())
@admin_staff_api.response(200, PersonSchema, headers=etags.ETAG)
def change(body: dict[str, Any], staff_id: str) -> Tagged[Person]:
    expected_version, why = etags.expected_version(), act(reason=body.pop("reason", None))
    with services().writing() as session:
        changed = staff.change(
            session, why, staff_id=ids.parse(ids.STAFF, staff_id), **body, expected_version=expected_version
        )
    return etags.tagged(changed)


@admin_staff_api.post("/staff/<staff_id>/end")
@requires(admin_staff_api, WRITE)
@fails_with(staff.StaffNotFound, texts.MalformedText)
@admin_staff_api.doc(summary="Remove a person from the staff.", parameters=[DRY_RUN])
@admin_staff_api.arguments(LeftOutSchema())
@admin_staff_api.response(200, PersonSchema, headers=etags.ETAG)
def end(body: dict[str, Any], staff_id: str) -> Tagged[Person]:
    with services().writing() as session:
        ended = staff.end(session, act(reason=body.get("reason")), staff_id=ids.parse(ids.STAFF, staff_id))
    return etags.tagged(ended)
