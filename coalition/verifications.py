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
from kit.db import Database, Session
from kit.errors import Conflict, Forbidden
from kit.secrets import Keyring, same

LIFETIME = timedelta(minutes=10)
TRIES = 5
FIRST_WAIT_S = 60  # until another may be sent; doubled with every one
LONGEST_WAIT_S = 86_400


class NotVerifiable(Conflict):
    """Only an e-mail address can be verified: there is no channel to phones yet, and nothing is sent to cards."""

    code = "not_verifiable"
    title = "Not verifiable"


class AlreadyVerified(Conflict):
    """The identifier is verified already."""

    code = "already_verified"
    title = "Already verified"


class VerificationTooSoon(Conflict):
    """A code was sent a moment ago; another may be sent in `retry_after_s` seconds."""

    code = "verification_too_soon"
    title = "Code sent just now"


class WrongVerificationCode(Forbidden):
    """The code is not the one sent last, its ten minutes are over, or it was tried five times."""

    code = "wrong_verification_code"
    title = "Wrong verification code"


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
    session: Session, *, member_id: UUID, identifier_id: UUID, partner_id: UUID | None, keyring: Keyring, now: datetime
) -> Challenge:
    """A new six-digit code for an e-mail address; the one before ends. `now` is the true time.

    Asked for by a partner, or (None) by the member; the caller sees to it that they may.

    Raises MemberNotFound, IdentifierNotFound, NotVerifiable, AlreadyVerified, VerificationTooSoon.
    """
    members.lock(session, member_id)
    kept = member_identifiers.get(session, member_id=member_id, identifier_id=identifier_id, partner_id=partner_id)
    if kept.kind != EMAIL:
        raise NotVerifiable(f"a {kept.kind} can't be verified yet, only an e-mail address", kind=kept.kind)
    if kept.verified_at is not None:
        raise AlreadyVerified("this address is verified already")
    code = f"{secrets.randbelow(1_000_000):06d}"
    written = session.execute(
        _WRITE,
        {
            "identifier_id": identifier_id,
            "hash": _hash(code, identifier_id, partner_id, keyring),
            "tries": TRIES,
            "now": now,
            "ends": now + LIFETIME,
            "first": FIRST_WAIT_S,
            "longest": LONGEST_WAIT_S,
        },
    )
    if written.rowcount == 0:
        raise _too_soon(session, identifier_id, now)
    sealed = session.scalar(
        text("SELECT sealed FROM coalition.member_identifier WHERE identifier_id = :identifier_id"),
        {"identifier_id": identifier_id},
    )
    return Challenge(keyring.unseal(bytes(sealed or b""), purpose=members.SEALED_FOR).decode(), code)


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


def confirm(session: Session, told: ToldBack, *, keyring: Keyring, now: datetime) -> KeptIdentifier:
    """Use up the code that was checked: the address is the member's, which stays locked to the transaction's end.

    Raises MemberNotFound, IdentifierNotFound, AlreadyVerified; WrongVerificationCode, where the code ended meanwhile.
    """
    members.lock(session, told.member_id)
    kept = _unverified(session, told)
    used = session.execute(
        text("DELETE FROM coalition.identifier_verification WHERE identifier_id = :id AND code_hash = :hash"),
        {"id": told.identifier_id, "hash": _hash(told.code, told.identifier_id, told.partner_id, keyring)},
    )
    if used.rowcount == 0:
        raise _wrong()
    session.execute(
        text("UPDATE coalition.member_identifier SET verified_at = :now WHERE identifier_id = :id"),
        {"id": told.identifier_id, "now": now},
    )
    return replace(kept, verified_at=now)


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
        raise AlreadyVerified("this address is verified already")
    return kept


def _wrong() -> WrongVerificationCode:
    return WrongVerificationCode("the code is wrong, or its time is over")


def _too_soon(session: Session, identifier_id: UUID, now: datetime) -> VerificationTooSoon:
    wait = session.scalar(
        text(f"""
            SELECT extract(epoch FROM sent_at - CAST(:now AS timestamptz)) + {_WAIT_S}
            FROM coalition.identifier_verification v WHERE identifier_id = :identifier_id
        """),  # noqa: S608
        {"identifier_id": identifier_id, "now": now, "first": FIRST_WAIT_S, "longest": LONGEST_WAIT_S},
    )
    wait_s = max(1, math.ceil(wait or 0))
    return VerificationTooSoon(f"a code was sent; another may be sent in {wait_s} s", retry_after_s=wait_s)


def _hash(code: str, identifier_id: UUID, partner_id: UUID | None, keyring: Keyring) -> bytes:
    # Who asked for it is part of it: a partner that reads the mail has no use for the code its member asked for.
    return keyring.fingerprint(
        purpose="verification code", value=f"{identifier_id}:{partner_id or 'the member'}:{code}"
    )
