"""/v1/admin: where partners are present, and where exclusively."""

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
from partners import accounts, categories, placements, texts
from partners.placements import LONGEST_CLAUSE, Placement

admin_placements_api = Blueprint(
    "admin-placements", __name__, url_prefix=PREFIX, description="Exclusivity: placements, for the admin"
)
# Refusals of a new placement.
PLACING = (placements.ExclusivityConflict, placements.NoDays, texts.MalformedText)
CLAUSE = {"description": "The clause of the agreement that excludes competitors, or null if there is none"}
UNTIL = {"description": "The first day after the placement, or null if it lasts as long as the partner stays"}


class NewPlacementSchema(ma.Schema):
    schema_description = "Where the partner will be present."

    category_id = Id(ids.CATEGORY, required=True)
    territory = line(6, required=True, metadata={"description": "GB, GB-SCT, or * for everywhere"})
    since = ma.fields.Date(required=True)
    until = ma.fields.Date(allow_none=True, load_default=None, metadata=UNTIL)
    clause = line(LONGEST_CLAUSE, allow_none=True, load_default=None, metadata=CLAUSE)


class PlacementChangeSchema(NoteSchema):
    schema_description = "The fields you can change. A field you leave out stays as it is."

    since = ma.fields.Date()
    until = ma.fields.Date(allow_none=True, metadata=UNTIL)
    clause = line(LONGEST_CLAUSE, allow_none=True, metadata=CLAUSE)


class PlacementSchema(ma.Schema):
    schema_description = "Where a partner is present, and the clause that makes it exclusive there."

    placement_id = Id(ids.PLACEMENT)
    partner_id = Id(ids.PARTNER)
    category_id = Id(ids.CATEGORY)
    category_path = ma.fields.String()
    territory = ma.fields.String()
    since = ma.fields.Date()
    until = ma.fields.Date(allow_none=True)
    exclusive = ma.fields.Boolean()
    clause = ma.fields.String(allow_none=True)
    created_at = ma.fields.AwareDateTime()


@admin_placements_api.post("/partners/<partner_id>/placements")
@requires(admin_placements_api, WRITE)
@fails_with(*OWNED, *PLACING, categories.CategoryNotFound, placements.UnknownTerritory)
@admin_placements_api.doc(
    summary=(
        "Add a partner to a category and a territory. We refuse if an exclusive clause of either partner forbids it."
    ),
    parameters=[DRY_RUN],
)
@admin_placements_api.arguments(NewPlacementSchema())
@admin_placements_api.response(201, PlacementSchema, headers=etags.ETAG)
def add(body: dict[str, Any], partner_id: str) -> Tagged[Placement]:
    with services().writing() as session:
        made = placements.add(session, act(), partner_id=ids.parse(ids.PARTNER, partner_id), **body)
    return etags.tagged(made, 201)


@admin_placements_api.get("/partners/<partner_id>/placements")
@admin_placements_api.doc(summary="List where a partner is, was and will be present.")
@requires(admin_placements_api, READ)
@fails_with(accounts.PartnerNotFound, InvalidCursor)
@admin_placements_api.arguments(PageQuery(), location="query")
@admin_placements_api.response(200, page_schema(PlacementSchema))
def of_partner(query: dict[str, Any], partner_id: str) -> Page:
    return page_of_partner(query, partner_id, key="placement_id", fetch=placements.of_partner)


@admin_placements_api.get("/placements/<placement_id>")
@admin_placements_api.doc(summary="Get a placement.")
@requires(admin_placements_api, READ)
@fails_with(placements.PlacementNotFound)
@admin_placements_api.response(200, PlacementSchema, headers=etags.ETAG)
def get(placement_id: str) -> Tagged[Placement]:
    with services().reading() as session:
        return etags.tagged(placements.get(session, ids.parse(ids.PLACEMENT, placement_id)))


@admin_placements_api.patch("/placements/<placement_id>")
@requires(admin_placements_api, WRITE)
@fails_with(placements.PlacementNotFound, accounts.PartnerGone, *PLACING)
@admin_placements_api.doc(
    summary="Extend or end a placement, or change its clause. We check it like a new one.",
    parameters=[DRY_RUN, etags.IF_MATCH],
)
@admin_placements_api.arguments(PlacementChangeSchema())
@admin_placements_api.response(200, PlacementSchema, headers=etags.ETAG)
def change(body: dict[str, Any], placement_id: str) -> Tagged[Placement]:
    expected_version, why = etags.expected_version(), act(reason=body.pop("reason", None))
    changes: placements.PlacementChange = {**body}  # type: ignore[typeddict-item]
    with services().writing() as session:
        wanted = ids.parse(ids.PLACEMENT, placement_id)
        changed = placements.change(
            session, why, placement_id=wanted, changes=changes, expected_version=expected_version
        )
    return etags.tagged(changed)


@admin_placements_api.post("/placements/<placement_id>/withdraw")
@requires(admin_placements_api, WRITE)
@fails_with(placements.PlacementNotFound, texts.MalformedText)
@admin_placements_api.doc(summary="Withdraw a placement that you added by mistake.", parameters=[DRY_RUN])
@admin_placements_api.arguments(LeftOutSchema())
@admin_placements_api.response(204)
def withdraw(body: dict[str, Any], placement_id: str) -> None:
    with services().writing() as session:
        wanted = ids.parse(ids.PLACEMENT, placement_id)
        placements.withdraw(session, act(reason=body.get("reason")), placement_id=wanted)
