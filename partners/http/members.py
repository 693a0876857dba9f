"""/v1/members: enrol, look up, balance, history."""

from __future__ import annotations

from typing import Any

from flask import Response

from coalition import members, programme, wallets
from kit import clock, ids
from kit.http import paging
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.paging import Page, PageQuery
from kit.http.services import services
from partners import whom
from partners.http import balances, lookups
from partners.http.auth import principal, requires
from partners.http.schemas import (
    BalanceSchema,
    EnrolSchema,
    LookupSchema,
    MemberSchema,
    PastBalanceQuery,
    TransactionPageSchema,
)

members_api = Blueprint("members", __name__, url_prefix="/v1/members", description="People who collect points")


@members_api.post("")
@requires(members_api, "members:enrol")
@fails_with(*whom.MALFORMED, members.CardInUse, members.IdentifierInUse, members.IdentifierMissing)
@members_api.arguments(EnrolSchema())
@members_api.response(201, MemberSchema)
def enrol(body: dict[str, Any]) -> members.Member:
    """Enrol a member with what it is to be found by: card, phone, e-mail, your own id, or several of them."""
    parts = services()
    with lookups.naming(body), parts.writing() as session:
        now = programme.get(session).time(principal().time(clock.now()))
        return members.enrol(session, partner_id=principal().partner_id, now=now, keyring=parts.keyring, **body)


@members_api.post("/lookup")
@requires(members_api, "members:identify")
@fails_with(*whom.UNFOUND)
@members_api.arguments(LookupSchema())
@members_api.response(200, MemberSchema)
def look_up(body: dict[str, Any]) -> members.Member:
    """Find a member by one identifier or the wallet's code; a POST, so that it stands in no log.

    A code is used up by it, for everybody but you: you may spend with the same code once.
    """
    parts = services()
    return whom.look_up(parts.view, body, partner_id=principal().partner_id, keyring=parts.keyring, now=clock.now())


@members_api.get("/<member_id>")
@requires(members_api, "members:identify")
@fails_with(members.MemberNotFound, members.MemberMerged)
@members_api.response(200, MemberSchema)
def get(member_id: str) -> members.Member:
    """One member."""
    with services().reading() as session:
        return members.by_id(session, ids.parse(ids.MEMBER, member_id))


@members_api.get("/<member_id>/balance")
@requires(members_api, "members:identify")
@fails_with(members.MemberNotFound, members.MemberMerged)
@members_api.arguments(PastBalanceQuery(), location="query")
@members_api.response(200, BalanceSchema)
def balance(query: dict[str, Any], member_id: str) -> Response | wallets.PastBalance:
    """What the member can spend, whose points they are, and when they expire; with `at`, what it held at that time."""
    return balances.answer(query, member_id=ids.parse(ids.MEMBER, member_id), partner_id=principal().partner_id)


@members_api.get("/<member_id>/transactions")
@requires(members_api, "transactions:read")
@fails_with(members.MemberNotFound, members.MemberMerged, paging.InvalidCursor)
@members_api.arguments(PageQuery(), location="query")
@members_api.response(200, TransactionPageSchema)
def history(query: dict[str, Any], member_id: str) -> Page:
    """Your own transactions with the member, newest first."""
    parts = services()
    member = ids.parse(ids.MEMBER, member_id)
    bound_to = ["history", member, principal().client_id]
    before = paging.unseal(parts.keyring, query["cursor"], bound_to=bound_to, start=wallets.FROM_THE_NEWEST)
    with parts.reading() as session:
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
    cursor = paging.seal(parts.keyring, bound_to=bound_to, position=page[-1].member_seq) if more else None
    return Page(page, cursor)
