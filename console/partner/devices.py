"""/device: a partner's staff enter the code a till shows, see what it asks for, and let it in (RFC 8628 §3.3).

/device/tills lists the tills that are in, each to be turned out by itself.
"""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from flask import Response, request

from console import pages
from console.audit import act
from console.partner.access import StaffMember, asks
from identity.oauth import devices, grants
from identity.oauth.devices import UserCodeUnknown
from identity.permissions import APPROVE_TILLS, REVOKE_TILLS, SEE_TILLS
from identity.scopes import SCOPES
from kit import clock
from kit.db import Session
from kit.http.services import services
from kit.translation import gettext as _
from kit.translation import marked
from partners import locations
from partners.locations import TillNotFound

device_pages = pages.blueprint("devices", __name__)
LONGEST_NAME = 40


@device_pages.get("/device")
@asks(APPROVE_TILLS)
def enter(by: StaffMember) -> Response:
    """Ask for the code; a link with the code in it only fills it in (RFC 8628 §3.3.1)."""
    return _enter_page(devices.normalised(request.args.get("user_code", "")[:20]))


@device_pages.post("/device")
@asks(APPROVE_TILLS)
def look(by: StaffMember) -> Response:
    """Show which till asks for what."""
    code = devices.normalised(pages.form("user_code")["user_code"][:40])
    svc = services()
    try:
        with svc.reading() as session:
            places = locations.working_tills(session, partner_id=by.partner_id)
            found = devices.waiting(
                session, user_code=code, partner_id=by.partner_id, now=clock.now(), keyring=svc.keyring
            )
    except UserCodeUnknown as error:
        return _enter_page("", wrong=pages.told(error))
    return pages.page(
        "device.html",
        title=_("Approve this till?"),
        user_code=code,
        client_name=found.client_name,
        scopes=[_(SCOPES.get(scope, scope)) for scope in found.scopes],
        places=places,
    )


@device_pages.post("/device/decision")
@asks(APPROVE_TILLS)
def decide(by: StaffMember) -> Response:
    """Approve the till as one of the partner's, or decline it; raises TillNotFound, UserCodeUnknown."""
    given, svc = pages.form("user_code", "till", "decision"), services()
    with svc.writing() as session:
        if given["decision"] == "allow":
            till, till_id = _named(session, by.partner_id, given["till"].strip())
            devices.confirm(
                session,
                act(by.visitor),
                user_code=given["user_code"],
                partner_id=by.partner_id,
                staff_id=by.visitor.subject_id,
                till=till,
                till_id=till_id,
            )
        else:
            devices.deny(
                session,
                user_code=given["user_code"],
                partner_id=by.partner_id,
                now=clock.now(),
                keyring=svc.keyring,
            )
    return pages.see("/device/tills")


@device_pages.get("/device/tills")
@asks(SEE_TILLS)
def show_tills(by: StaffMember) -> Response:
    """The partner's tills that are approved."""
    with services().reading() as session:
        tills = grants.tills_of(session, partner_id=by.partner_id)
        may_end = by.may(session, REVOKE_TILLS)
    return pages.page("tills.html", title=_("Your tills"), tills=tills, may_end=may_end)


@device_pages.post("/device/tills/<uuid:grant_id>/end")
@asks(REVOKE_TILLS)
def end(by: StaffMember, grant_id: UUID) -> Response:
    """Revoke one till; its tokens are refused from now on."""
    with services().writing() as session:
        grants.revoke_till(session, act(by.visitor), grant_id=grant_id, partner_id=by.partner_id)
    return pages.see("/device/tills")


def _named(session: Session, partner_id: UUID, given: str) -> tuple[str, UUID | None]:
    """What to call the till: one of the partner's own; where it has none registered, as it pleases."""
    places = locations.working_tills(session, partner_id=partner_id)
    for place in places:
        if str(place.till_id) == given:
            return place.name, place.till_id
    if places:
        raise TillNotFound(marked("choose one of your tills"))
    return given[:LONGEST_NAME] or _("a till"), None


def _enter_page(user_code: str, *, wrong: str = "") -> Response:
    status = HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK
    return pages.page("device_code.html", title=_("Approve a till"), status=status, user_code=user_code, wrong=wrong)
