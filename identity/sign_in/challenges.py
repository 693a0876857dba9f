"""What an authenticator has to sign: 256 random bits, kept as a hash, for one browser, once, for five minutes."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from identity.sign_in.codes import browser_hash
from identity.sign_in.people import Kind
from kit.db import Session
from kit.secrets import Keyring

LIFETIME = timedelta(minutes=5)


def issue(
    session: Session, *, kind: Kind, browser: str, session_id: UUID | None, now: datetime, keyring: Keyring
) -> bytes:
    """A new challenge: to register a passkey in the session `session_id`, or (None) to sign in with one."""
    challenge = secrets.token_bytes(32)
    session.execute(
        text("""
            INSERT INTO partners.passkey_challenge (challenge_hash, browser_hash, kind, session_id, expires_at)
            VALUES (:hash, :browser_hash, :kind, :session_id, :expires_at)
        """),
        {
            "hash": _hash(keyring, challenge),
            "browser_hash": browser_hash(keyring, browser),
            "kind": kind,
            "session_id": session_id,
            "expires_at": now + LIFETIME,
        },
    )
    return challenge


def take(
    session: Session,
    challenge: bytes,
    *,
    kind: Kind,
    browser: str,
    session_id: UUID | None,
    now: datetime,
    keyring: Keyring,
) -> bool:
    """Whether `challenge` was issued for just this and not taken before.

    Commit it before what was signed is looked at: whatever comes of that, the challenge is used up.
    """
    done = session.execute(
        text("""
            DELETE FROM partners.passkey_challenge
            WHERE challenge_hash = :hash AND browser_hash = :browser_hash AND kind = :kind
              AND session_id IS NOT DISTINCT FROM CAST(:session_id AS uuid) AND expires_at > :now
        """),
        {
            "hash": _hash(keyring, challenge),
            "browser_hash": browser_hash(keyring, browser),
            "kind": kind,
            "session_id": session_id,
            "now": now,
        },
    )
    return done.rowcount == 1


def forget(session: Session, *, now: datetime, limit: int) -> int:
    """Delete challenges nobody answered in time; returns how many."""
    return session.execute(
        text("""
            DELETE FROM partners.passkey_challenge WHERE challenge_hash IN (
                SELECT challenge_hash FROM partners.passkey_challenge WHERE expires_at < :now LIMIT :limit)
        """),
        {"now": now, "limit": limit},
    ).rowcount


def _hash(keyring: Keyring, challenge: bytes) -> bytes:
    return keyring.fingerprint(purpose="passkey challenge", value=challenge.hex())
