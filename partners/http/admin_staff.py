"""/v1/admin: people who work for a partner, or for the coalition."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import marshmallow as ma

from coalition.identifiers import MalformedEmail
from kit import clock, ids
from kit.http import etags
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.etags import Tagged
from kit.http.fields import Id
from kit.http.paging import InvalidCursor, Page, PageQuery
from kit.http.requests import DRY_RUN
from kit.http.services import services
from partners import accounts, staff, texts
from partners.http.admin import (
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
    write_down,
)
from partners.http.auth import requires
from partners.staff import Person

admin_staff_api = Blueprint("admin-staff", __name__, url_prefix=PREFIX, description="Staff, for the admin")
# What somebody new can meet.
PERSON = (texts.MalformedText, MalformedEmail, staff.StaffEmailTaken)


class NewPersonSchema(ma.Schema):
    """Somebody new."""

    email = line(254, required=True)
    name = line(100, required=True)
    role = ma.fields.String(required=True, validate=ma.validate.OneOf(staff.ROLES))


class PersonChangeSchema(NoteSchema):
    """What can be changed; what is left out stays. An address is not: it is who signs in."""

    role = ma.fields.String(validate=ma.validate.OneOf(staff.ROLES))
    name = line(100)


class PersonSchema(ma.Schema):
    """Somebody who works for a partner, or (without one) for the coalition."""

    staff_id = Id(ids.STAFF)
    partner_id = Id(ids.PARTNER, allow_none=True)
    email = ma.fields.String()
    name = ma.fields.String()
    role = ma.fields.String()
    created_at = ma.fields.AwareDateTime()
    ended_at = ma.fields.AwareDateTime(allow_none=True)


def _add(body: dict[str, Any], partner_id: UUID | None) -> Tagged[Person]:
    with services().writing() as session:
        made = staff.add(session, partner_id=partner_id, **body, now=clock.now())
        write_down(session, "staff.added", made, key="staff_id", role=made.role)
    return etags.tagged(made, 201)


@admin_staff_api.post("/partners/<partner_id>/staff")
@requires(admin_staff_api, WRITE)
@fails_with(*OWNED, *PERSON)
@admin_staff_api.doc(parameters=[DRY_RUN])
@admin_staff_api.arguments(NewPersonSchema())
@admin_staff_api.response(201, PersonSchema, headers=etags.ETAG)
def add(body: dict[str, Any], partner_id: str) -> Tagged[Person]:
    """Add somebody to a partner's staff."""
    return _add(body, ids.parse(ids.PARTNER, partner_id))


@admin_staff_api.get("/partners/<partner_id>/staff")
@requires(admin_staff_api, READ)
@fails_with(accounts.PartnerNotFound, InvalidCursor)
@admin_staff_api.arguments(PageQuery(), location="query")
@admin_staff_api.response(200, page_schema(PersonSchema))
def of_partner(query: dict[str, Any], partner_id: str) -> Page:
    """A partner's staff, those who left included."""
    return page_of_partner(query, partner_id, key="staff_id", fetch=staff.page)


@admin_staff_api.post("/staff")
@requires(admin_staff_api, WRITE)
@fails_with(*PERSON)
@admin_staff_api.doc(parameters=[DRY_RUN])
@admin_staff_api.arguments(NewPersonSchema())
@admin_staff_api.response(201, PersonSchema, headers=etags.ETAG)
def add_to_coalition(body: dict[str, Any]) -> Tagged[Person]:
    """Add somebody to the coalition's own staff."""
    return _add(body, None)


@admin_staff_api.get("/staff")
@requires(admin_staff_api, READ)
@fails_with(InvalidCursor)
@admin_staff_api.arguments(PageQuery(), location="query")
@admin_staff_api.response(200, page_schema(PersonSchema))
def of_coalition(query: dict[str, Any]) -> Page:
    """The coalition's own staff, those who left included."""
    return page(
        query,
        key="staff_id",
        bound_to=[],
        fetch=lambda session, after, limit: staff.page(session, partner_id=None, after=after, limit=limit),
    )


@admin_staff_api.get("/staff/<staff_id>")
@requires(admin_staff_api, READ)
@fails_with(staff.StaffNotFound)
@admin_staff_api.response(200, PersonSchema, headers=etags.ETAG)
def get(staff_id: str) -> Tagged[Person]:
    """Somebody, of a partner's or of the coalition's staff."""
    with services().reading() as session:
        return etags.tagged(staff.get(session, ids.parse(ids.STAFF, staff_id)))


@admin_staff_api.patch("/staff/<staff_id>")
@requires(admin_staff_api, WRITE)
@fails_with(staff.StaffNotFound, texts.MalformedText)
@admin_staff_api.doc(parameters=[DRY_RUN, etags.IF_MATCH])
@admin_staff_api.arguments(PersonChangeSchema())
@admin_staff_api.response(200, PersonSchema, headers=etags.ETAG)
def change(body: dict[str, Any], staff_id: str) -> Tagged[Person]:
    """Give somebody another role or name."""
    seen, reason = etags.seen(), body.pop("reason", None)
    with services().writing() as session:
        changed = staff.change(session, staff_id=ids.parse(ids.STAFF, staff_id), **body, seen=seen)
        write_down(
            session, "staff.changed", changed, key="staff_id", fields=sorted(body), role=changed.role, reason=reason
        )
    return etags.tagged(changed)


@admin_staff_api.post("/staff/<staff_id>/end")
@requires(admin_staff_api, WRITE)
@fails_with(staff.StaffNotFound, texts.MalformedText)
@admin_staff_api.doc(parameters=[DRY_RUN])
@admin_staff_api.arguments(LeftOutSchema())
@admin_staff_api.response(200, PersonSchema, headers=etags.ETAG)
def end(body: dict[str, Any], staff_id: str) -> Tagged[Person]:
    """Let somebody go."""
    with services().writing() as session:
        ended = staff.end(session, staff_id=ids.parse(ids.STAFF, staff_id), now=clock.now())
        write_down(session, "staff.ended", ended, key="staff_id", reason=body.get("reason"))
    return etags.tagged(ended)
