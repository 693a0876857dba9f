"""/proofs: what a member is found by and proves itself with; only for who proved within ten minutes that it is them."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response

from coalition import member_identifiers, pins, verifications
from coalition.identifiers import EMAIL
from coalition.verifications import ToldBack
from kit import clock, ids
from kit.db import Session
from kit.http.services import services
from partners import pages, proofs
from partners.sign_in import records, sessions, trail
from partners.sign_in.passkey_pages import MAX_AGE_S
from partners.sign_in.postman import postman
from partners.sign_in.sessions import Visitor

proof_pages = pages.blueprint("proofs", __name__)
_MAIL = """Your code to confirm this address is

    {code}

It is good for ten minutes, on the page where you asked for it. Nobody of ours will ever ask you for it. If you didn't
ask for it, there is nothing to do.
"""


@proof_pages.get("/proofs")
def show() -> Response:
    """What the visitor is found by."""
    return _page(_visitor())


@proof_pages.post("/proofs/pin")
def set_pin() -> Response:
    """Give the visitor a PIN, whatever they had."""
    visitor = _checked()
    given, parts = pages.form("pin", "again"), services()
    try:
        if given["pin"] != given["again"]:
            raise pins.MalformedPin("the two are not the same")
        with parts.reading() as session:
            pins.put(session, member_id=visitor.subject_id, pin=given["pin"], keyring=parts.keyring)
            _write_down(session, visitor, "member.pin_set")
    except (pins.MalformedPin, pins.WeakPin) as error:
        return _page(visitor, wrong=error.detail)
    return pages.see("/proofs")


@proof_pages.post("/proofs/<identifier_id>/code")
def send_code(identifier_id: str) -> Response:
    """Send a code to an address that isn't confirmed yet."""
    visitor, parts = _checked(), services()
    pages.form()
    with parts.reading() as session:
        challenge = verifications.start(
            session,
            member_id=visitor.subject_id,
            identifier_id=ids.parse(ids.IDENTIFIER, identifier_id),
            partner_id=None,
            keyring=parts.keyring,
            now=clock.now(),
        )
        _write_down(session, visitor, "member.verification_started", identifier=identifier_id)
    postman().post(to=challenge.address, subject="Your code", body=_MAIL.format(code=challenge.code))
    return pages.see("/proofs")


@proof_pages.post("/proofs/<identifier_id>/confirm")
def confirm(identifier_id: str) -> Response:
    """Take the code back: the visitor signs in with this address, too, from now on."""
    visitor, parts, now = _checked(), services(), clock.now()
    told = ToldBack(
        member_id=visitor.subject_id,
        identifier_id=ids.parse(ids.IDENTIFIER, identifier_id),
        partner_id=None,
        code="".join(pages.form("code")["code"].split()),
    )
    verifications.check(parts.database, told, keyring=parts.keyring, now=now)
    with parts.reading() as session:
        verifications.confirm(session, told, keyring=parts.keyring, now=now)
        _write_down(session, visitor, "member.identifier_verified", identifier=identifier_id, kind=EMAIL)
    return pages.see("/proofs")


@proof_pages.post("/proofs/<identifier_id>/remove")
def remove(identifier_id: str) -> Response:
    """Let the visitor not be found by it any more; with an address end the sessions it may have begun.

    The last that signs the visitor in stays.
    """
    visitor = _checked()
    pages.form()
    ours = {"member_id": visitor.subject_id, "identifier_id": ids.parse(ids.IDENTIFIER, identifier_id)}
    with services().reading() as session:
        kind = member_identifiers.get(session, **ours, partner_id=None).kind
        with proofs.keeping_sign_in(session, visitor.subject_id):
            member_identifiers.remove(session, **ours, partner_id=None)
        if kind == EMAIL:
            records.end_all(
                session, kind="member", subject_id=visitor.subject_id, now=clock.now(), but=visitor.session_id
            )
        _write_down(session, visitor, "member.identifier_removed", identifier=identifier_id, kind=kind)
    return pages.see("/proofs")


def _visitor() -> Visitor:
    return sessions.required("member", max_age_s=MAX_AGE_S)


def _checked() -> Visitor:
    visitor = _visitor()
    sessions.check_csrf()
    return visitor


def _page(visitor: Visitor, *, wrong: str = "") -> Response:
    with services().reading() as session:
        found = member_identifiers.of_member(session, member_id=visitor.subject_id, partner_id=None)
    return pages.page(
        "proofs.html",
        title="What you are known by",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK,
        identifiers=[(ids.show(ids.IDENTIFIER, one.identifier_id), one) for one in found],
        wrong=wrong,
    )


def _write_down(session: Session, visitor: Visitor, action: str, **facts: object) -> None:
    trail.write_down(session, visitor, action, ids.show(ids.MEMBER, visitor.subject_id), **facts)
