"""/v1/members/{id}/identifiers: what a member is found by, listed masked, added, verified, taken away."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from coalition import identifiers, member_identifiers, members, pins, programme, verifications
from coalition.attempts import SecretsLocked
from coalition.identifiers import EMAIL, EXTERNAL
from coalition.member_identifiers import KeptIdentifier
from coalition.members import CardInUse, IdentifierInUse, MemberMerged, MemberNotFound
from coalition.rotating_codes import WrongCode
from coalition.verifications import ToldBack
from kit import clock, ids, mail
from kit.db import Session
from kit.http.api import Blueprint
from kit.http.description import fails_with
from kit.http.paging import Page
from kit.http.requests import is_dry_run
from kit.http.services import services
from partners import vouching, whom
from partners.http import lookups
from partners.http.admission import write_down
from partners.http.auth import principal, requires
from partners.http.schemas import (
    EvidenceSchema,
    KeptIdentifierListSchema,
    KeptIdentifierSchema,
    OneIdentifierSchema,
    VerificationCodeSchema,
)
from partners.vouching import Asking, MemberProofRequired

identifiers_api = Blueprint(
    "identifiers", __name__, url_prefix="/v1/members/<member_id>/identifiers", description="What members are found by"
)
# What a change can meet before it is made.
CHANGING = (MemberNotFound, MemberMerged, MemberProofRequired, pins.WrongPin, WrongCode, SecretsLocked)
_MAIL = """Your code is {code}

It is good for ten minutes. If you did not ask for it, ignore this message: without the code nothing happens.
"""


@identifiers_api.get("")
@requires(identifiers_api, "members:identify")
@fails_with(MemberNotFound, MemberMerged)
@identifiers_api.response(200, KeptIdentifierListSchema)
def list_identifiers(member_id: str) -> Page:
    """All of a member's identifiers, masked, but for other partners' external ids."""
    with services().reading() as session:
        found = member_identifiers.of_member(
            session, member_id=ids.parse(ids.MEMBER, member_id), partner_id=principal().partner_id
        )
    return Page(found, None)


@identifiers_api.post("")
@requires(identifiers_api, "members:enrol")
@fails_with(*CHANGING, *whom.MALFORMED, CardInUse, IdentifierInUse, member_identifiers.TooManyIdentifiers)
@identifiers_api.arguments(OneIdentifierSchema())
@identifiers_api.response(201, KeptIdentifierSchema)
def add(body: dict[str, Any], member_id: str) -> KeptIdentifier:
    """Let a member be found by one more identifier; what it has already is answered as it is.

    An external id is yours alone, and takes no proof of the member. Anything else does, unless you enrolled the member
    and it has no proof of its own yet.
    """
    parts = services()
    asking = _asking(body, member_id)
    identifier = identifiers.named(body, partner_id=asking.partner_id)[0]
    with lookups.naming(body), parts.writing() as session:
        if identifier.kind != EXTERNAL:
            vouching.require(session, asking)
        kept = member_identifiers.add(
            session,
            member_id=asking.member_id,
            identifier=identifier,
            partner_id=asking.partner_id,
            now=programme.get(session).time(principal().time(clock.now())),
            keyring=parts.keyring,
        )
        _write_down(session, "member.identifier_added", asking.member_id, kept, proved=asking.is_proved)
    return kept


@identifiers_api.post("/<identifier_id>/removal")
@requires(identifiers_api, "members:enrol")
@fails_with(*CHANGING, member_identifiers.IdentifierNotFound, member_identifiers.LastIdentifier)
@identifiers_api.arguments(EvidenceSchema(), required=False)
@identifiers_api.response(204)
def remove(body: dict[str, Any], member_id: str, identifier_id: str) -> None:
    """Let a member not be found by it any more; the last one stays.

    Takes what adding it takes; a verified address of a member that can sign in is removed by the member, on our page.
    """
    asking, which = _asking(body, member_id), ids.parse(ids.IDENTIFIER, identifier_id)
    with services().writing() as session:
        kept = _kept(session, asking.member_id, which)
        if kept.kind != EXTERNAL:
            vouching.require(session, asking, of_sign_in=kept.kind == EMAIL and kept.verified_at is not None)
        member_identifiers.remove(
            session, member_id=asking.member_id, identifier_id=which, partner_id=asking.partner_id
        )
        _write_down(session, "member.identifier_removed", asking.member_id, kept, proved=asking.is_proved)


@identifiers_api.post("/<identifier_id>/verification")
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
    """Send a six-digit code to an e-mail address of a member.

    Takes what adding it takes. A member that can sign in verifies further addresses on our page.
    """
    parts = services()
    asking, which = _asking(body, member_id), ids.parse(ids.IDENTIFIER, identifier_id)
    with parts.writing() as session:
        kept = _kept(session, asking.member_id, which)
        if kept.verified_at is None:
            vouching.require(session, asking, of_sign_in=True)
        challenge = verifications.start(
            session,
            member_id=asking.member_id,
            identifier_id=which,
            partner_id=asking.partner_id,
            keyring=parts.keyring,
            now=clock.now(),
        )
        _write_down(session, "member.verification_started", asking.member_id, kept, proved=asking.is_proved)
    if not is_dry_run():
        mail.send(parts.settings, to=challenge.address, subject="Your code", body=_MAIL.format(code=challenge.code))


@identifiers_api.post("/<identifier_id>/verification/confirm")
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
    """Tell back the code that was sent for you: the address is the member's.

    A member that can sign in by now verifies it on our page.
    """
    parts, now = services(), clock.now()
    told = ToldBack(
        member_id=ids.parse(ids.MEMBER, member_id),
        identifier_id=ids.parse(ids.IDENTIFIER, identifier_id),
        partner_id=principal().partner_id,
        code=body["code"],
    )
    with parts.reading() as session:  # before a try is counted, so that none of the member's own is taken
        if _kept(session, told.member_id, told.identifier_id).verified_at is None:
            vouching.leave_to_sign_in(session, told.member_id)
    verifications.check(parts.view, told, keyring=parts.keyring, now=now)
    with parts.writing() as session:
        vouching.leave_to_sign_in(session, told.member_id)
        kept = verifications.confirm(session, told, keyring=parts.keyring, now=now)
        _write_down(session, "member.identifier_verified", told.member_id, kept)
    return kept


def _asking(body: dict[str, Any], member_id: str) -> Asking:
    parts = services()
    return vouching.look(
        parts.view,
        body,
        member_id=ids.parse(ids.MEMBER, member_id),
        partner_id=principal().partner_id,
        keyring=parts.keyring,
        now=clock.now(),
    )


def _kept(session: Session, member_id: UUID, identifier_id: UUID) -> KeptIdentifier:
    members.lock(session, member_id)  # what is seen of it holds to the end
    return member_identifiers.get(
        session, member_id=member_id, identifier_id=identifier_id, partner_id=principal().partner_id
    )


def _write_down(session: Session, action: str, member_id: UUID, kept: KeptIdentifier, **facts: object) -> None:
    shown = ids.show(ids.IDENTIFIER, kept.identifier_id)
    write_down(session, action, ids.show_our_own(member_id), identifier=shown, kind=kept.kind, **facts)
