"""/v1/admin/partners: accounts, and a partner's life from onboarding to leaving."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import marshmallow as ma

from kit import clock, ids
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
from partners.http.admin import OWNED, PREFIX, READ, WRITE, line, page, page_of_partner, page_schema, write_down
from partners.http.auth import admin, requires
from partners.lifecycle import Leaving, Step

admin_partners_api = Blueprint(
    "admin-partners", __name__, url_prefix=f"{PREFIX}/partners", description="Partners' accounts, for the admin"
)
# What a change of a partner's state can meet.
STEP = (*OWNED, lifecycle.TransitionRefused, texts.MalformedText)
STATUSES = ["onboarding", "active", "suspended", "leaving", "left"]


class LegalEntitySchema(ma.Schema):
    """Who a partner is in law."""

    legal_name = line(200, required=True)
    registration_no = line(50, required=True)
    country = ma.fields.String(required=True, validate=ma.validate.Length(2, 2))


class NewPartnerSchema(ma.Schema):
    """A partner to take on."""

    code = line(32, required=True)
    name = line(100, required=True)
    is_issuer = ma.fields.Boolean(load_default=True, truthy={True}, falsy={False})
    is_redeemer = ma.fields.Boolean(load_default=True, truthy={True}, falsy={False})
    legal_entity = ma.fields.Nested(LegalEntitySchema)


class PartnerChangeSchema(ma.Schema):
    """What can be changed; what is left out stays."""

    name = line(100)
    is_issuer = ma.fields.Boolean(truthy={True}, falsy={False})
    is_redeemer = ma.fields.Boolean(truthy={True}, falsy={False})
    legal_entity = ma.fields.Nested(LegalEntitySchema)


class PartnerSchema(ma.Schema):
    """A partner's account."""

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
    """What an onboarding still lacks."""

    ready = ma.fields.Boolean()
    missing = ma.fields.List(
        ma.fields.String(),
        metadata={"description": f"of {', '.join(lifecycle.PAPERS)}, and of an issuer {', '.join(issuing.NEEDS)}"},
    )


class PartnersQuery(PageQuery):
    """Which partners."""

    status = ma.fields.String(validate=ma.validate.OneOf(STATUSES))


class StepSchema(ma.Schema):
    """Why a state is changed; who did is the client that asks."""

    reason = line(accounts.LONGEST_REASON, required=True)


class LeavingSchema(StepSchema):
    """When a partner stops issuing points, then taking them, and when its access ends."""

    earns_until = Instant(required=True)
    burns_until = Instant(required=True)
    leaves_at = Instant(required=True, metadata={"description": "Until then it can still take goods back"})


class StateChangeSchema(ma.Schema):
    """One step in a partner's life."""

    change_id = Id(ids.STATE_CHANGE)
    from_status = ma.fields.String(allow_none=True)
    to_status = ma.fields.String()
    reason = ma.fields.String()
    made_by = ma.fields.String()
    at = ma.fields.AwareDateTime()


def _entity(body: dict[str, Any]) -> LegalEntity | None:
    return LegalEntity(**body["legal_entity"]) if "legal_entity" in body else None


def _do(verb: Callable[..., Partner], action: str, body: dict[str, Any], partner_id: str) -> Tagged[Partner]:
    """Take a step in a partner's life; its reason stands in the partner's history."""
    step = Step(reason=body["reason"], made_by=admin().client_id, now=clock.now())
    with services().writing() as session:
        done = verb(session, partner_id=ids.parse(ids.PARTNER, partner_id), step=step)
        write_down(session, action, done, key="partner_id", status=done.status)
    return etags.tagged(done)


@admin_partners_api.post("")
@requires(admin_partners_api, WRITE)
@fails_with(accounts.MalformedPartner, accounts.PartnerCodeTaken, texts.MalformedText, texts.UnknownCountry)
@admin_partners_api.doc(parameters=[DRY_RUN])
@admin_partners_api.arguments(NewPartnerSchema())
@admin_partners_api.response(201, PartnerSchema, headers=etags.ETAG)
def create(body: dict[str, Any]) -> Tagged[Partner]:
    """Take on a partner: it begins with onboarding, and posts nothing until it is activated."""
    with services().writing() as session:
        made = accounts.onboard(
            session,
            code=body["code"],
            name=body["name"],
            is_issuer=body["is_issuer"],
            is_redeemer=body["is_redeemer"],
            made_by=admin().client_id,
            now=clock.now(),
        )
        made = accounts.change(session, partner_id=made.partner_id, legal_entity=_entity(body))
        write_down(session, "partner.onboarded", made, key="partner_id")
    return etags.tagged(made, 201)


@admin_partners_api.get("")
@requires(admin_partners_api, READ)
@fails_with(InvalidCursor)
@admin_partners_api.arguments(PartnersQuery(), location="query")
@admin_partners_api.response(200, page_schema(PartnerSchema))
def everything(query: dict[str, Any]) -> Page:
    """Partners, the oldest first."""
    statuses = [query["status"]] if "status" in query else []
    return page(
        query,
        key="partner_id",
        bound_to=statuses,
        fetch=lambda session, after, limit: accounts.page(session, after=after, limit=limit, statuses=statuses),
    )


@admin_partners_api.get("/<partner_id>")
@requires(admin_partners_api, READ)
@fails_with(accounts.PartnerNotFound)
@admin_partners_api.response(200, PartnerSchema, headers=etags.ETAG)
def get(partner_id: str) -> Tagged[Partner]:
    """One partner."""
    with services().reading() as session:
        return etags.tagged(accounts.by_id(session, ids.parse(ids.PARTNER, partner_id)))


@admin_partners_api.patch("/<partner_id>")
@requires(admin_partners_api, WRITE)
@fails_with(*OWNED, issuing.TermsMissing, accounts.MalformedPartner, texts.MalformedText, texts.UnknownCountry)
@admin_partners_api.doc(parameters=[DRY_RUN, etags.IF_MATCH])
@admin_partners_api.arguments(PartnerChangeSchema())
@admin_partners_api.response(200, PartnerSchema, headers=etags.ETAG)
def change(body: dict[str, Any], partner_id: str) -> Tagged[Partner]:
    """Change a partner's name, roles or legal entity."""
    seen = etags.seen()
    with services().writing() as session:
        changed = accounts.change(
            session,
            partner_id=ids.parse(ids.PARTNER, partner_id),
            name=body.get("name"),
            is_issuer=body.get("is_issuer"),
            is_redeemer=body.get("is_redeemer"),
            legal_entity=_entity(body),
            seen=seen,
        )
        write_down(session, "partner.changed", changed, key="partner_id", fields=sorted(body))
    return etags.tagged(changed)


@admin_partners_api.get("/<partner_id>/readiness")
@requires(admin_partners_api, READ)
@fails_with(accounts.PartnerNotFound)
@admin_partners_api.response(200, ReadinessSchema)
def readiness(partner_id: str) -> dict[str, Any]:
    """What a partner still lacks to be activated."""
    with services().reading() as session:
        found = accounts.by_id(session, ids.parse(ids.PARTNER, partner_id))
        lacks = lifecycle.missing(session, partner_id=found.partner_id, now=clock.now())
    return {"ready": not lacks, "missing": lacks}


@admin_partners_api.get("/<partner_id>/history")
@requires(admin_partners_api, READ)
@fails_with(accounts.PartnerNotFound, InvalidCursor)
@admin_partners_api.arguments(PageQuery(), location="query")
@admin_partners_api.response(200, page_schema(StateChangeSchema))
def history(query: dict[str, Any], partner_id: str) -> Page:
    """The steps of a partner's life, the first first."""
    return page_of_partner(query, partner_id, key="change_id", fetch=accounts.history)


@admin_partners_api.post("/<partner_id>/activate")
@requires(admin_partners_api, WRITE)
@fails_with(*STEP, lifecycle.OnboardingIncomplete)
@admin_partners_api.doc(parameters=[DRY_RUN])
@admin_partners_api.arguments(StepSchema())
@admin_partners_api.response(200, PartnerSchema, headers=etags.ETAG)
def activate(body: dict[str, Any], partner_id: str) -> Tagged[Partner]:
    """End the onboarding; refused, naming what is missing, until all papers are in order."""
    return _do(lifecycle.activate, "partner.activated", body, partner_id)


@admin_partners_api.post("/<partner_id>/suspend")
@requires(admin_partners_api, WRITE)
@fails_with(*STEP)
@admin_partners_api.doc(parameters=[DRY_RUN])
@admin_partners_api.arguments(StepSchema())
@admin_partners_api.response(200, PartnerSchema, headers=etags.ETAG)
def suspend(body: dict[str, Any], partner_id: str) -> Tagged[Partner]:
    """Stop a partner's earning and spending within a second; reads, returns and the end of holds go on."""
    return _do(lifecycle.suspend, "partner.suspended", body, partner_id)


@admin_partners_api.post("/<partner_id>/resume")
@requires(admin_partners_api, WRITE)
@fails_with(*STEP)
@admin_partners_api.doc(parameters=[DRY_RUN])
@admin_partners_api.arguments(StepSchema())
@admin_partners_api.response(200, PartnerSchema, headers=etags.ETAG)
def resume(body: dict[str, Any], partner_id: str) -> Tagged[Partner]:
    """Make a suspended or leaving partner active again."""
    return _do(lifecycle.resume, "partner.resumed", body, partner_id)


@admin_partners_api.post("/<partner_id>/abandon")
@requires(admin_partners_api, WRITE)
@fails_with(*STEP)
@admin_partners_api.doc(parameters=[DRY_RUN])
@admin_partners_api.arguments(StepSchema())
@admin_partners_api.response(200, PartnerSchema, headers=etags.ETAG)
def abandon(body: dict[str, Any], partner_id: str) -> Tagged[Partner]:
    """End an onboarding that comes to nothing."""
    return _do(lifecycle.abandon, "partner.abandoned", body, partner_id)


@admin_partners_api.post("/<partner_id>/leave")
@requires(admin_partners_api, WRITE)
@fails_with(*STEP, lifecycle.LeavingOutOfOrder)
@admin_partners_api.doc(parameters=[DRY_RUN])
@admin_partners_api.arguments(LeavingSchema())
@admin_partners_api.response(200, PartnerSchema, headers=etags.ETAG)
def leave(body: dict[str, Any], partner_id: str) -> Tagged[Partner]:
    """Let a partner leave: no earns from one time, no burns from the next, no access from the last."""
    times = Leaving(body["earns_until"], body["burns_until"], body["leaves_at"])
    return _do(partial(lifecycle.leave, times=times), "partner.leaving", body, partner_id)
