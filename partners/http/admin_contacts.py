"""/v1/admin: whom to write to at a partner."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from coalition.identifiers import MalformedEmail, MalformedPhone
from kit import clock, ids
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

admin_contacts_api = Blueprint("admin-contacts", __name__, url_prefix=PREFIX, description="Contacts, for the admin")


class NewContactSchema(ma.Schema):
    """A person or desk, and what to ask of it."""

    role = ma.fields.String(required=True, validate=ma.validate.OneOf(contacts.ROLES))
    name = line(100, required=True)
    email = line(254, required=True)
    phone = line(40, metadata={"description": "International, such as +44 20 7946 0000"})


class ContactChangeSchema(NoteSchema):
    """What can be corrected; what is left out stays."""

    role = ma.fields.String(validate=ma.validate.OneOf(contacts.ROLES))
    name = line(100)
    email = line(254)
    phone = line(40, allow_none=True, metadata={"description": "International, such as +44 20 7946 0000"})


class ContactSchema(ma.Schema):
    """A contact."""

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
@admin_contacts_api.doc(parameters=[DRY_RUN])
@admin_contacts_api.arguments(NewContactSchema())
@admin_contacts_api.response(201, ContactSchema, headers=etags.ETAG)
def add(body: dict[str, Any], partner_id: str) -> Tagged[Contact]:
    """Give a partner a contact."""
    with services().writing() as session:
        made = contacts.add(
            session,
            partner_id=ids.parse(ids.PARTNER, partner_id),
            role=body["role"],
            name=body["name"],
            email=body["email"],
            phone=body.get("phone"),
            now=clock.now(),
        )
        write_down(session, "contact.added", made, key="contact_id", role=made.role)
    return etags.tagged(made, 201)


@admin_contacts_api.get("/partners/<partner_id>/contacts")
@requires(admin_contacts_api, READ)
@fails_with(accounts.PartnerNotFound, InvalidCursor)
@admin_contacts_api.arguments(PageQuery(), location="query")
@admin_contacts_api.response(200, page_schema(ContactSchema))
def of_partner(query: dict[str, Any], partner_id: str) -> Page:
    """A partner's contacts, ended ones included."""
    return page_of_partner(query, partner_id, key="contact_id", fetch=contacts.of_partner)


@admin_contacts_api.get("/contacts/<contact_id>")
@requires(admin_contacts_api, READ)
@fails_with(contacts.ContactNotFound)
@admin_contacts_api.response(200, ContactSchema, headers=etags.ETAG)
def get(contact_id: str) -> Tagged[Contact]:
    """One contact."""
    with services().reading() as session:
        return etags.tagged(contacts.get(session, ids.parse(ids.CONTACT, contact_id)))


@admin_contacts_api.patch("/contacts/<contact_id>")
@requires(admin_contacts_api, WRITE)
@fails_with(contacts.ContactNotFound, texts.MalformedText, MalformedEmail, MalformedPhone)
@admin_contacts_api.doc(parameters=[DRY_RUN, etags.IF_MATCH])
@admin_contacts_api.arguments(ContactChangeSchema())
@admin_contacts_api.response(200, ContactSchema, headers=etags.ETAG)
def change(body: dict[str, Any], contact_id: str) -> Tagged[Contact]:
    """Correct a contact."""
    seen, reason = etags.seen(), body.pop("reason", None)
    changes: contacts.ContactChange = {**body}  # type: ignore[typeddict-item]
    with services().writing() as session:
        wanted = ids.parse(ids.CONTACT, contact_id)
        changed = contacts.change(session, contact_id=wanted, changes=changes, seen=seen)
        write_down(session, "contact.corrected", changed, key="contact_id", fields=sorted(body), reason=reason)
    return etags.tagged(changed)


@admin_contacts_api.post("/contacts/<contact_id>/end")
@requires(admin_contacts_api, WRITE)
@fails_with(contacts.ContactNotFound, texts.MalformedText)
@admin_contacts_api.doc(parameters=[DRY_RUN])
@admin_contacts_api.arguments(LeftOutSchema())
@admin_contacts_api.response(200, ContactSchema, headers=etags.ETAG)
def end(body: dict[str, Any], contact_id: str) -> Tagged[Contact]:
    """End a contact."""
    with services().writing() as session:
        ended = contacts.end(session, contact_id=ids.parse(ids.CONTACT, contact_id), now=clock.now())
        write_down(session, "contact.ended", ended, key="contact_id", reason=body.get("reason"))
    return etags.tagged(ended)
