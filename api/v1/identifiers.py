"""/v1/members/{id}/identifiers: what a member is found by, listed masked, added, verified, taken away."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import marshmallow as ma

from api import lookups
from api.admission import act
from api.auth import principal, requires
from api.schemas import (
    EvidenceSchema,
    KeptIdentifierListSchema,
    KeptIdentifierSchema,
    OneIdentifierSchema,
)
from coalition import identifiers, member_identifiers, members, pins, programme, verifications
from coalition.identifiers import EMAIL, EXTERNAL
from coalition.member_identifiers import KeptIdentifier
from coalition.members import CardInUse, IdentifierInUse, MemberMerged, MemberNotFound
from coalition.rotating_codes import WrongCode
from coalition.throttle import SecretsLocked
from coalition.verifications import ToldBack
from identity import change_policy, mails, member_lookup
from identity.change_policy import Asking, MemberProofRequired
from kit import clock, ids, mail
from kit.db import Session
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.paging import Page
from kit.http.requests import is_dry_run
from kit.http.services import services

identifiers_api = Blueprint(
    "identifiers", __name__, url_prefix="/v1/members/<member_id>/identifiers", description="What you find members by"
)
# What a change can meet before it is made.
CHANGING = (MemberNotFound, MemberMerged, MemberProofRequired, pins.WrongPin, WrongCode, SecretsLocked)


class VerificationCodeSchema(ma.Schema):
    schema_description = "The code the member was sent."

    code = ma.fields.String(required=True, validate=ma.validate.Regexp(r"^[0-9]{6}\Z"))


@identifiers_api.get("")
@identifiers_api.doc(summary="List a member's identifiers, masked, without other partners' external ids.")
@requires(identifiers_api, "members:identify")
@fails_with(MemberNotFound, MemberMerged)
@identifiers_api.response(200, KeptIdentifierListSchema)
def list_identifiers(member_id: str) -> Page:
    with services().reading() as session:
        found = member_identifiers.of_member(
            session, member_id=ids.parse(ids.MEMBER, member_id), partner_id=principal().partner_id
        )
    return Page(found, None)


@identifiers_api.post("")
@identifiers_api.doc(
    summary="Add an identifier to a member. If the member already has it, you get it as it is.",
    description=(
        "An external id belongs to you alone and needs no proof of the member. Every other identifier does, unless you "
        "enrolled the member and the member has no PIN, code or sign-in yet."
    ),
)
@requires(identifiers_api, "members:enrol")
@fails_with(*CHANGING, *member_lookup.MALFORMED, CardInUse, IdentifierInUse, member_identifiers.TooManyIdentifiers)
@identifiers_api.arguments(OneIdentifierSchema())
@identifiers_api.response(201, KeptIdentifierSchema)
def add(body: dict[str, Any], member_id: str) -> KeptIdentifier:
    svc = services()
    asking = _asking(body, member_id)
    identifier = identifiers.named(body, partner_id=asking.partner_id)[0]
    with lookups.naming(body), svc.writing() as session:
        if identifier.kind != EXTERNAL:
            change_policy.require(session, asking)
        return member_identifiers.add(
            session,
            act(),
            member_id=asking.member_id,
            identifier=identifier,
            partner_id=asking.partner_id,
            proved=asking.is_proved,
            now=programme.get(session).time(principal().time(clock.now())),
        )


@identifiers_api.post("/<identifier_id>/removal")
@identifiers_api.doc(
    summary="Remove an identifier from a member. The last one stays.",
    description=(
        "This needs the same proof as adding the identifier. If a member can sign in, only the member can remove a "
        "verified address, on our page."
    ),
)
@requires(identifiers_api, "members:enrol")
@fails_with(*CHANGING, member_identifiers.IdentifierNotFound, member_identifiers.LastIdentifier)
@identifiers_api.arguments(EvidenceSchema(), required=False)
@identifiers_api.response(204)
def remove(body: dict[str, Any], member_id: str, identifier_id: str) -> None:
    asking, which = _asking(body, member_id), ids.parse(ids.IDENTIFIER, identifier_id)
    with services().writing() as session:
        kept = _kept(session, asking.member_id, which)
        if kept.kind != EXTERNAL:
            change_policy.require(session, asking, of_sign_in=kept.kind == EMAIL and kept.verified_at is not None)
        member_identifiers.remove(
            session,
            act(),
            member_id=asking.member_id,
            identifier_id=which,
            partner_id=asking.partner_id,
            proved=asking.is_proved,
        )


@identifiers_api.post("/<identifier_id>/verification")
@identifiers_api.doc(
    summary="Send a six-digit code to a member's e-mail address.",
    description=(
        "This needs the same proof as adding the address. A member who can sign in verifies further addresses on our "
        "page."
    ),
)
@requires(identifiers_api, "members:enrol")
@fails_with(
    *CHANGING,
    member_identifiers.IdentifierNotFound,
    verifications.NotVerifiable,
    verifications.AlreadyVerified,
    verifications.VerificationTooSoon,
    mail.MailUnavailable,
)
@identifiers_api.arguments(EvidenceSchema(), required=False)
@identifiers_api.response(202)
def send_code(body: dict[str, Any], member_id: str, identifier_id: str) -> None:
    svc = services()
    asking, which = _asking(body, member_id), ids.parse(ids.IDENTIFIER, identifier_id)
    with svc.writing() as session:
        kept = _kept(session, asking.member_id, which)
        if kept.verified_at is None:
            change_policy.require(session, asking, of_sign_in=True)
        challenge = verifications.start(
            session,
            act(),
            member_id=asking.member_id,
            identifier_id=which,
            partner_id=asking.partner_id,
            proved=asking.is_proved,
        )
    if not is_dry_run():
        said = mails.address_code(challenge.code, minutes=verifications.MINUTES)
        mail.send(svc.settings, to=challenge.address, subject=said.subject, body=said.body)


@identifiers_api.post("/<identifier_id>/verification/confirm")
@identifiers_api.doc(
    summary="Verify a member's e-mail address with the code that we sent to it.",
    description="A member who can already sign in verifies the address on our page.",
)
@requires(identifiers_api, "members:enrol")
@fails_with(
    MemberNotFound,
    MemberMerged,
    MemberProofRequired,
    member_identifiers.IdentifierNotFound,
    verifications.NotVerifiable,
    verifications.AlreadyVerified,
    verifications.WrongVerificationCode,
)
@identifiers_api.arguments(VerificationCodeSchema())
@identifiers_api.response(200, KeptIdentifierSchema)
def confirm(body: dict[str, Any], member_id: str, identifier_id: str) -> KeptIdentifier:
    svc, now = services(), clock.now()
    told = ToldBack(
        member_id=ids.parse(ids.MEMBER, member_id),
        identifier_id=ids.parse(ids.IDENTIFIER, identifier_id),
        partner_id=principal().partner_id,
        code=body["code"],
    )
    # Locked, and before a try is counted, so that none of the member's own is taken.
    with svc.recording() as session:
        if _kept(session, told.member_id, told.identifier_id).verified_at is None:
            change_policy.leave_to_sign_in(session, told.member_id)
    verifications.check(svc.view, told, keyring=svc.keyring, now=now)
    with svc.writing() as session:
        change_policy.leave_to_sign_in(session, told.member_id)
        return verifications.confirm(session, act(), told)


def _asking(body: dict[str, Any], member_id: str) -> Asking:
    svc = services()
    return change_policy.look(
        svc.view,
        body,
        member_id=ids.parse(ids.MEMBER, member_id),
        partner_id=principal().partner_id,
        keyring=svc.keyring,
        now=clock.now(),
    )


def _kept(session: Session, member_id: UUID, identifier_id: UUID) -> KeptIdentifier:
    members.lock(session, member_id)  # what is seen of it holds to the end
    return member_identifiers.get(
        session, member_id=member_id, identifier_id=identifier_id, partner_id=principal().partner_id
    )
