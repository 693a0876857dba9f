"""/v1/admin: whom to write to at a partner."""

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
from coalition.identifiers import MalformedEmail, MalformedPhone
from kit import ids
from kit.http import etags
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.etags import Tagged
from kit.http.fields import Id
from kit.http.paging import InvalidCursor, Page, PageQuery
from kit.http.requests import DRY_RUN
from kit.http.services import services
from partners import accounts, contacts, texts
from partners.contacts import Contact

admin_contacts_api = Blueprint("admin-contacts", __name__, url_prefix=PREFIX, description="Contacts, for the admin")


class NewContactSchema(ma.Schema):
    schema_description = "A person or a department, and what to contact them about."

    role = ma.fields.String(required=True, validate=ma.validate.OneOf(contacts.ROLES))
    name = line(100, required=True)
    email = line(254, required=True)
    phone = line(40, metadata={"description": "In international form, such as +44 20 7946 0000"})


class ContactChangeSchema(NoteSchema):
    schema_description = "The fields you can correct. A field you leave out stays as it is."

    role = ma.fields.String(validate=ma.validate.OneOf(contacts.ROLES))
    name = line(100)
    email = line(254)
    phone = line(40, allow_none=True, metadata={"description": "In international form, such as +44 20 7946 0000"})


class ContactSchema(ma.Schema):
    schema_description = "A contact."

    contact_id = Id(ids.CONTACT)
    partner_id = Id(ids.PARTNER)
    role = ma.fields.String()
    name = ma.fields.String()
    email = ma.fields.String()
    phone = ma.fields.String(allow_none=True)
    created_at = ma.fields.AwareDateTime()
    ended_at = ma.fields.AwareDateTime(allow_none=True)


@admin_contacts_api.post("/partners/<partner_id>/contacts")
@requires(admin_contacts_api, WRITE)
@fails_with(*OWNED, texts.MalformedText, MalformedEmail, MalformedPhone)
@admin_contacts_api.doc(summary="Add a contact to a partner.", parameters=[DRY_RUN])
@admin_contacts_api.arguments(NewContactSchema())
@admin_contacts_api.response(201, ContactSchema, headers=etags.ETAG)
def add(body: dict[str, Any], partner_id: str) -> Tagged[Contact]:
    with services().writing() as session:
        made = contacts.add(
            session,
            act(),
            partner_id=ids.parse(ids.PARTNER, partner_id),
            role=body["role"],
            name=body["name"],
            email=body["email"],
            phone=body.get("phone"),
        )
    return etags.tagged(made, 201)


@admin_contacts_api.get("/partners/<partner_id>/contacts")
@admin_contacts_api.doc(summary="List a partner's contacts, including ended ones.")
@requires(admin_contacts_api, READ)
@fails_with(accounts.PartnerNotFound, InvalidCursor)
@admin_contacts_api.arguments(PageQuery(), location="query")
@admin_contacts_api.response(200, page_schema(ContactSchema))
def of_partner(query: dict[str, Any], partner_id: str) -> Page:
    return page_of_partner(query, partner_id, key="contact_id", fetch=contacts.of_partner)


@admin_contacts_api.get("/contacts/<contact_id>")
@admin_contacts_api.doc(summary="Get a contact.")
@requires(admin_contacts_api, READ)
@fails_with(contacts.ContactNotFound)
@admin_contacts_api.response(200, ContactSchema, headers=etags.ETAG)
def get(contact_id: str) -> Tagged[Contact]:
    with services().reading() as session:
        return etags.tagged(contacts.get(session, ids.parse(ids.CONTACT, contact_id)))


@admin_contacts_api.patch("/contacts/<contact_id>")
@requires(admin_contacts_api, WRITE)
@fails_with(contacts.ContactNotFound, texts.MalformedText, MalformedEmail, MalformedPhone)
@admin_contacts_api.doc(summary="Correct a contact.", parameters=[DRY_RUN, etags.IF_MATCH])
@admin_contacts_api.arguments(ContactChangeSchema())
@admin_contacts_api.response(200, ContactSchema, headers=etags.ETAG)
def change(body: dict[str, Any], contact_id: str) -> Tagged[Contact]:
    expected_version, why = etags.expected_version(), act(reason=body.pop("reason", None))
    changes: contacts.ContactChange = {**body}  # type: ignore[typeddict-item]
    with services().writing() as session:
        wanted = ids.parse(ids.CONTACT, contact_id)
        changed = contacts.change(session, why, contact_id=wanted, changes=changes, expected_version=expected_version)
    return etags.tagged(changed)


@admin_contacts_api.post("/contacts/<contact_id>/end")
@requires(admin_contacts_api, WRITE)
@fails_with(contacts.ContactNotFound, texts.MalformedText)
@admin_contacts_api.doc(summary="End a contact.", parameters=[DRY_RUN])
@admin_contacts_api.arguments(LeftOutSchema())
@admin_contacts_api.response(200, ContactSchema, headers=etags.ETAG)
def end(body: dict[str, Any], contact_id: str) -> Tagged[Contact]:
    with services().writing() as session:
        ended = contacts.end(session, act(reason=body.get("reason")), contact_id=ids.parse(ids.CONTACT, contact_id))
    return etags.tagged(ended)
