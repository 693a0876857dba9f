"""/v1/members: enrol, look up, balance, history."""

from __future__ import annotations

from typing import Any

from flask import Response

from api import balances, lookups
from api.auth import principal, requires
from api.schemas import BalanceSchema, EnrolSchema, LookupSchema, MemberSchema, PastBalanceQuery, TransactionPageSchema
from coalition import members, programme, wallets
from identity import member_lookup
from kit import clock, ids
from kit.http import paging
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.paging import Page, PageQuery
from kit.http.services import services

members_api = Blueprint("members", __name__, url_prefix="/v1/members", description="People who collect points")


@members_api.post("")
@members_api.doc(summary="Enrol a member with one or more identifiers: card, phone, e-mail or your own id.")
@requires(members_api, "members:enrol")
@fails_with(*member_lookup.MALFORMED, members.CardInUse, members.IdentifierInUse, members.IdentifierMissing)
@members_api.arguments(EnrolSchema())
@members_api.response(201, MemberSchema)
def enrol(body: dict[str, Any]) -> members.Member:
    svc = services()
    with lookups.naming(body), svc.writing() as session:
        now = programme.get(session).time(principal().time(clock.now()))
        return members.enrol(session, partner_id=principal().partner_id, now=now, keyring=svc.keyring, **body)


@members_api.post("/lookup")
@members_api.doc(
    summary=(
        "Find a member by one identifier or by the wallet's code. This is a POST so that no log contains the "
        "identifier."
    ),
    description="This uses the code up for everybody else. You can still spend with the same code once.",
)
@requires(members_api, "members:identify")
@fails_with(*member_lookup.UNFOUND)
@members_api.arguments(LookupSchema())
@members_api.response(200, MemberSchema)
def look_up(body: dict[str, Any]) -> members.Member:
    svc = services()
    return member_lookup.look_up(
        svc.view, body, partner_id=principal().partner_id, keyring=svc.keyring, now=clock.now()
    )


@members_api.get("/<member_id>")
@members_api.doc(summary="Get a member.")
@requires(members_api, "members:identify")
@fails_with(members.MemberNotFound, members.MemberMerged)
@members_api.response(200, MemberSchema)
def get(member_id: str) -> members.Member:
    with services().reading() as session:
        return members.by_id(session, ids.parse(ids.MEMBER, member_id))


@members_api.get("/<member_id>/balance")
@members_api.doc(
    summary=(
        "Get what the member can spend, who issued the points, and when they expire. With `at`, get what the wallet "
        "held at that time."
    )
)
@requires(members_api, "members:identify")
@fails_with(members.MemberNotFound, members.MemberMerged)
@members_api.arguments(PastBalanceQuery(), location="query")
@members_api.response(200, BalanceSchema)
def balance(query: dict[str, Any], member_id: str) -> Response | wallets.PastBalance:
    return balances.answer(query, member_id=ids.parse(ids.MEMBER, member_id), partner_id=principal().partner_id)


@members_api.get("/<member_id>/transactions")
@members_api.doc(summary="List your own transactions with the member, newest first.")
@requires(members_api, "transactions:read")
@fails_with(members.MemberNotFound, members.MemberMerged, paging.InvalidCursor)
@members_api.arguments(PageQuery(), location="query")
@members_api.response(200, TransactionPageSchema)
def history(query: dict[str, Any], member_id: str) -> Page:
    svc = services()
    member = ids.parse(ids.MEMBER, member_id)
    bound_to = ["history", member, principal().client_id]
    before = paging.unseal(svc.keyring, query["cursor"], bound_to=bound_to, start=wallets.FROM_THE_NEWEST)
    with svc.reading() as session:
        members.by_id(session, member)
        found = wallets.history(
            session,
            member_id=member,
            partner_id=principal().partner_id,
            before=before,
            limit=query["limit"] + 1,
        )
    page = found[: query["limit"]]
    more = len(found) > len(page)
    cursor = paging.seal(svc.keyring, bound_to=bound_to, position=page[-1].member_seq) if more else None
    return Page(page, cursor)
