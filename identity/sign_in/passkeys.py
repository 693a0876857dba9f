"""Passkeys (WebAuthn level 3): discoverable, with user verification always, checked by py_webauthn.

Every refusal is the same to the caller. The library is asked about all but the counter of signatures: that one is
compared in the UPDATE that moves it, after the signature was found right, so that two at once can't both pass.
"""

from __future__ import annotations

import ipaddress
import logging
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import webauthn
from sqlalchemy import text
from webauthn.helpers import base64url_to_bytes, parse_client_data_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from identity import member_credentials
from identity.sign_in import challenges, people
from identity.sign_in.people import Kind, Subject
from identity.sign_in.session_store import Visitor
from kit import ids, logs
from kit.db import Session, wait_for_lock
from kit.errors import Conflict, Forbidden, Invalid, NotFound
from kit.secrets import Keyring, same

log = logging.getLogger("sign_in")
MOST_FOR_A_PERSON = 10
LONGEST_NAME = 60
_TIMEOUT_MS = int(challenges.LIFETIME.total_seconds() * 1000)
_TRANSPORTS = {transport.value for transport in AuthenticatorTransport}
# What the library raises for bytes that are not what they should be, besides its own errors.
_UNREADABLE = (WebAuthnException, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)


class PasskeyRefused(Forbidden):
    code = "passkey_refused"
    title = "Passkey refused"
    description = "We do not know the passkey, or it signed something other than what we just asked for here."
    remedy = (
        "Try again, and choose a passkey that you added on our page /passkeys. If that fails, sign in with a code by "
        "mail."
    )


class PasskeysUnavailable(Forbidden):
    code = "passkeys_unavailable"
    title = "Passkeys unavailable"
    description = "Passkeys need an https address with a host name. Only `localhost` works without https."
    remedy = (
        "Sign in with a code by mail. Whoever runs the coalition sets COALITION_PUBLIC_URL to an https address with a "
        "host name."
    )


class PasskeyKnown(Conflict):
    code = "passkey_known"
    title = "Passkey already registered"
    description = "This passkey is already registered."
    remedy = "Sign in with this passkey as it is, or add one from another device."


class TooManyPasskeys(Conflict):
    code = "too_many_passkeys"
    title = "Too many passkeys"
    description = "You already have ten passkeys, the most a person can have."
    remedy = "Remove a passkey first."


class PasskeyNotFound(NotFound):
    code = "passkey_not_found"
    title = "Passkey not found"
    description = "You have no passkey with this id."
    remedy = "Open the page /passkeys again and choose one from the list. It may have been removed in another browser."


class MalformedPasskeyName(Invalid):
    code = "malformed_passkey_name"
    title = "Malformed passkey name"
    description = "A passkey's name has 1 to 60 printable characters."
    remedy = "Enter a shorter name, in letters, digits and ordinary signs."


@dataclass(frozen=True)
class Passkey:
    """A passkey as its owner sees it."""

    passkey_id: UUID
    name: str
    backed_up: bool
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True)
class Site:
    """What a passkey is bound to: our host, and the origin its browser has to be at."""

    rp_id: str
    origin: str


@dataclass(frozen=True)
class Answer:
    """What a browser's authenticator answered to `challenge`, which has been taken."""

    credential: dict[str, Any]
    challenge: bytes


def site(issuer: str) -> Site:
    """The site at the address `issuer`; raises PasskeysUnavailable where browsers offer none."""
    parts = urlsplit(issuer)
    host = parts.hostname or ""
    if not (parts.scheme == "https" or host == "localhost") or _is_address(host):
        raise PasskeysUnavailable("passkeys need an https address with a host name")
    port = f":{parts.port}" if parts.port and (parts.scheme, parts.port) not in (("https", 443), ("http", 80)) else ""
    return Site(host, f"{parts.scheme}://{host}{port}")


def registration_options(
    session: Session, visitor: Visitor, *, at: Site, browser: str, now: datetime, keyring: Keyring
) -> str:
    """What the visitor's browser needs to make a passkey, as JSON; raises TooManyPasskeys."""
    rows = _of(session, visitor)
    _check_room(len(rows))
    label = people.label(session, Subject(visitor.kind, visitor.subject_id, visitor.partner_id))
    options = webauthn.generate_registration_options(
        rp_id=at.rp_id,
        rp_name="Coalition",
        user_id=_handle(keyring, visitor.kind, visitor.subject_id),
        user_name=label,
        challenge=challenges.issue(
            session, kind=visitor.kind, browser=browser, session_id=visitor.session_id, now=now, keyring=keyring
        ),
        timeout=_TIMEOUT_MS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[
            PublicKeyCredentialDescriptor(
                id=bytes(row.credential_id), transports=[AuthenticatorTransport(name) for name in row.transports]
            )
            for row in rows
        ],
    )
    return webauthn.options_to_json(options)


def sign_in_options(session: Session, *, kind: Kind, at: Site, browser: str, now: datetime, keyring: Keyring) -> str:
    """What a browser needs to let its user choose a passkey, as JSON: nobody is named in it."""
    options = webauthn.generate_authentication_options(
        rp_id=at.rp_id,
        challenge=challenges.issue(session, kind=kind, browser=browser, session_id=None, now=now, keyring=keyring),
        timeout=_TIMEOUT_MS,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return webauthn.options_to_json(options)


def challenge_in(credential: dict[str, Any]) -> bytes:
    """The challenge that `credential` says it answers; raises PasskeyRefused."""
    try:
        data = parse_client_data_json(base64url_to_bytes(credential["response"]["clientDataJSON"]))
    except _UNREADABLE:
        raise PasskeyRefused("the passkey was not accepted") from None
    if data.cross_origin:
        raise PasskeyRefused("the passkey was not accepted")
    return data.challenge


def register(session: Session, visitor: Visitor, answer: Answer, *, at: Site, name: str, now: datetime) -> Passkey:
    """Keep the visitor's new passkey; raises PasskeyRefused, PasskeyKnown, TooManyPasskeys, MalformedPasskeyName."""
    try:
        made = webauthn.verify_registration_response(
            credential=answer.credential,
            expected_challenge=answer.challenge,
            expected_rp_id=at.rp_id,
            expected_origin=at.origin,
            require_user_verification=True,
        )
    except _UNREADABLE:
        raise PasskeyRefused("the passkey was not accepted") from None
    wait_for_lock(session, f"passkeys of {visitor.subject_id}")
    _check_room(len(_of(session, visitor)))
    passkey = Passkey(ids.new(), checked_name(name), made.credential_backed_up, now, None)
    transports = answer.credential["response"].get("transports")
    done = session.execute(
        text("""
            INSERT INTO partners.passkey (passkey_id, credential_id, kind, subject_id, public_key, sign_count,
                                          transports, backed_up, name, created_at)
            VALUES (:passkey_id, :credential_id, :kind, :subject_id, :public_key, :sign_count,
                    :transports, :backed_up, :name, :created_at) ON CONFLICT (credential_id) DO NOTHING
        """),
        {
            **vars(passkey),
            "credential_id": made.credential_id,
            "kind": visitor.kind,
            "subject_id": visitor.subject_id,
            "public_key": made.credential_public_key,
            "sign_count": made.sign_count,
            "transports": sorted(
                _TRANSPORTS.intersection(map(str, transports if isinstance(transports, list) else []))
            ),
        },
    )
    if done.rowcount == 0:
        raise PasskeyKnown("this passkey is already registered")
    return passkey


def authenticate(
    session: Session, answer: Answer, *, kind: Kind, at: Site, now: datetime, keyring: Keyring
) -> tuple[Subject, tuple[str, ...]]:
    """Who signs in with this answer, and how (RFC 8176); raises PasskeyRefused."""
    row = session.execute(
        text("""
            SELECT passkey_id, subject_id, public_key, sign_count FROM partners.passkey
            WHERE credential_id = :id AND kind = :kind
        """),
        {"id": _credential_id(answer.credential), "kind": kind},
    ).first()
    try:
        proof = row and webauthn.verify_authentication_response(
            credential=answer.credential,
            expected_challenge=answer.challenge,
            expected_rp_id=at.rp_id,
            expected_origin=at.origin,
            credential_public_key=bytes(row.public_key),
            credential_current_sign_count=0,  # compared below
            require_user_verification=True,
        )
    except _UNREADABLE:
        proof = None
    if not row or not proof or not _is_owner(answer.credential, _handle(keyring, kind, row.subject_id)):
        raise PasskeyRefused("the passkey was not accepted")
    moved = session.execute(
        text("""
            UPDATE partners.passkey SET sign_count = :count, backed_up = :backed_up, last_used_at = :now
            WHERE passkey_id = :id AND (sign_count < :count OR (sign_count = 0 AND :count = 0))
        """),
        {"id": row.passkey_id, "count": proof.new_sign_count, "backed_up": proof.credential_backed_up, "now": now},
    )
    if moved.rowcount == 0:
        logs.event(log, "passkey's counter went back: it may have been copied", level=logging.WARNING,
                   passkey_id=row.passkey_id, **{f"{kind}_id": row.subject_id})  # fmt: skip
        raise PasskeyRefused("the passkey was not accepted")
    subject = people.get(session, kind=kind, subject_id=row.subject_id)
    if subject is None:
        raise PasskeyRefused("the passkey was not accepted")
    is_bound = proof.credential_device_type == CredentialDeviceType.SINGLE_DEVICE
    return subject, ("hwk" if is_bound else "swk", "mfa")


def listing(session: Session, visitor: Visitor) -> list[Passkey]:
    """The visitor's passkeys, the oldest first."""
    return [
        Passkey(row.passkey_id, row.name, row.backed_up, row.created_at, row.last_used_at)
        for row in _of(session, visitor)
    ]


def rename(session: Session, visitor: Visitor, *, passkey_id: UUID, name: str) -> None:
    """Call a passkey of the visitor's something else; raises PasskeyNotFound, MalformedPasskeyName."""
    _change(session, visitor, passkey_id, "UPDATE partners.passkey SET name = :name", name=checked_name(name))


def remove(session: Session, visitor: Visitor, *, passkey_id: UUID) -> None:
    """Forget a passkey of the visitor's; raises PasskeyNotFound; for a member LastSignIn, too."""
    # Staff sign in by their address always.
    kept = (
        member_credentials.keeping_sign_in(session, visitor.subject_id) if visitor.kind == "member" else nullcontext()
    )
    with kept:
        _change(session, visitor, passkey_id, "DELETE FROM partners.passkey")


def checked_name(name: str) -> str:
    """`name` without spaces around it; raises MalformedPasskeyName."""
    name = name.strip()
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise MalformedPasskeyName(f"a name has 1 to {LONGEST_NAME} printable characters")
    return name


def _change(session: Session, visitor: Visitor, passkey_id: UUID, change: str, **values: object) -> None:
    done = session.execute(
        text(f"{change} WHERE passkey_id = :id AND kind = :kind AND subject_id = :subject_id"),
        {"id": passkey_id, "kind": visitor.kind, "subject_id": visitor.subject_id, **values},
    )
    if done.rowcount == 0:
        raise PasskeyNotFound("you have no passkey with this id")


def _of(session: Session, visitor: Visitor) -> list[Any]:
    return list(
        session.execute(
            text("""
                SELECT passkey_id, credential_id, transports, backed_up, name, created_at, last_used_at
                FROM partners.passkey WHERE subject_id = :id AND kind = :kind ORDER BY passkey_id
            """),
            {"id": visitor.subject_id, "kind": visitor.kind},
        )
    )


def _check_room(count: int) -> None:
    if count >= MOST_FOR_A_PERSON:
        raise TooManyPasskeys(f"you already have {MOST_FOR_A_PERSON} passkeys; remove one first")


def _handle(keyring: Keyring, kind: Kind, subject_id: UUID) -> bytes:
    # Authenticators keep it in the clear, so it must not tell whose it is (WebAuthn §14.6.1).
    return keyring.fingerprint(purpose="passkey user", value=f"{kind} {subject_id}")


def _is_owner(credential: dict[str, Any], handle: bytes) -> bool:
    # Discoverable credentials bring the handle always; the library doesn't look at it (WebAuthn §7.2 step 6).
    given = credential["response"].get("userHandle")
    return isinstance(given, str) and same(base64url_to_bytes(given), handle)


def _credential_id(credential: dict[str, Any]) -> bytes:
    try:
        return base64url_to_bytes(credential["rawId"])
    except _UNREADABLE:
        raise PasskeyRefused("the passkey was not accepted") from None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
