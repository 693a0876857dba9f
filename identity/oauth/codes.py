"""Authorization codes (RFC 6749 §4.1, PKCE RFC 7636): a minute long, for one use, whose repetition ends the grant."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from sqlalchemy import Row, text

from identity.oauth import grants
from kit.db import Session
from kit.secrets import Keyring, new_token, same

LIFETIME = timedelta(seconds=60)
PREFIX = "co_ac"
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


@dataclass(frozen=True, kw_only=True)
class Code:
    """What a code was given for, and how the member had signed in."""

    grant_id: UUID
    client_id: str
    redirect_uri: str
    challenge: str
    nonce: str | None
    authenticated_at: datetime
    methods: tuple[str, ...]


def issue(session: Session, code: Code, *, now: datetime, keyring: Keyring) -> str:
    """The code a browser carries back to the client."""
    plain = new_token(PREFIX)
    session.execute(
        text("""
            INSERT INTO partners.authorization_code (code_hash, grant_id, client_id, redirect_uri, challenge, nonce,
                                                     authenticated_at, methods, expires_at)
            VALUES (:code_hash, :grant_id, :client_id, :redirect_uri, :challenge, :nonce, :authenticated_at, :methods,
                    :expires_at)
        """),
        {
            **vars(code),
            "methods": list(code.methods),
            "code_hash": _hash(keyring, plain),
            "expires_at": now + LIFETIME,
        },
    )
    return plain


def redeem(
    session: Session, *, code: str, client_id: str, redirect_uri: str, verifier: str, now: datetime, keyring: Keyring
) -> Code | None:
    """What the code was given for, once; None when anything about it is wrong.

    One conditional UPDATE uses it up, so of two redemptions at once one gets it. Whoever brings a used one may have
    stolen it, or may have been robbed: the grant ends, and with it what the first was given (RFC 9700 §2.1.1).
    """
    code_hash = _hash(keyring, code)
    row = session.execute(
        text("""
            SELECT grant_id, client_id, redirect_uri, challenge, nonce, authenticated_at, methods, expires_at, used_at
            FROM partners.authorization_code WHERE code_hash = :hash
        """),
        {"hash": code_hash},
    ).first()
    if row is None or row.client_id != client_id or row.redirect_uri != redirect_uri:
        return None
    if not VERIFIER.fullmatch(verifier) or not same(row.challenge, challenge_of(verifier)):
        return None
    used = session.execute(
        text("""
            UPDATE partners.authorization_code SET used_at = :now
            WHERE code_hash = :hash AND used_at IS NULL AND expires_at > :now
        """),
        {"hash": code_hash, "now": now},
    )
    if used.rowcount:
        return _code(row)
    if row.expires_at > now or row.used_at is not None:
        grants.revoke(session, grant_id=row.grant_id, because="a code was used twice", now=now)
    return None


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a verifier (RFC 7636 §4.2)."""
    return base64.urlsafe_b64encode(sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode()


def _code(row: Row[tuple[object, ...]]) -> Code:
    return Code(
        grant_id=row.grant_id,
        client_id=row.client_id,
        redirect_uri=row.redirect_uri,
        challenge=row.challenge,
        nonce=row.nonce,
        authenticated_at=row.authenticated_at,
        methods=tuple(row.methods),
    )


def _hash(keyring: Keyring, code: str) -> bytes:
    return keyring.fingerprint(purpose="authorization code", value=code)
