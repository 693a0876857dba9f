"""/sign-in and /sign-out: a code by mail, or a passkey; for members and for staff, each with a session of their own."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import marshmallow as ma
from flask import Response, jsonify, request

from console import cookies, pages, safe_redirects, sessions
from console.mailer import mailer
from identity import mails
from identity.sign_in import challenges, codes, passkeys, people
from identity.sign_in.passkeys import Answer, PasskeyRefused, PasskeysUnavailable
from identity.sign_in.people import Kind, Subject
from kit import clock, logs
from kit.db import Session
from kit.http.requests import invalid_request, read_json
from kit.http.services import services
from kit.translation import gettext as _
from kit.translation import marked

log = logging.getLogger("sign_in")
sign_in_pages = pages.blueprint("sign_in", __name__)
KIND = "<any(member, staff):kind>"


class PasskeyAnswerSchema(ma.Schema):
    """A browser's answer to a challenge, and where its user wants to go."""

    credential = ma.fields.Dict(required=True)
    next = ma.fields.String(load_default="")


@sign_in_pages.get(f"/sign-in/{KIND}")
def start(kind: Kind) -> Response:
    """Ask for an address, or offer a passkey."""
    return _start_page(kind, _next(kind, request.args.get("next", "")))


@sign_in_pages.post(f"/sign-in/{KIND}")
def send_code(kind: Kind) -> Response:
    """Send a code to the address, if it is somebody's; the answer is the same if it is nobody's."""
    sessions.check_csrf()
    given = pages.form("email", "next")
    then, svc = _next(kind, given["next"]), services()
    try:
        address = people.normalise(given["email"])
    except people.MalformedAddress as error:
        return _start_page(kind, then, wrong=pages.told(error), email=given["email"])
    with svc.recording() as session:
        code = codes.ask(
            session,
            kind=kind,
            address=address,
            browser=cookies.browser(),
            peer=request.remote_addr or "",
            now=clock.now(),
            keyring=svc.keyring,
        )
    if code is not None:
        minutes = int(codes.LIFETIME.total_seconds()) // 60
        mailer().send(mails.sign_in_code(code, minutes=minutes, issuer=svc.settings.issuer), to=address)
    return _see(f"/sign-in/{kind}/code", then)


@sign_in_pages.get(f"/sign-in/{KIND}/code")
def ask_code(kind: Kind) -> Response:
    """Ask for the code."""
    return _code_page(kind, _next(kind, request.args.get("next", "")))


@sign_in_pages.post(f"/sign-in/{KIND}/code")
def redeem_code(kind: Kind) -> Response:
    """Sign in whoever the code was sent to."""
    sessions.check_csrf()
    given = pages.form("code", "next")
    then, svc = _next(kind, given["next"]), services()
    with svc.recording() as session:
        subject = codes.redeem(
            session, kind=kind, code=given["code"], browser=cookies.browser(), now=clock.now(), keyring=svc.keyring
        )
        if subject is not None:
            _let_in(session, subject, ("otp",))
    if subject is None:
        logs.event(log, "code refused", kind=kind)
        return _code_page(kind, then, wrong=_("This code is wrong, used or too old. Try again, or request a new one."))
    return _see(f"/sign-in/{kind}/done", then)


@sign_in_pages.get(f"/sign-in/{KIND}/done")
def done(kind: Kind) -> Response:
    """Go on to where the visitor wanted to go.

    A page of its own, not a redirect: Chromium holds every redirect that follows a form against the form's page's
    policy, and the way on may lead through our authorization endpoint to a client's address.
    """
    return pages.page("done.html", title=_("You are signed in"), next=_next(kind, request.args.get("next", "")))


@sign_in_pages.post(f"/sign-in/{KIND}/passkey/options")
def passkey_options(kind: Kind) -> Response:
    """A challenge for whichever passkey the browser's user chooses."""
    sessions.check_csrf()
    svc = services()
    with svc.recording() as session:
        options = passkeys.sign_in_options(
            session,
            kind=kind,
            at=passkeys.site(svc.settings.issuer),
            browser=cookies.browser(),
            now=clock.now(),
            keyring=svc.keyring,
        )
    return Response(options, mimetype="application/json", headers={"Cache-Control": "no-store"})


@sign_in_pages.post(f"/sign-in/{KIND}/passkey")
def sign_in_with_passkey(kind: Kind) -> Response:
    """Sign in whoever the passkey belongs to."""
    sessions.check_csrf()
    body = load(PasskeyAnswerSchema())
    then, svc = _next(kind, body["next"]), services()
    at = passkeys.site(svc.settings.issuer)
    answer = take_answer(kind, body["credential"], session_id=None)
    with svc.recording() as session:
        subject, methods = passkeys.authenticate(
            session, answer, kind=kind, at=at, now=clock.now(), keyring=svc.keyring
        )
        _let_in(session, subject, methods)
    return jsonify({"next": request.script_root + then})


@sign_in_pages.get("/sign-out")
def ask_sign_out() -> Response:
    """Ask whether to sign out, and where."""
    signed_in = [kind for kind in cookies.OF_KIND if sessions.visitor(kind)]
    return pages.page("sign_out.html", title=_("Sign out"), kinds=signed_in)


@sign_in_pages.post("/sign-out")
def sign_out() -> Response:
    """Sign out here, or everywhere."""
    sessions.check_csrf()
    given = pages.form("kind", "where")
    if given["kind"] not in cookies.OF_KIND or given["where"] not in ("here", "everywhere"):
        raise pages.MalformedForm(marked("the form does not have the fields of this page"))
    kind = given["kind"]
    found = sessions.visitor(kind)
    with services().recording() as session:
        if found is not None and given["where"] == "everywhere":
            sessions.end_everywhere(session, found)
        else:
            sessions.end(session, kind)
    return pages.see("/sign-out")


def load(schema: ma.Schema) -> dict[str, Any]:
    """The JSON body as `schema` reads it; raises InvalidRequest and what `read_json` raises."""
    try:
        return cast(dict[str, Any], schema.load(read_json(request)))
    except ma.ValidationError as error:
        raise invalid_request(error) from None


def take_answer(kind: Kind, credential: dict[str, Any], *, session_id: Any) -> Answer:
    """The answer in `credential`, its challenge taken for good; raises PasskeyRefused."""
    challenge, svc = passkeys.challenge_in(credential), services()
    with svc.recording() as session:
        taken = challenges.take(
            session,
            challenge,
            kind=kind,
            browser=cookies.browser(),
            session_id=session_id,
            now=clock.now(),
            keyring=svc.keyring,
        )
    if not taken:
        raise PasskeyRefused("the passkey was not accepted")
    return Answer(credential, challenge)


def offers_passkeys() -> bool:
    """Whether browsers can use passkeys at our address."""
    try:
        passkeys.site(services().settings.issuer)
    except PasskeysUnavailable:
        return False
    return True


def _let_in(session: Session, subject: Subject, methods: tuple[str, ...]) -> None:
    sessions.begin(session, subject, methods=methods)
    who: dict[str, Any] = {f"{subject.kind}_id": subject.subject_id}
    logs.event(log, "signed in", methods=" ".join(methods), **who)


def _next(kind: Kind, given: str) -> str:
    return safe_redirects.checked(given) if given else sessions.home(kind)


def _see(path: str, then: str) -> Response:
    return pages.see(f"{path}?next={quote(then, safe='/')}")


def _start_page(kind: Kind, then: str, *, wrong: str = "", email: str = "") -> Response:
    return pages.page(
        "sign_in.html",
        title=_("Sign in") if kind == "member" else _("Sign in as staff"),
        status=HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK,
        kind=kind,
        next=then,
        wrong=wrong,
        email=email,
        offers_passkeys=offers_passkeys(),
    )


def _code_page(kind: Kind, then: str, *, wrong: str = "") -> Response:
    return pages.page(
        "code.html",
        title=_("Enter your code"),
        status=HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK,
        kind=kind,
        next=then,
        wrong=wrong,
        again=f"/sign-in/{kind}?next={quote(then, safe='/')}",
    )
