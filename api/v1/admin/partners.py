"""/v1/admin/partners: accounts, and a partner's life from onboarding to leaving."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import marshmallow as ma

from api.admission import act
from api.auth import requires
from api.v1.admin.common import OWNED, PREFIX, READ, WRITE, line, page, page_of_partner, page_schema
from kit import audit, clock, ids
from kit.http import etags
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.etags import Tagged
from kit.http.fields import Id, Instant
from kit.http.paging import InvalidCursor, Page, PageQuery
from kit.http.requests import DRY_RUN
from kit.http.services import services
from partners import accounts, issuing, lifecycle, texts
from partners.accounts import LegalEntity, Partner
from partners.lifecycle import Leaving

admin_partners_api = Blueprint(
    "admin-partners", __name__, url_prefix=f"{PREFIX}/partners", description="Accounts of partners, for the admin"
)
# What a change of a partner's state can meet.
STEP = (*OWNED, lifecycle.TransitionRefused, texts.MalformedText)
STATUSES = ["onboarding", "active", "suspended", "leaving", "left"]


class LegalEntitySchema(ma.Schema):
    schema_description = "The partner's legal entity."

    legal_name = line(200, required=True)
    registration_no = line(50, required=True)
    country = ma.fields.String(required=True, validate=ma.validate.Length(2, 2))


class NewPartnerSchema(ma.Schema):
    schema_description = "A partner to take on."

    code = line(32, required=True)
    name = line(100, required=True)
    is_issuer = ma.fields.Boolean(load_default=True, truthy={True}, falsy={False})
    is_redeemer = ma.fields.Boolean(load_default=True, truthy={True}, falsy={False})
    legal_entity = ma.fields.Nested(LegalEntitySchema)


class PartnerChangeSchema(ma.Schema):
    schema_description = "The fields you can change. A field you leave out stays as it is."

    name = line(100)
    is_issuer = ma.fields.Boolean(truthy={True}, falsy={False})
    is_redeemer = ma.fields.Boolean(truthy={True}, falsy={False})
    legal_entity = ma.fields.Nested(LegalEntitySchema)


class PartnerSchema(ma.Schema):
    schema_description = "A partner's account."

    partner_id = Id(ids.PARTNER)
    code = ma.fields.String()
    name = ma.fields.String()
    status = ma.fields.String(validate=ma.validate.OneOf(STATUSES))
    is_issuer = ma.fields.Boolean()
    is_redeemer = ma.fields.Boolean()
    legal_entity = ma.fields.Nested(LegalEntitySchema, allow_none=True)
    earns_until = ma.fields.AwareDateTime(allow_none=True)
    burns_until = ma.fields.AwareDateTime(allow_none=True)
    leaves_at = ma.fields.AwareDateTime(allow_none=True)
    created_at = ma.fields.AwareDateTime()


class ReadinessSchema(ma.Schema):
    schema_description = "What the onboarding still lacks."

    ready = ma.fields.Boolean()
    missing = ma.fields.List(
        ma.fields.String(),
        metadata={"description": f"of {', '.join(lifecycle.PAPERS)}, and of an issuer {', '.join(issuing.NEEDS)}"},
    )


class PartnersQuery(PageQuery):
    """Which partners."""

    status = ma.fields.String(validate=ma.validate.OneOf(STATUSES))


class StepSchema(ma.Schema):
    schema_description = "Why you change the status. The client that asks counts as the one who changes it."

    reason = line(audit.LONGEST_REASON, required=True)


class LeavingSchema(StepSchema):
    schema_description = (
        "When the partner stops issuing points, when it stops accepting them, and when its access ends."
    )

    earns_until = Instant(required=True)
    burns_until = Instant(required=True)
    leaves_at = Instant(required=True, metadata={"description": "Until then the partner can still post returns"})


class StateChangeSchema(ma.Schema):
    schema_description = "One change of a partner's status."

    change_id = Id(ids.STATE_CHANGE)
    from_status = ma.fields.String(allow_none=True)
    to_status = ma.fields.String()
    reason = ma.fields.String()
    made_by = ma.fields.String()
    at = ma.fields.AwareDateTime()


def _entity(body: dict[str, Any]) -> LegalEntity | None:
    return LegalEntity(**body["legal_entity"]) if "legal_entity" in body else None


def _do(verb: Callable[..., Partner], body: dict[str, Any], partner_id: str) -> Tagged[Partner]:
    """Take a step in a partner's life; its reason stands in the partner's history."""
    why = act(reason=body["reason"])
    with services().writing() as session:
        done = verb(session, why, partner_id=ids.parse(ids.PARTNER, partner_id))
    return etags.tagged(done)


@admin_partners_api.post("")
@requires(admin_partners_api, WRITE)
@fails_with(accounts.MalformedPartner, accounts.PartnerCodeTaken, texts.MalformedText, texts.UnknownCountry)
@admin_partners_api.doc(
    summary="Create a partner. It begins in onboarding and cannot post until you activate it.",
    parameters=[DRY_RUN],
)
@admin_partners_api.arguments(NewPartnerSchema())
@admin_partners_api.response(201, PartnerSchema, headers=etags.ETAG)
def create(body: dict[str, Any]) -> Tagged[Partner]:
    with services().writing() as session:
        made = accounts.onboard(
            session,
            act(),
            code=body["code"],
            name=body["name"],
            is_issuer=body["is_issuer"],
            is_redeemer=body["is_redeemer"],
            legal_entity=_entity(body),
        )
    return etags.tagged(made, 201)


@admin_partners_api.get("")
@admin_partners_api.doc(summary="List partners, oldest first.")
@requires(admin_partners_api, READ)
@fails_with(InvalidCursor)
@admin_partners_api.arguments(PartnersQuery(), location="query")
@admin_partners_api.response(200, page_schema(PartnerSchema))
def everything(query: dict[str, Any]) -> Page:
    statuses = [query["status"]] if "status" in query else []
    return page(
        query,
        key="partner_id",
        bound_to=statuses,
        fetch=lambda session, after, limit: accounts.page(session, after=after, limit=limit, statuses=statuses),
    )


@admin_partners_api.get("/<partner_id>")
@admin_partners_api.doc(summary="Get a partner.")
@requires(admin_partners_api, READ)
@fails_with(accounts.PartnerNotFound)
@admin_partners_api.response(200, PartnerSchema, headers=etags.ETAG)
def get(partner_id: str) -> Tagged[Partner]:
    with services().reading() as session:
        return etags.tagged(accounts.by_id(session, ids.parse(ids.PARTNER, partner_id)))


@admin_partners_api.patch("/<partner_id>")
@requires(admin_partners_api, WRITE)
@fails_with(*OWNED, issuing.TermsMissing, accounts.MalformedPartner, texts.MalformedText, texts.UnknownCountry)
@admin_partners_api.doc(summary="Change a partner's name, roles or legal entity.", parameters=[DRY_RUN, etags.IF_MATCH])
@admin_partners_api.arguments(PartnerChangeSchema())
@admin_partners_api.response(200, PartnerSchema, headers=etags.ETAG)
def change(body: dict[str, Any], partner_id: str) -> Tagged[Partner]:
    expected_version = etags.expected_version()
    with services().writing() as session:
        changed = accounts.change(
            session,
            act(),
            partner_id=ids.parse(ids.PARTNER, partner_id),
            name=body.get("name"),
            is_issuer=body.get("is_issuer"),
            is_redeemer=body.get("is_redeemer"),
            legal_entity=_entity(body),
            expected_version=expected_version,
        )
    return etags.tagged(changed)


@admin_partners_api.get("/<partner_id>/readiness")
@admin_partners_api.doc(summary="Get what a partner still lacks before you can activate it.")
@requires(admin_partners_api, READ)
@fails_with(accounts.PartnerNotFound)
@admin_partners_api.response(200, ReadinessSchema)
def readiness(partner_id: str) -> dict[str, Any]:
    with services().reading() as session:
        found = accounts.by_id(session, ids.parse(ids.PARTNER, partner_id))
        lacks = lifecycle.missing(session, partner_id=found.partner_id, now=clock.now())
    return {"ready": not lacks, "missing": lacks}


@admin_partners_api.get("/<partner_id>/history")
@admin_partners_api.doc(summary="List the changes of a partner's status, oldest first.")
@requires(admin_partners_api, READ)
@fails_with(accounts.PartnerNotFound, InvalidCursor)
@admin_partners_api.arguments(PageQuery(), location="query")
@admin_partners_api.response(200, page_schema(StateChangeSchema))
def history(query: dict[str, Any], partner_id: str) -> Page:
    return page_of_partner(query, partner_id, key="change_id", fetch=accounts.history)


@admin_partners_api.post("/<partner_id>/activate")
@requires(admin_partners_api, WRITE)
@fails_with(*STEP, lifecycle.OnboardingIncomplete)
@admin_partners_api.doc(
    summary="Activate a partner. While anything is missing we refuse and name it.", parameters=[DRY_RUN]
)
@admin_partners_api.arguments(StepSchema())
@admin_partners_api.response(200, PartnerSchema, headers=etags.ETAG)
def activate(body: dict[str, Any], partner_id: str) -> Tagged[Partner]:
    return _do(lifecycle.activate, body, partner_id)


@admin_partners_api.post("/<partner_id>/suspend")
@requires(admin_partners_api, WRITE)
@fails_with(*STEP)
@admin_partners_api.doc(
    summary=(
        "Suspend a partner. Earns, burns and new holds stop within a second. Reads, returns and the end of holds go on."
    ),
    parameters=[DRY_RUN],
)
@admin_partners_api.arguments(StepSchema())
@admin_partners_api.response(200, PartnerSchema, headers=etags.ETAG)
def suspend(body: dict[str, Any], partner_id: str) -> Tagged[Partner]:
    return _do(lifecycle.suspend, body, partner_id)


@admin_partners_api.post("/<partner_id>/resume")
@requires(admin_partners_api, WRITE)
@fails_with(*STEP, issuing.TermsMissing)
@admin_partners_api.doc(
    summary="Make a suspended or leaving partner active again. A partner that issues points needs its terms first.",
    parameters=[DRY_RUN],
)
@admin_partners_api.arguments(StepSchema())
@admin_partners_api.response(200, PartnerSchema, headers=etags.ETAG)
def resume(body: dict[str, Any], partner_id: str) -> Tagged[Partner]:
    return _do(lifecycle.resume, body, partner_id)


@admin_partners_api.post("/<partner_id>/abandon")
@requires(admin_partners_api, WRITE)
@fails_with(*STEP)
@admin_partners_api.doc(summary="Abandon an onboarding.", parameters=[DRY_RUN])
@admin_partners_api.arguments(StepSchema())
@admin_partners_api.response(200, PartnerSchema, headers=etags.ETAG)
def abandon(body: dict[str, Any], partner_id: str) -> Tagged[Partner]:
    return _do(lifecycle.abandon, body, partner_id)


@admin_partners_api.post("/<partner_id>/leave")
@requires(admin_partners_api, WRITE)
@fails_with(*STEP, lifecycle.LeavingOutOfOrder)
@admin_partners_api.doc(
    summary="Let a partner leave: earns stop at the first time, burns at the second, and access ends at the third.",
    parameters=[DRY_RUN],
)
@admin_partners_api.arguments(LeavingSchema())
@admin_partners_api.response(200, PartnerSchema, headers=etags.ETAG)
def leave(body: dict[str, Any], partner_id: str) -> Tagged[Partner]:
    times = Leaving(body["earns_until"], body["burns_until"], body["leaves_at"])
    return _do(partial(lifecycle.leave, times=times), body, partner_id)
