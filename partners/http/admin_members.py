"""/v1/admin/members: who is it, what do they have, and where does it come from; by our own ids, masked, audited."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from coalition import member_accounts, members
from kit import ids
from kit.http.api import Blueprint
from kit.http.choices import Choice
from kit.http.description import fails_with
from kit.http.fields import Id
from kit.http.services import services
from partners import member_desk, whom
from partners.http import admission
from partners.http.admin import PREFIX, READ, line
from partners.http.auth import requires
from partners.http.schemas import IdentifierSchema

admin_members_api = Blueprint(
    "admin-members", __name__, url_prefix=f"{PREFIX}/members", description="Members, for the coalition's desk"
)


def shown(description: str = "") -> ma.fields.String:
    """An id that is shown already."""
    return ma.fields.String(allow_none=True, metadata={"description": description} if description else {})


class FindSchema(IdentifierSchema):
    """What the member is found by; a receipt and an external id with the partner whose they are."""

    receipt = line(64, metadata={"description": "the number a partner posted it under"})
    partner_id = Id(ids.PARTNER)

    choices = (Choice(member_desk.BY, f"give {', '.join(member_desk.BY)}, one of them"),)


class FoundMemberSchema(ma.Schema):
    """Who it is, and what the wallet holds."""

    member_id = ma.fields.String(metadata={"description": "our own id; each partner has another"})
    partner_id = shown("who enrolled it")
    partner_code = shown()
    enrolled_at = ma.fields.AwareDateTime()
    erased_at = ma.fields.AwareDateTime(allow_none=True)
    is_claimed = ma.fields.Boolean(metadata={"description": "it proved itself elsewhere than where it was enrolled"})
    state = ma.fields.String(validate=ma.validate.OneOf(["open", "blocked", "merged"]))
    merged_into = shown()
    available = ma.fields.Integer()
    held = ma.fields.Integer()
    pending = ma.fields.Integer()
    owed = ma.fields.Integer()
    transactions = ma.fields.Integer(metadata={"description": "how many there are"})
    has_pin = ma.fields.Boolean()
    has_code = ma.fields.Boolean()
    locked_until = ma.fields.AwareDateTime(allow_none=True)


class FoundMembersSchema(ma.Schema):
    """Those who were found: several only by a receipt."""

    data = ma.fields.List(ma.fields.Nested(FoundMemberSchema))


class DeskIdentifierSchema(ma.Schema):
    """One of a member's identifiers, masked; `partner_id` is whose external id it is."""

    identifier_id = ma.fields.String()
    kind = ma.fields.String()
    masked = ma.fields.String()
    partner_id = shown()
    partner_code = shown()
    created_at = ma.fields.AwareDateTime(allow_none=True)
    verified_at = ma.fields.AwareDateTime(allow_none=True)


class DeskHoldSchema(ma.Schema):
    """Points on hold."""

    hold_id = ma.fields.String()
    partner_id = shown()
    partner_code = shown()
    points = ma.fields.Integer()
    expires_at = ma.fields.AwareDateTime()


class DeskTransactionSchema(ma.Schema):
    """One of the newest entries of the wallet."""

    transaction_id = ma.fields.String()
    kind = ma.fields.String()
    partner_id = shown()
    partner_code = shown()
    points = ma.fields.Integer()
    available_after = ma.fields.Integer()
    reference = ma.fields.String()
    business_date = ma.fields.Date()
    booked_at = ma.fields.AwareDateTime()


class ShownMemberSchema(FoundMemberSchema):
    """A member with its masked identifiers, open holds and newest transactions."""

    identifiers = ma.fields.List(ma.fields.Nested(DeskIdentifierSchema))
    holds = ma.fields.List(ma.fields.Nested(DeskHoldSchema))
    newest = ma.fields.List(ma.fields.Nested(DeskTransactionSchema))


class BalancePartSchema(ma.Schema):
    """Part of a balance: lots of one issuer and expiry, a hold, points that vest, or a debt."""

    points = ma.fields.Integer()
    partner_id = shown("who issued it, holds it, or is owed it")
    partner_code = shown()
    lots = ma.fields.Integer(allow_none=True)
    expires_on = ma.fields.Date(allow_none=True)
    vests_at = ma.fields.AwareDateTime(allow_none=True)
    expires_at = ma.fields.AwareDateTime(allow_none=True)
    hold_id = shown()
    transaction_id = shown()


class ExplainedBalanceSchema(ma.Schema):
    """One of the wallet's balances and what it is made of."""

    name = ma.fields.String(validate=ma.validate.OneOf(["available", "held", "pending", "owed"]))
    points = ma.fields.Integer()
    adds_up = ma.fields.Boolean()
    parts = ma.fields.List(ma.fields.Nested(BalancePartSchema))


class MovedSchema(ma.Schema):
    """What moved so far, by kind and partner."""

    kind = ma.fields.String()
    partner_id = shown()
    partner_code = shown()
    transactions = ma.fields.Integer()
    points = ma.fields.Integer()


class ExplainedMemberSchema(ma.Schema):
    """Where a member's points come from."""

    member_id = ma.fields.String()
    balances = ma.fields.List(ma.fields.Nested(ExplainedBalanceSchema))
    moved = ma.fields.List(ma.fields.Nested(MovedSchema))


_OPTIONAL_OF_PART = dict.fromkeys(("lots", "expires_on", "vests_at", "expires_at", "hold_id", "transaction_id"))


@admin_members_api.post("/find")
@requires(admin_members_api, READ)
@fails_with(*whom.MALFORMED, members.MemberNotFound, member_desk.PartnerMissing)
@admin_members_api.arguments(FindSchema())
@admin_members_api.response(200, FoundMembersSchema)
def find(body: dict[str, Any]) -> dict[str, Any]:
    """Find a member by card, phone, e-mail, external id or receipt; a POST, so that it stands in no log."""
    parts = services()
    partner_id = body.pop("partner_id", None)
    with parts.writing() as session:
        heads = member_desk.find(session, body, partner_id=partner_id, keyring=parts.keyring)
        data = member_desk.named(session, heads)
        for head in heads:
            admission.write_down(session, "member.found", head["member_id"], by=next(iter(body)))
    return {"data": data}


@admin_members_api.get("/<member_id>")
@requires(admin_members_api, READ)
@fails_with(members.MemberNotFound)
@admin_members_api.response(200, ShownMemberSchema)
def get(member_id: str) -> Any:
    """One member by our own id: identifiers (masked), balances, open holds, the newest transactions."""
    return _look("member.shown", member_id)


@admin_members_api.get("/<member_id>/explanation")
@requires(admin_members_api, READ)
@fails_with(members.MemberNotFound, members.MemberMerged)
@admin_members_api.response(200, ExplainedMemberSchema)
def explain(member_id: str) -> Any:
    """What each balance of a member is made of, by issuer and expiry, hold or debt, and what has moved."""
    found = _look("member.explained", member_id)
    for balance in found["balances"]:
        balance["parts"] = [{**_OPTIONAL_OF_PART, **part} for part in balance["parts"]]
    return found


def _look(action: str, member_id: str) -> Any:
    """What `action` shows, at one instant, once it is written down."""
    parts, wanted = services(), ids.parse(ids.MEMBER, member_id)
    read = member_accounts.explain if action == "member.explained" else member_accounts.show
    with parts.operating() as session:
        member_accounts.head(session, wanted)
        admission.write_down(session, action, member_id)
    with parts.reading() as session:
        member_accounts.snapshot(session)
        return member_desk.named(session, read(session, wanted))
