"""Refresh tokens (RFC 6749 §6, RFC 9700 §4.14): bound to their client, ended by disuse.

A client with credentials keeps its token. One without gets a new token at each use; the answer is repeated for a
minute, so that a lost response costs nobody a new sign-in, and after that an old token ends the whole grant.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from identity.oauth import grants, kept_answers
from kit.db import Session
from kit.secrets import Keyring, new_token, token_is_wellformed

PREFIX = "co_rt"
IDLE = timedelta(days=60)
_PURPOSE = "refresh answer"


def issue(session: Session, *, grant_id: UUID, client_id: str, now: datetime, keyring: Keyring) -> str:
    """A new refresh token for a grant."""
    plain = new_token(PREFIX)
    session.execute(
        text("""
            INSERT INTO partners.refresh_token (token_hash, grant_id, client_id, issued_at, expires_at)
            VALUES (:token_hash, :grant_id, :client_id, :now, :expires_at)
        """),
        {
            "token_hash": hash_of(keyring, plain),
            "grant_id": grant_id,
            "client_id": client_id,
            "now": now,
            "expires_at": now + IDLE,
        },
    )
    return plain


def use(session: Session, *, token: str, client_id: str, now: datetime, keyring: Keyring) -> UUID | None:
    """The grant of a client's token, whose end is put off; None when it is unknown, another's, or idle for too long."""
    if not token_is_wellformed(PREFIX, token):
        return None
    grant_id: UUID | None = session.scalar(
        text("""
            UPDATE partners.refresh_token r SET expires_at = :later
            FROM partners.oauth_grant g
            WHERE r.token_hash = :hash AND r.client_id = :client_id AND r.expires_at > :now AND r.used_at IS NULL
              AND g.grant_id = r.grant_id AND g.revoked_at IS NULL
            RETURNING r.grant_id
        """),
        {"hash": hash_of(keyring, token), "client_id": client_id, "now": now, "later": now + IDLE},
    )
    return grant_id


def rotate(
    session: Session,
    *,
    token: str,
    client_id: str,
    now: datetime,
    keyring: Keyring,
    answer: Callable[[UUID], dict[str, Any]],
) -> dict[str, Any] | None:
    """Accept a token for the last time and make its `answer`, given the grant; the same answer for a minute.

    None when it is unknown, another's or over. One that is brought again later was copied: the grant ends.
    """
    if not token_is_wellformed(PREFIX, token):
        return None
    key = hash_of(keyring, token)
    # The row is locked first: whoever comes at the same time finds the answer that is made here.
    row = session.execute(
        text("""
            SELECT r.grant_id, r.expires_at, r.used_at, r.answer FROM partners.refresh_token r
            JOIN partners.oauth_grant g USING (grant_id)
            WHERE r.token_hash = :hash AND r.client_id = :client_id AND g.revoked_at IS NULL FOR UPDATE OF r
        """),
        {"hash": key, "client_id": client_id},
    ).first()
    if row is None or row.expires_at <= now:
        return None
    if row.used_at is not None:
        if now - row.used_at <= kept_answers.REPEATED_FOR:
            return kept_answers.again(
                bytes(row.answer), given_at=row.used_at, now=now, purpose=_PURPOSE, keyring=keyring
            )
        grants.revoke(session, grant_id=row.grant_id, because="a refresh token was used again", now=now)
        return None
    made = answer(row.grant_id)
    session.execute(
        text("UPDATE partners.refresh_token SET used_at = :now, answer = :answer WHERE token_hash = :hash"),
        {"hash": key, "now": now, "answer": kept_answers.seal(made, purpose=_PURPOSE, keyring=keyring)},
    )
    return made


def grant_of(session: Session, *, token: str, client_id: str, keyring: Keyring) -> UUID | None:
    """The grant a client's refresh token belongs to, used or not."""
    found: UUID | None = session.scalar(
        text("SELECT grant_id FROM partners.refresh_token WHERE token_hash = :hash AND client_id = :client_id"),
        {"hash": hash_of(keyring, token), "client_id": client_id},
    )
    return found


def hash_of(keyring: Keyring, token: str) -> bytes:
    """What is stored instead of the token."""
    return keyring.fingerprint(purpose="refresh token", value=token)
