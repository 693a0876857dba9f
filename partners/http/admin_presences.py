"""/v1/admin: where partners are present, and where exclusively."""

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
from partners import accounts, categories, presences, texts
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
from partners.presences import LONGEST_CLAUSE, Presence

admin_presences_api = Blueprint(
    "admin-presences", __name__, url_prefix=PREFIX, description="Presence and exclusivity, for the admin"
)
# What placing a partner somewhere can meet.
PLACING = (presences.ExclusivityConflict, presences.NoDays, texts.MalformedText)
CLAUSE = {"description": "The agreement's clause that keeps competitors out; null where there is none"}
UNTIL = {"description": "The first day after it; null for as long as the partner stays"}


class NewPresenceSchema(ma.Schema):
    """Where a partner is to be present."""

    category_id = Id(ids.CATEGORY, required=True)
    territory = line(6, required=True, metadata={"description": "GB, GB-SCT, or * for everywhere"})
    since = ma.fields.Date(required=True)
    until = ma.fields.Date(allow_none=True, load_default=None, metadata=UNTIL)
    clause = line(LONGEST_CLAUSE, allow_none=True, load_default=None, metadata=CLAUSE)


class PresenceChangeSchema(NoteSchema):
    """What can be changed; what is left out stays."""

    since = ma.fields.Date()
    until = ma.fields.Date(allow_none=True, metadata=UNTIL)
    clause = line(LONGEST_CLAUSE, allow_none=True, metadata=CLAUSE)


class PresenceSchema(ma.Schema):
    """Where a partner is present, and under which clause exclusively."""

    presence_id = Id(ids.PRESENCE)
    partner_id = Id(ids.PARTNER)
    category_id = Id(ids.CATEGORY)
    category_path = ma.fields.String()
    territory = ma.fields.String()
    since = ma.fields.Date()
    until = ma.fields.Date(allow_none=True)
    exclusive = ma.fields.Boolean()
    clause = ma.fields.String(allow_none=True)
    created_at = ma.fields.AwareDateTime()


@admin_presences_api.post("/partners/<partner_id>/presences")
@requires(admin_presences_api, WRITE)
@fails_with(*OWNED, *PLACING, categories.CategoryNotFound, presences.UnknownTerritory)
@admin_presences_api.doc(parameters=[DRY_RUN])
@admin_presences_api.arguments(NewPresenceSchema())
@admin_presences_api.response(201, PresenceSchema, headers=etags.ETAG)
def add(body: dict[str, Any], partner_id: str) -> Tagged[Presence]:
    """Put a partner into a category and territory; refused where it or a partner there is exclusive."""
    with services().writing() as session:
        made = presences.add(session, partner_id=ids.parse(ids.PARTNER, partner_id), **body, now=clock.now())
        write_down(session, "presence.added", made, key="presence_id", category=made.category_path)
    return etags.tagged(made, 201)


@admin_presences_api.get("/partners/<partner_id>/presences")
@requires(admin_presences_api, READ)
@fails_with(accounts.PartnerNotFound, InvalidCursor)
@admin_presences_api.arguments(PageQuery(), location="query")
@admin_presences_api.response(200, page_schema(PresenceSchema))
def of_partner(query: dict[str, Any], partner_id: str) -> Page:
    """Where a partner is, was and will be present."""
    return page_of_partner(query, partner_id, key="presence_id", fetch=presences.of_partner)


@admin_presences_api.get("/presences/<presence_id>")
@requires(admin_presences_api, READ)
@fails_with(presences.PresenceNotFound)
@admin_presences_api.response(200, PresenceSchema, headers=etags.ETAG)
def get(presence_id: str) -> Tagged[Presence]:
    """One presence."""
    with services().reading() as session:
        return etags.tagged(presences.get(session, ids.parse(ids.PRESENCE, presence_id)))


@admin_presences_api.patch("/presences/<presence_id>")
@requires(admin_presences_api, WRITE)
@fails_with(presences.PresenceNotFound, accounts.PartnerGone, *PLACING)
@admin_presences_api.doc(parameters=[DRY_RUN, etags.IF_MATCH])
@admin_presences_api.arguments(PresenceChangeSchema())
@admin_presences_api.response(200, PresenceSchema, headers=etags.ETAG)
def change(body: dict[str, Any], presence_id: str) -> Tagged[Presence]:
    """Extend or end a presence, or change its clause; checked like a new one."""
    seen, reason = etags.seen(), body.pop("reason", None)
    changes: presences.PresenceChange = {**body}  # type: ignore[typeddict-item]
    with services().writing() as session:
        wanted = ids.parse(ids.PRESENCE, presence_id)
        changed = presences.change(session, presence_id=wanted, changes=changes, seen=seen)
        write_down(session, "presence.changed", changed, key="presence_id", fields=sorted(body), reason=reason)
    return etags.tagged(changed)


@admin_presences_api.post("/presences/<presence_id>/withdraw")
@requires(admin_presences_api, WRITE)
@fails_with(presences.PresenceNotFound, texts.MalformedText)
@admin_presences_api.doc(parameters=[DRY_RUN])
@admin_presences_api.arguments(LeftOutSchema())
@admin_presences_api.response(204)
def withdraw(body: dict[str, Any], presence_id: str) -> None:
    """Take back a presence that was entered by mistake."""
    with services().writing() as session:
        gone = presences.get(session, ids.parse(ids.PRESENCE, presence_id))
        presences.withdraw(session, presence_id=gone.presence_id, now=clock.now())
        write_down(session, "presence.withdrawn", gone, key="presence_id", reason=body.get("reason"))
