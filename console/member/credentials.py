"""/credentials: what finds a member and proves that it is them; for who proved it within ten minutes only."""

from __future__ import annotations

from http import HTTPStatus

from flask import Response

from coalition import member_identifiers, pins, verifications
from coalition.identifiers import EMAIL
from coalition.verifications import ToldBack
from console import pages, sessions
from console.audit import act
from console.mailer import mailer
from console.sessions import Visitor
from console.sign_in.passkeys import MAX_AGE_S
from identity import mails, member_credentials
from identity.sign_in import session_store
from kit import clock, ids
from kit.http.services import services
from kit.translation import gettext as _
from kit.translation import marked

credential_pages = pages.blueprint("credentials", __name__)


@credential_pages.get("/credentials")
def show() -> Response:
    """What the visitor is found by."""
    return _page(_visitor())


@credential_pages.post("/credentials/pin")
def set_pin() -> Response:
    """Give the visitor a PIN, whatever they had."""
    visitor = _checked()
    given = pages.form("pin", "again")
    try:
        if given["pin"] != given["again"]:
            raise pins.MalformedPin(marked("the two PINs are not the same"))
        with services().recording() as session:
            pins.put(session, act(visitor), member_id=visitor.subject_id, pin=given["pin"])
    except (pins.MalformedPin, pins.WeakPin) as error:
        return _page(visitor, wrong=pages.told(error))
    return pages.see("/credentials")


@credential_pages.post("/credentials/<identifier_id>/code")
def send_code(identifier_id: str) -> Response:
    """Send a code to an address that isn't confirmed yet."""
    visitor = _checked()
    pages.form()
    with services().recording() as session:
        challenge = verifications.start(
            session,
            act(visitor),
            member_id=visitor.subject_id,
            identifier_id=ids.parse(ids.IDENTIFIER, identifier_id),
            partner_id=None,
            proved=True,
        )
    mailer().send(mails.address_code(challenge.code, minutes=verifications.MINUTES), to=challenge.address)
    return pages.see("/credentials")


@credential_pages.post("/credentials/<identifier_id>/confirm")
def confirm(identifier_id: str) -> Response:
    """Take the code back: the visitor signs in with this address, too, from now on."""
    visitor, svc = _checked(), services()
    told = ToldBack(
        member_id=visitor.subject_id,
        identifier_id=ids.parse(ids.IDENTIFIER, identifier_id),
        partner_id=None,
        code="".join(pages.form("code")["code"].split()),
    )
    verifications.check(svc.database, told, keyring=svc.keyring, now=clock.now())
    with svc.recording() as session:
        verifications.confirm(session, act(visitor), told)
    return pages.see("/credentials")


@credential_pages.post("/credentials/<identifier_id>/remove")
def remove(identifier_id: str) -> Response:
    """Let the visitor not be found by it any more; with an address end the sessions it may have begun.

    The last that signs the visitor in stays.
    """
    visitor = _checked()
    pages.form()
    ours = {"member_id": visitor.subject_id, "identifier_id": ids.parse(ids.IDENTIFIER, identifier_id)}
    with services().recording() as session:
        kind = member_identifiers.get(session, **ours, partner_id=None).kind
        if kind == EMAIL:
            session_store.end_all(
                session, kind="member", subject_id=visitor.subject_id, now=clock.now(), but=visitor.session_id
            )
        with member_credentials.keeping_sign_in(session, visitor.subject_id):
            member_identifiers.remove(session, act(visitor), **ours, partner_id=None, proved=True)
    return pages.see("/credentials")


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
        "credentials.html",
        title=_("Your cards, contacts and PIN"),
        status=HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK,
        identifiers=[(ids.show(ids.IDENTIFIER, one.identifier_id), one) for one in found],
        wrong=wrong,
    )
