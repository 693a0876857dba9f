"""/oauth/authorize: an app's wish, and the member's yes or no; /consents: what the member said yes to.

RFC 6749 §4.1, with the answer naming who gives it (RFC 9207). What the page shows and what the form confirms is one
sealed text, good for this session and some minutes, so nothing can be changed in between.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from urllib.parse import urlencode
from uuid import UUID

from flask import Response, request

from console import pages, sessions
from console.audit import act
from console.sessions import Visitor
from identity import clients
from identity.oauth import authorization, codes, grants
from identity.oauth.authorization import Destination, NotForRedirect, Parameters, Refused, Wish
from identity.oauth.grants import Grant
from identity.scopes import MEMBER_SCOPES
from kit import clock, ids
from kit.db import Session
from kit.errors import Invalid
from kit.http.services import services
from kit.secrets import SealBroken
from kit.translation import gettext as _
from kit.translation import marked
from partners import accounts

consent_pages = pages.blueprint("consents", __name__)
GOOD_FOR = timedelta(minutes=10)
FRESH_S = 60  # who signed in within this time needn't again, where the app asks for a new sign-in
LONGEST_QUERY = 8_000
_PURPOSE = "authorization request"


class AppUnknown(Invalid):
    code = "app_unknown"
    title = "Unknown app"
    description = (
        "The authorization request names no app that we know, or an address that is not the app's. We send nobody "
        "there."
    )
    remedy = (
        "Go back to the app and tell its maker about it. The maker compares `client_id` and `redirect_uri` with what "
        "the coalition registered."
    )


class ConsentOutOfDate(Invalid):
    code = "consent_out_of_date"
    title = "Consent out of date"
    description = (
        "The page was open for too long, or it belongs to somebody who signed in before. Start again in the app."
    )
    remedy = "Go back to the app and start from there. If you meant another member, sign out first."


@consent_pages.get("/oauth/authorize")
def authorize() -> Response:
    """Show what an app asks for, or send it the answer that is known already."""
    if len(request.query_string) > LONGEST_QUERY:
        raise AppUnknown("the request is too long")
    parameters = request.args.to_dict(flat=False)
    to = _destination(parameters)
    try:
        wish = authorization.wish(parameters, to.client)
        visitor = _signed_in(wish)
        if (answer := _known_answer(to, wish, visitor)) is not None:
            return answer
        if "none" in wish.prompts:
            raise Refused("consent_required", "the member has not agreed to this yet")
        with services().reading() as session:
            brand = accounts.by_id(session, to.client.owner).name
    except Refused as refused:
        return _send_back(to, {"error": refused.error, "error_description": refused.description})
    return pages.page(
        "consent.html",
        title=_("%(app)s asks for your consent", app=to.client.name),
        form_targets=[to.redirect_uri],
        app=to.client.name,
        brand=brand,
        scopes=[(scope, _(MEMBER_SCOPES[scope])) for scope in wish.scopes if scope != grants.SPEND],
        spend=wish.spend,
        request=_seal(parameters, visitor),
    )


@consent_pages.post("/oauth/authorize")
def decide() -> Response:
    """Take the member's yes or no to the app."""
    visitor = sessions.required("member")
    sessions.check_csrf()
    given = pages.form("request", "decision")
    parameters = _unseal(given["request"], visitor)
    to = _destination(parameters)
    if given["decision"] != "allow":
        return _send_back(to, {"error": "access_denied", "error_description": "the member said no"})
    now = clock.now()
    try:
        wish = authorization.wish(parameters, to.client)
    except Refused as refused:  # the app may ask for less than when the page was shown
        return _send_back(to, {"error": refused.error, "error_description": refused.description})
    with services().writing() as session:
        grant = Grant(
            grant_id=ids.new(),
            client_id=to.client.client_id,
            subject_kind="member",
            subject_id=visitor.subject_id,
            scopes=wish.scopes,
            created_at=now,
            spend=wish.spend,
        )
        grants.create(session, act(visitor), grant)
        return _send_code(session, to, wish, visitor, grant)


@consent_pages.get("/consents")
def show_consents() -> Response:
    """What the member allows, and to whom."""
    visitor = sessions.required("member")
    with services().reading() as session:
        found = grants.of_subject(session, subject_kind="member", subject_id=visitor.subject_id)
        shown = [(grant, *_names(session, grant)) for grant in found]
    return pages.page("consents.html", title=_("Your consents"), consents=shown, meaning=_meaning)


@consent_pages.post("/consents/<uuid:grant_id>/withdraw")
def withdraw(grant_id: UUID) -> Response:
    """End one consent; its tokens are refused from now on."""
    visitor = sessions.required("member")
    sessions.check_csrf()
    with services().writing() as session:
        grants.revoke_own(session, act(visitor), grant_id=grant_id, subject_id=visitor.subject_id)
    return pages.see("/consents")


def _meaning(scope: str) -> str:
    return _(MEMBER_SCOPES.get(scope, scope))


def _names(session: Session, grant: Grant) -> tuple[str, str]:
    client = clients.get(session, grant.client_id)
    if client is None:
        return _("an app that no longer exists"), ""
    return client.name, accounts.by_id(session, client.owner).name


def _destination(parameters: Parameters) -> Destination:
    with services().reading() as session:
        try:
            return authorization.destination(parameters, lambda client_id: clients.get(session, client_id))
        except NotForRedirect as error:
            raise AppUnknown(str(error)) from None


def _signed_in(wish: Wish) -> Visitor:
    """The member at this browser, signed in as lately as the app wants; raises SignInNeeded, Refused."""
    newest_s = FRESH_S if "login" in wish.prompts else None
    if wish.max_age_s is not None:
        newest_s = max(wish.max_age_s, FRESH_S)
    if "none" not in wish.prompts:
        return sessions.required("member", max_age_s=newest_s)
    found = sessions.visitor("member")
    if found is None or (newest_s is not None and clock.now() - found.authenticated_at > timedelta(seconds=newest_s)):
        raise Refused("login_required", "the member is not signed in")
    return found


def _known_answer(to: Destination, wish: Wish, visitor: Visitor) -> Response | None:
    with services().reading() as session:
        if _known(session, to, wish, visitor) is None:
            return None
    with services().recording() as session:  # asked anew: it may have been withdrawn meanwhile
        known = _known(session, to, wish, visitor)
        return _send_code(session, to, wish, visitor, known) if known is not None else None


def _known(session: Session, to: Destination, wish: Wish, visitor: Visitor) -> Grant | None:
    """The consent that answers this already; never for an app without a secret: another could pretend to be it."""
    if to.client.is_public or "consent" in wish.prompts:
        return None
    return grants.covering(
        session,
        member_id=visitor.subject_id,
        client_id=to.client.client_id,
        scopes=wish.scopes,
        spend=wish.spend,
    )


def _send_code(session: Session, to: Destination, wish: Wish, visitor: Visitor, grant: Grant) -> Response:
    code = codes.issue(
        session,
        codes.Code(
            grant_id=grant.grant_id,
            client_id=to.client.client_id,
            redirect_uri=to.redirect_uri,
            challenge=wish.challenge,
            nonce=wish.nonce,
            authenticated_at=visitor.authenticated_at,
            methods=visitor.methods,
        ),
        now=clock.now(),
        keyring=services().keyring,
    )
    return _send_back(to, {"code": code})


def _send_back(to: Destination, answer: Mapping[str, str]) -> Response:
    """To the app's own address, in the query; `iss` tells whose answer it is (RFC 9207), against mix-ups."""
    state = {"state": to.state} if to.state is not None else {}
    query = urlencode({**answer, **state, "iss": services().settings.issuer})
    location = f"{to.redirect_uri}{'&' if '?' in to.redirect_uri else '?'}{query}"
    response = Response(status=HTTPStatus.SEE_OTHER)
    response.headers["Location"] = location
    response.autocorrect_location_header = False
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _seal(parameters: Parameters, visitor: Visitor) -> str:
    body = [parameters, str(visitor.session_id), (clock.now() + GOOD_FOR).isoformat()]
    return services().keyring.seal_text(json.dumps(body).encode(), purpose=_PURPOSE)


def _unseal(sealed: str, visitor: Visitor) -> Parameters:
    try:
        parameters, session_id, until = json.loads(services().keyring.unseal_text(sealed, purpose=_PURPOSE))
    except SealBroken:
        raise ConsentOutOfDate(marked("we did not make this page")) from None
    if session_id != str(visitor.session_id) or datetime.fromisoformat(until) <= clock.now():
        raise ConsentOutOfDate(marked("start again in the app"))
    return dict(parameters)
