"""/v1/admin/members: who is it, what do they have, and where does it come from; by our own ids, masked, audited."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import marshmallow as ma

from api.admission import act
from api.auth import requires
from api.schemas import IdentifierSchema
from api.v1.admin.common import PREFIX, READ, line
from coalition import members
from identity import member_desk, member_lookup
from kit import ids
from kit.http.api import Blueprint
from kit.http.choices import Choice
from kit.http.description import fails_with
from kit.http.fields import Id
from kit.http.services import services

admin_members_api = Blueprint(
    "admin-members", __name__, url_prefix=f"{PREFIX}/members", description="Members, for the coalition's staff"
)


def shown(description: str = "") -> ma.fields.String:
    """An id that is shown already."""
    return ma.fields.String(allow_none=True, metadata={"description": description} if description else {})


class FindSchema(IdentifierSchema):
    schema_description = "What to find the member by. With a receipt or an external id, name the partner it belongs to."

    receipt = line(64, metadata={"description": "The reference a partner posted the receipt under"})
    partner_id = Id(ids.PARTNER)

    choices = (Choice(member_desk.BY, f"give {', '.join(member_desk.BY)}, one of them"),)


class FoundMemberSchema(ma.Schema):
    schema_description = "The member and the balances of the wallet."

    member_id = ma.fields.String(
        metadata={"description": "The coalition's own id of the member. Each partner has a different one."}
    )
    partner_id = shown("The partner that enrolled the member")
    partner_code = shown()
    enrolled_at = ma.fields.AwareDateTime()
    erased_at = ma.fields.AwareDateTime(allow_none=True)
    is_claimed = ma.fields.Boolean(
        metadata={"description": "Whether the member gave proof anywhere other than at the partner that enrolled it"}
    )
    state = ma.fields.String(validate=ma.validate.OneOf(["open", "blocked", "merged"]))
    merged_into = shown()
    available = ma.fields.Integer()
    held = ma.fields.Integer()
    pending = ma.fields.Integer()
    debt = ma.fields.Integer()
    transactions = ma.fields.Integer(metadata={"description": "How many holds are open"})
    has_pin = ma.fields.Boolean()
    has_code = ma.fields.Boolean()
    locked_until = ma.fields.AwareDateTime(allow_none=True)


class FoundMembersSchema(ma.Schema):
    schema_description = "The members found. Only a receipt can find more than one."

    data = ma.fields.List(ma.fields.Nested(FoundMemberSchema))


class DeskIdentifierSchema(ma.Schema):
    schema_description = "One of a member's identifiers, masked. `partner_id` is the partner an external id belongs to."

    identifier_id = ma.fields.String()
    kind = ma.fields.String()
    masked = ma.fields.String()
    partner_id = shown()
    partner_code = shown()
    created_at = ma.fields.AwareDateTime(allow_none=True)
    verified_at = ma.fields.AwareDateTime(allow_none=True)


class DeskHoldSchema(ma.Schema):
    schema_description = "Points on hold."

    hold_id = ma.fields.String()
    partner_id = shown()
    partner_code = shown()
    points = ma.fields.Integer()
    expires_at = ma.fields.AwareDateTime()


class DeskTransactionSchema(ma.Schema):
    schema_description = "One of the newest transactions of the wallet."

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
    schema_description = "A member with masked identifiers, open holds and the newest transactions."

    identifiers = ma.fields.List(ma.fields.Nested(DeskIdentifierSchema))
    holds = ma.fields.List(ma.fields.Nested(DeskHoldSchema))
    newest = ma.fields.List(ma.fields.Nested(DeskTransactionSchema))


class BalancePartSchema(ma.Schema):
    schema_description = "Part of a balance: lots with one issuer and one expiry, a hold, pending points, or a debt."

    points = ma.fields.Integer()
    partner_id = shown("The partner that issued the points, holds them, or is owed them")
    partner_code = shown()
    lots = ma.fields.Integer(allow_none=True)
    expires_on = ma.fields.Date(allow_none=True)
    vests_at = ma.fields.AwareDateTime(allow_none=True)
    is_unfunded = ma.fields.Boolean(
        allow_none=True, metadata={"description": "Whether they wait until their issuer is below its exposure limit"}
    )
    expires_at = ma.fields.AwareDateTime(allow_none=True)
    campaign = ma.fields.String(allow_none=True)
    hold_id = shown()
    transaction_id = shown()


class ExplainedBalanceSchema(ma.Schema):
    schema_description = "One balance of the wallet and its parts."

    name = ma.fields.String(validate=ma.validate.OneOf(["available", "held", "pending", "debt"]))
    points = ma.fields.Integer()
    adds_up = ma.fields.Boolean()
    parts = ma.fields.List(ma.fields.Nested(BalancePartSchema))


class MovedSchema(ma.Schema):
    schema_description = "What has moved so far, by kind and partner."

    kind = ma.fields.String()
    partner_id = shown()
    partner_code = shown()
    transactions = ma.fields.Integer()
    points = ma.fields.Integer()


class ExplainedMemberSchema(ma.Schema):
    schema_description = "Where a member's points come from."

    member_id = ma.fields.String()
    balances = ma.fields.List(ma.fields.Nested(ExplainedBalanceSchema))
    moved = ma.fields.List(ma.fields.Nested(MovedSchema))


_OPTIONAL_OF_PART = dict.fromkeys(
    ("lots", "expires_on", "vests_at", "is_unfunded", "expires_at", "campaign", "hold_id", "transaction_id")
)


@admin_members_api.post("/find")
@admin_members_api.doc(
    summary=(
        "Find a member by card, phone, e-mail, external id or receipt. This is a POST so that no log contains the "
        "identifier."
    )
)
@requires(admin_members_api, READ)
@fails_with(*member_lookup.MALFORMED, members.MemberNotFound, member_desk.PartnerMissing)
@admin_members_api.arguments(FindSchema())
@admin_members_api.response(200, FoundMembersSchema)
def find(body: dict[str, Any]) -> dict[str, Any]:
    partner_id = body.pop("partner_id", None)
    with services().writing() as session:
        heads = member_desk.find(session, act(), body, partner_id=partner_id)
        return {"data": member_desk.named(session, heads)}


@admin_members_api.get("/<member_id>")
@admin_members_api.doc(
    summary=(
        "Get a member by the coalition's own id: masked identifiers, balances, open holds and the newest transactions."
    )
)
@requires(admin_members_api, READ)
@fails_with(members.MemberNotFound)
@admin_members_api.response(200, ShownMemberSchema)
def get(member_id: str) -> Any:
    return _look(member_desk.show, member_id)


@admin_members_api.get("/<member_id>/explanation")
@admin_members_api.doc(
    summary="Explain each balance of a member by issuer and expiry, hold or debt, and by what has moved."
)
@requires(admin_members_api, READ)
@fails_with(members.MemberNotFound, members.MemberMerged)
@admin_members_api.response(200, ExplainedMemberSchema)
def explain(member_id: str) -> Any:
    found = _look(member_desk.explain, member_id)
    for balance in found["balances"]:
        balance["parts"] = [{**_OPTIONAL_OF_PART, **part} for part in balance["parts"]]
    return found


def _look(verb: Callable[..., dict[str, Any]], member_id: str) -> dict[str, Any]:
    svc = services()
    return verb(svc.operating, svc.reading, act(), ids.parse(ids.MEMBER, member_id))
