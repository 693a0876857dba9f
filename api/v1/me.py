"""/v1/me: what a member lets a brand's app see; the token says who it is."""

from __future__ import annotations

from typing import Any

from flask import Response

from api import balances
from api.auth import principal, requires
from api.schemas import BalanceSchema, MyTransactionPageSchema, PastBalanceQuery
from coalition import members, wallets
from coalition.members import MemberMerged, MemberNotFound
from kit.http import paging
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.paging import Page, PageQuery
from kit.http.services import services
from partners import brands

me_api = Blueprint("me", __name__, url_prefix="/v1/me", description="The member who gave an app its consent")


@me_api.get("/balance")
@me_api.doc(
    summary=(
        "Get what the member can spend, how much of it the app's brand issued, and when it expires. With `at`, get it "
        "for that time."
    )
)
@requires(me_api, "balance:read")
@fails_with(MemberNotFound, MemberMerged)
@me_api.arguments(PastBalanceQuery(), location="query")
@me_api.response(200, BalanceSchema)
def balance(query: dict[str, Any]) -> Response | wallets.PastBalance:
    return balances.answer(query, member_id=principal().subject, partner_id=principal().partner_id)


@me_api.get("/transactions")
@me_api.doc(summary="List where the member's points came from and went to, at all partners, newest first.")
@requires(me_api, "history:read")
@fails_with(MemberNotFound, MemberMerged)
@me_api.arguments(PageQuery(), location="query")
@me_api.response(200, MyTransactionPageSchema)
def history(query: dict[str, Any]) -> Page:
    svc, member = services(), principal().subject
    bound_to = ["my history", member, principal().client_id]
    before = paging.unseal(svc.keyring, query["cursor"], bound_to=bound_to, start=wallets.FROM_THE_NEWEST)
    with svc.reading() as session:
        members.by_id(session, member)
        found = wallets.history(session, member_id=member, partner_id=None, before=before, limit=query["limit"] + 1)
    page = found[: query["limit"]]
    with svc.reading_public() as session:
        names = brands.shown_names(session, (one.partner_id for one in page))
    more = len(found) > len(page)
    cursor = paging.seal(svc.keyring, bound_to=bound_to, position=page[-1].member_seq) if more else None
    return Page([{**vars(one), "unfunded": one.unfunded, "brand": names[one.partner_id]} for one in page], cursor)
