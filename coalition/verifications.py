"""Is the address the member's? A one-time code is sent to it and told back, by whoever asked for it."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from coalition import member_identifiers, members
from coalition.identifiers import EMAIL
from coalition.member_identifiers import KeptIdentifier
from kit import audit, ids
from kit.audit import Act
from kit.db import Database, Session
from kit.errors import Conflict, Forbidden
from kit.secrets import Keyring, same
from kit.translation import marked

MINUTES = 10
LIFETIME = timedelta(minutes=MINUTES)
TRIES = 5
FIRST_WAIT_S = 60  # until another may be sent; doubled with every one
LONGEST_WAIT_S = 86_400


class NotVerifiable(Conflict):
    code = "not_verifiable"
    title = "Not verifiable"
    description = "You can verify only an e-mail address. We send no messages to phones yet, and none to cards."
    remedy = "Choose an e-mail address. A card or phone number needs no confirmation."


class AlreadyVerified(Conflict):
    code = "already_verified"
    title = "Already verified"
    description = "The identifier is already verified."
    remedy = "Do nothing more: the address is confirmed."


class VerificationTooSoon(Conflict):
    code = "verification_too_soon"
    title = "Code sent just now"
    description = "We sent a code a moment ago. You can ask for another one in `retry_after_s` seconds."
    remedy = (
        "Look for the last code in the mailbox, also among spam. If it does not come, wait and ask for another one."
    )
    facts = ("retry_after_s",)


class WrongVerificationCode(Forbidden):
    code = "wrong_verification_code"
    title = "Wrong verification code"
    description = "The code is not the last one we sent, it is older than ten minutes, or it was tried five times."
    remedy = (
        "Enter the newest code again. If it is older than ten minutes or was tried five times, ask for another one."
    )


@dataclass(frozen=True)
class Challenge:
    """What to send, and where: after the commit, and to nobody else."""

    address: str = field(repr=False)
    code: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class ToldBack:
    """A code told back, by a partner or (None) by the member."""

    member_id: UUID
    identifier_id: UUID
    partner_id: UUID | None
    code: str = field(repr=False)


def start(
    session: Session, act: Act, *, member_id: UUID, identifier_id: UUID, partner_id: UUID | None, proved: bool
) -> Challenge:
    """A new six-digit code for an e-mail address; the one before ends.

    Asked for by a partner, or (None) by the member; the caller sees to it that they may, and `proved` says whether the
    member itself showed that it is them.

    Raises MemberNotFound, IdentifierNotFound, NotVerifiable, AlreadyVerified, VerificationTooSoon.
    """
    members.lock(session, member_id)
    kept = member_identifiers.get(session, member_id=member_id, identifier_id=identifier_id, partner_id=partner_id)
    if kept.kind != EMAIL:
        raise NotVerifiable(f"a {kept.kind} can't be verified yet, only an e-mail address", kind=kept.kind)
    if kept.verified_at is not None:
        raise AlreadyVerified("this address is already verified")
    code = f"{secrets.randbelow(1_000_000):06d}"
    written = session.execute(
        _WRITE,
        {
            "identifier_id": identifier_id,
            "hash": _hash(code, identifier_id, partner_id, act.keyring),
            "tries": TRIES,
            "now": act.now,
            "ends": act.now + LIFETIME,
            "first": FIRST_WAIT_S,
            "longest": LONGEST_WAIT_S,
        },
    )
    if written.rowcount == 0:
        raise _too_soon(session, identifier_id, act.now)
    sealed = session.scalar(
        text("SELECT sealed FROM coalition.member_identifier WHERE identifier_id = :identifier_id"),
        {"identifier_id": identifier_id},
    )
    address = act.keyring.unseal(bytes(sealed or b""), purpose=members.SEALED_FOR).decode()
    audit.append(session, act, "member.verification_started", ids.show_our_own(member_id), **kept.facts, proved=proved)
    return Challenge(address, code)


_WAIT_S = "least(:first * power(2, least(v.sent - 1, 20)), :longest)"
_WRITE = text(f"""
    INSERT INTO coalition.identifier_verification AS v (identifier_id, code_hash, tries_left, sent_at, expires_at)
    VALUES (:identifier_id, :hash, :tries, :now, :ends)
    ON CONFLICT (identifier_id) DO UPDATE SET code_hash = excluded.code_hash, tries_left = excluded.tries_left,
        sent = v.sent + 1, sent_at = excluded.sent_at, expires_at = excluded.expires_at
    WHERE v.sent_at + {_WAIT_S} * interval '1 second' <= excluded.sent_at
""")  # noqa: S608 -- made of constants


def check(database: Database, told: ToldBack, *, keyring: Keyring, now: datetime) -> None:
    """See whether it is the code that was sent, and asked for by who tells it; each try counts.

    Then `confirm`. Raises IdentifierNotFound, AlreadyVerified, WrongVerificationCode.
    """
    with database.transaction() as session:
        _unverified(session, told)
        # Counted and committed before it is looked at, so that many at once are no more tries than one by one.
        expected = session.scalar(
            text("""
                UPDATE coalition.identifier_verification SET tries_left = tries_left - 1
                WHERE identifier_id = :identifier_id AND tries_left > 0 AND expires_at > :now RETURNING code_hash
            """),
            {"identifier_id": told.identifier_id, "now": now},
        )
    if expected is None or not same(bytes(expected), _hash(told.code, told.identifier_id, told.partner_id, keyring)):
        raise _wrong()


def confirm(session: Session, act: Act, told: ToldBack) -> KeptIdentifier:
    """Use up the code that was checked: the address is the member's, which stays locked to the transaction's end.

    Raises MemberNotFound, IdentifierNotFound, AlreadyVerified; WrongVerificationCode, where the code ended meanwhile.
    """
    members.lock(session, told.member_id)
    kept = _unverified(session, told)
    used = session.execute(
        text("DELETE FROM coalition.identifier_verification WHERE identifier_id = :id AND code_hash = :hash"),
        {"id": told.identifier_id, "hash": _hash(told.code, told.identifier_id, told.partner_id, act.keyring)},
    )
    if used.rowcount == 0:
        raise _wrong()
    session.execute(
        text("UPDATE coalition.member_identifier SET verified_at = :now WHERE identifier_id = :id"),
        {"id": told.identifier_id, "now": act.now},
    )
    audit.append(session, act, "member.identifier_verified", ids.show_our_own(told.member_id), **kept.facts)
    return replace(kept, verified_at=act.now)


def drop(session: Session, member_id: UUID) -> None:
    """End all codes on their way to the member's addresses."""
    session.execute(
        text("""
            DELETE FROM coalition.identifier_verification WHERE identifier_id IN (
                SELECT identifier_id FROM coalition.member_identifier WHERE member_id = :member_id)
        """),
        {"member_id": member_id},
    )


def _unverified(session: Session, told: ToldBack) -> KeptIdentifier:
    kept = member_identifiers.get(
        session, member_id=told.member_id, identifier_id=told.identifier_id, partner_id=told.partner_id
    )
    if kept.verified_at is not None:
        raise AlreadyVerified("this address is already verified")
    return kept


def _wrong() -> WrongVerificationCode:
    return WrongVerificationCode("the code is wrong or has expired")


def _too_soon(session: Session, identifier_id: UUID, now: datetime) -> VerificationTooSoon:
    wait = session.scalar(
        text(f"""
            SELECT extract(epoch FROM sent_at - CAST(:now AS timestamptz)) + {_WAIT_S}
            FROM coalition.identifier_verification v WHERE identifier_id = :identifier_id
        """),  # noqa: S608
        {"identifier_id": identifier_id, "now": now, "first": FIRST_WAIT_S, "longest": LONGEST_WAIT_S},
    )
    wait_s = max(1, math.ceil(wait or 0))
    return VerificationTooSoon(marked("we sent a code; you can ask for another one in a while"), retry_after_s=wait_s)


def _hash(code: str, identifier_id: UUID, partner_id: UUID | None, keyring: Keyring) -> bytes:
    # Who asked for it is part of it: a partner that reads the mail has no use for the code its member asked for.
    return keyring.fingerprint(
        purpose="verification code", value=f"{identifier_id}:{partner_id or 'the member'}:{code}"
    )
