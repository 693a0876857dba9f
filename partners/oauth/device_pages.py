"""/device: a partner's staff enter the code a till shows, see what it asks for, and let it in (RFC 8628 §3.3).

/device/tills lists the tills that are in, each to be turned out by itself.
"""

from __future__ import annotations

from http import HTTPStatus
from uuid import UUID

from flask import Response, request

from kit import clock
from kit.db import Session
from kit.errors import Forbidden
from kit.http.services import services
from partners import locations, pages, permissions
from partners.locations import TillNotFound
from partners.oauth import devices, grants
from partners.oauth.devices import UserCodeUnknown
from partners.permissions import LET_TILLS_IN, TURN_TILLS_OUT
from partners.scopes import SCOPES
from partners.sign_in import sessions
from partners.sign_in.sessions import Visitor
from partners.sign_in.trail import write_down

device_pages = pages.blueprint("devices", __name__)
LATELY_S = 15 * 60
LONGEST_NAME = 40


class NotAPartnersStaff(Forbidden):
    """Tills are let in by the staff of the partner they belong to."""

    code = "not_a_partners_staff"
    title = "Not a partner's staff"


@device_pages.get("/device")
def enter() -> Response:
    """Ask for the code; a link with the code in it only fills it in (RFC 8628 §3.3.1)."""
    _staff()
    return _enter_page(devices.normalised(request.args.get("user_code", "")[:20]))


@device_pages.post("/device")
def look() -> Response:
    """Show which till asks for what."""
    _, partner_id = _staff()
    sessions.check_csrf()
    code = devices.normalised(pages.form("user_code")["user_code"][:40])
    parts = services()
    try:
        with parts.reading() as session:
            places = locations.working_tills(session, partner_id=partner_id)
            found = devices.waiting(
                session, user_code=code, partner_id=partner_id, now=clock.now(), keyring=parts.keyring
            )
    except UserCodeUnknown as error:
        return _enter_page("", wrong=error.detail)
    return pages.page(
        "device.html",
        title="Let this till in?",
        user_code=code,
        client_name=found.client_name,
        scopes=[SCOPES.get(scope, scope) for scope in found.scopes],
        places=places,
    )


@device_pages.post("/device/decision")
def decide() -> Response:
    """Let the till in as one of the partner's, or turn it away; raises TillNotFound, UserCodeUnknown."""
    visitor, partner_id = _staff()
    sessions.check_csrf()
    given, parts = pages.form("user_code", "till", "decision"), services()
    with parts.writing() as session:
        permissions.require(session, visitor, LET_TILLS_IN)
        if given["decision"] == "allow":
            till, till_id = _named(session, partner_id, given["till"].strip())
            grant = devices.confirm(
                session,
                user_code=given["user_code"],
                partner_id=partner_id,
                staff_id=visitor.subject_id,
                till=till,
                till_id=till_id,
                now=clock.now(),
                keyring=parts.keyring,
            )
            write_down(session, visitor, "till.let_in", grant.client_id, grant_id=grant.grant_id, scopes=grant.scopes)
        else:
            devices.deny(
                session,
                user_code=given["user_code"],
                partner_id=partner_id,
                now=clock.now(),
                keyring=parts.keyring,
            )
    return pages.see("/device/tills")


@device_pages.get("/device/tills")
def show_tills() -> Response:
    """The partner's tills that are in."""
    visitor, partner_id = _staff()
    with services().reading() as session:
        tills = grants.tills_of(session, partner_id=partner_id)
        may_end = permissions.may(session, visitor, TURN_TILLS_OUT)
    return pages.page("tills.html", title="Your tills", tills=tills, may_end=may_end)


@device_pages.post("/device/tills/<uuid:grant_id>/end")
def end(grant_id: UUID) -> Response:
    """Turn one till out; its tokens are refused from now on. Raises RoleNotAllowed."""
    visitor, partner_id = _staff()
    sessions.check_csrf()
    with services().writing() as session:
        permissions.require(session, visitor, TURN_TILLS_OUT)
        grants.revoke_till(session, grant_id=grant_id, partner_id=partner_id, now=clock.now())
        write_down(session, visitor, "till.turned_out", f"grant {grant_id}")
    return pages.see("/device/tills")


def _named(session: Session, partner_id: UUID, given: str) -> tuple[str, UUID | None]:
    """What to call the till: one of the partner's own; where it has none registered, as it pleases."""
    places = locations.working_tills(session, partner_id=partner_id)
    for place in places:
        if str(place.till_id) == given:
            return place.name, place.till_id
    if places:
        raise TillNotFound("choose one of your tills")
    return given[:LONGEST_NAME] or "a till", None


def _staff() -> tuple[Visitor, UUID]:
    """Who is at this browser and for which partner; raises SignInNeeded, NotAPartnersStaff."""
    visitor = sessions.required("staff", max_age_s=LATELY_S)
    if visitor.partner_id is None:
        raise NotAPartnersStaff("sign in as staff of the partner the till belongs to")
    return visitor, visitor.partner_id


def _enter_page(user_code: str, *, wrong: str = "") -> Response:
    status = HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK
    return pages.page("device_code.html", title="Let a till in", status=status, user_code=user_code, wrong=wrong)
