"""Device codes (RFC 8628): a till shows a short code, its partner's staff confirm it, the till gets tokens."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import text

from identity.oauth import grants, kept_answers
from identity.oauth.grants import Grant
from kit import ids
from kit.audit import Act
from kit.db import Session
from kit.errors import NotFound
from kit.secrets import Keyring, new_token, token_is_wellformed

LIFETIME = timedelta(minutes=10)
INTERVAL_S = 5
SLOWEST_S = 60
PREFIX = "co_dc"
_PURPOSE = "device answer"
# No vowels and no look-alikes, so that codes form no words and can be read out (RFC 8628 §6.1).
ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
HALF = 4


class UserCodeUnknown(NotFound):
    code = "user_code_unknown"
    title = "Unknown code"
    description = "None of your tills shows this code, or the code has expired."
    remedy = (
        "Compare the code with what the till shows now. If the till shows none or a new one, start its sign-in again "
        "and enter the new code."
    )


class Poll(Enum):
    """What a till that asks for its tokens is told; the values are RFC 8628's."""

    PENDING = "authorization_pending"
    SLOW_DOWN = "slow_down"
    DENIED = "access_denied"
    EXPIRED = "expired_token"


@dataclass(frozen=True)
class Codes:
    """What a till gets to begin with: a code to ask with, and one to show."""

    device: str
    user: str


@dataclass(frozen=True)
class Waiting:
    """A till that waits to be let in."""

    client_id: str
    client_name: str
    scopes: tuple[str, ...]


def begin(session: Session, *, client_id: str, scopes: tuple[str, ...], now: datetime, keyring: Keyring) -> Codes:
    """New codes for a till."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(2 * HALF))
    codes = Codes(new_token(PREFIX), f"{letters[:HALF]}-{letters[HALF:]}")
    session.execute(
        text("""
            INSERT INTO partners.device_code (device_hash, user_hash, client_id, scopes, expires_at, poll_after)
            VALUES (:device, :user, :client_id, :scopes, :expires_at, :now)
        """),
        {
            "device": _device_hash(keyring, codes.device),
            "user": _user_hash(keyring, codes.user),
            "client_id": client_id,
            "scopes": list(scopes),
            "expires_at": now + LIFETIME,
            "now": now,
        },
    )
    return codes


def waiting(session: Session, *, user_code: str, partner_id: UUID, now: datetime, keyring: Keyring) -> Waiting:
    """The till of `partner_id` that shows this code; raises UserCodeUnknown, also for another partner's."""
    row = session.execute(
        text("""
            SELECT d.client_id, c.name, d.scopes FROM partners.device_code d
            JOIN partners.oauth_client c USING (client_id)
            WHERE d.user_hash = :hash AND c.partner_id = :partner_id AND d.expires_at > :now
              AND d.grant_id IS NULL AND NOT d.denied AND c.revoked_at IS NULL
        """),
        {"hash": _user_hash(keyring, user_code), "partner_id": partner_id, "now": now},
    ).first()
    if row is None:
        raise UserCodeUnknown("none of your tills shows this code now")
    return Waiting(row.client_id, row.name, tuple(row.scopes))


def confirm(
    session: Session,
    act: Act,
    *,
    user_code: str,
    partner_id: UUID,
    staff_id: UUID,
    till: str,
    till_id: UUID | None = None,
) -> Grant:
    """Let the till in that shows this code, and call it `till`; raises UserCodeUnknown.

    With `till_id` it is that till of that location, and its tokens are good only while the two may work.
    """
    # Of two answers at once the second finds the code answered.
    mine = {"hash": _user_hash(act.keyring, user_code)}
    session.execute(text("SELECT FROM partners.device_code WHERE user_hash = :hash FOR UPDATE"), mine)
    found = waiting(session, user_code=user_code, partner_id=partner_id, now=act.now, keyring=act.keyring)
    grant = Grant(
        grant_id=ids.new(),
        client_id=found.client_id,
        subject_kind="staff",
        subject_id=staff_id,
        scopes=found.scopes,
        created_at=act.now,
        till=till,
        till_id=till_id,
    )
    grants.create(session, act, grant)
    session.execute(
        text("UPDATE partners.device_code SET grant_id = :grant_id WHERE user_hash = :hash"),
        {"grant_id": grant.grant_id, **mine},
    )
    return grant


def deny(session: Session, *, user_code: str, partner_id: UUID, now: datetime, keyring: Keyring) -> None:
    """Turn the till away that shows this code; raises UserCodeUnknown."""
    waiting(session, user_code=user_code, partner_id=partner_id, now=now, keyring=keyring)
    done = session.execute(
        text("UPDATE partners.device_code SET denied = true WHERE user_hash = :hash AND grant_id IS NULL"),
        {"hash": _user_hash(keyring, user_code)},
    )
    if done.rowcount == 0:
        raise UserCodeUnknown("somebody else has just answered this code")


def poll(
    session: Session,
    *,
    device_code: str,
    client_id: str,
    now: datetime,
    keyring: Keyring,
    answer: Callable[[Grant], dict[str, Any]],
) -> dict[str, Any] | Poll:
    """The `answer` to a till that was let in, the same for a minute; otherwise what to tell it.

    Asking too fast makes it wait longer. A code that is brought again later than that was copied: the grant ends.
    """
    row = None
    if token_is_wellformed(PREFIX, device_code):
        row = session.execute(
            text("""
                SELECT device_hash, expires_at, poll_after, interval_s, denied, grant_id, used_at, answer
                FROM partners.device_code WHERE device_hash = :h AND client_id = :c FOR UPDATE
            """),
            {"h": _device_hash(keyring, device_code), "c": client_id},
        ).first()
    if row is None:
        return Poll.EXPIRED
    if row.used_at is not None:
        if row.answer and now - row.used_at <= kept_answers.REPEATED_FOR and grants.get(session, row.grant_id):
            return kept_answers.again(
                bytes(row.answer), given_at=row.used_at, now=now, purpose=_PURPOSE, keyring=keyring
            )
        grants.revoke(session, grant_id=row.grant_id, because="a device code was used twice", now=now)
        return Poll.EXPIRED
    if row.denied:
        return Poll.DENIED
    if row.expires_at <= now:
        return Poll.EXPIRED
    too_soon = now < row.poll_after
    interval_s = min(row.interval_s + INTERVAL_S * too_soon, SLOWEST_S)
    grant = grants.get(session, row.grant_id) if row.grant_id and not too_soon else None
    made = answer(grant) if grant else None
    session.execute(
        text("""
            UPDATE partners.device_code
            SET poll_after = :after, interval_s = :interval, used_at = :used, answer = :answer
            WHERE device_hash = :hash
        """),
        {
            "after": now + timedelta(seconds=interval_s - 0.5),  # half a second for the way here
            "interval": interval_s,
            "used": now if made else None,
            "answer": kept_answers.seal(made, purpose=_PURPOSE, keyring=keyring) if made else None,
            "hash": row.device_hash,
        },
    )
    if too_soon:
        return Poll.SLOW_DOWN
    return made or (Poll.DENIED if row.grant_id else Poll.PENDING)


def normalised(user_code: str) -> str:
    """A code as it is shown, however it was typed; something that can't be one comes back empty."""
    letters = [letter for letter in user_code.upper() if letter.isalnum()]
    if len(letters) != 2 * HALF or not set(letters) <= set(ALPHABET):
        return ""
    return "".join(letters[:HALF]) + "-" + "".join(letters[HALF:])


def _device_hash(keyring: Keyring, code: str) -> bytes:
    return keyring.fingerprint(purpose="device code", value=code)


def _user_hash(keyring: Keyring, code: str) -> bytes:
    return keyring.fingerprint(purpose="user code", value=code)
