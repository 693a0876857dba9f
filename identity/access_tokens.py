"""Access tokens: 256 random bits, kept as keyed hashes only; and who holds one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from identity import prefixes
from identity.clients import Admin, Client, Principal
from kit.db import Session
from kit.secrets import Keyring, new_token, token_is_wellformed
from partners.states import Standing


def issue(
    session: Session,
    *,
    client: Client,
    scopes: Sequence[str],
    lifetime_s: int,
    now: datetime,
    keyring: Keyring,
    grant_id: UUID | None = None,
) -> str:
    """A new access token for `client`, good for `scopes` and `lifetime_s` seconds, or until its grant ends."""
    token = new_token(prefixes.of_tokens(keyring))
    session.execute(
        text("""
            INSERT INTO partners.access_token (token_hash, client_id, scopes, issued_at, expires_at, grant_id)
            VALUES (:token_hash, :client_id, :scopes, :now, :expires_at, :grant_id)
        """),
        {
            "token_hash": _hash(keyring, token),
            "client_id": client.client_id,
            "scopes": list(scopes),
            "now": now,
            "expires_at": now + timedelta(seconds=lifetime_s),
            "grant_id": grant_id,
        },
    )
    return token


_PRINCIPAL = text("""
    SELECT c.client_id, c.partner_id, t.scopes, p.is_issuer, p.is_redeemer, p.status::text, p.earns_until,
           p.burns_until, least(t.expires_at, p.leaves_at) AS expires_at, t.grant_id,
           CASE g.subject_kind WHEN 'member' THEN g.subject_id END AS member_id, p.ahead, p.is_over_limit,
           o.location_id
    FROM partners.access_token t
    JOIN partners.oauth_client c USING (client_id)
    LEFT JOIN partners.standing p USING (partner_id)
    LEFT JOIN partners.oauth_grant g ON g.grant_id = t.grant_id
    LEFT JOIN partners.open_till o ON o.till_id = g.till_id
    WHERE t.token_hash = :token_hash AND t.expires_at > :now AND c.revoked_at IS NULL AND g.revoked_at IS NULL
      AND (p.leaves_at IS NULL OR p.leaves_at > :now) AND p.status IS DISTINCT FROM 'left'
      AND (g.till_id IS NULL OR o.till_id IS NOT NULL)
""")


def find_principal(session: Session, *, token_hash: bytes, now: datetime) -> tuple[Principal | Admin, datetime] | None:
    """Who holds the token with this hash and until when, or None when there is no such valid token."""
    row = session.execute(_PRINCIPAL, {"token_hash": token_hash, "now": now}).first()
    if row is None:
        return None
    scopes = frozenset(row.scopes)
    if row.partner_id is None:
        return Admin(row.client_id, scopes), row.expires_at
    found = Principal(
        client_id=row.client_id,
        partner_id=row.partner_id,
        scopes=scopes,
        is_issuer=row.is_issuer,
        is_redeemer=row.is_redeemer,
        standing=Standing(row.status, row.earns_until, row.burns_until),
        grant_id=row.grant_id,
        member_id=row.member_id,
        ahead=row.ahead,
        is_over_limit=row.is_over_limit,
        location_id=row.location_id,
    )
    return found, row.expires_at


def forget(session: Session, *, now: datetime, limit: int = 10_000) -> int:
    """Forget tokens that expired more than a day ago; returns how many."""
    done = session.execute(
        text("""
            DELETE FROM partners.access_token WHERE token_hash IN (
                SELECT token_hash FROM partners.access_token WHERE expires_at < :before LIMIT :limit)
        """),
        {"before": now - timedelta(days=1), "limit": limit},
    )
    return done.rowcount


def hash_of(keyring: Keyring, token: str) -> bytes | None:
    """The hash a token is stored under, or None when it can't be one of ours."""
    return _hash(keyring, token) if token_is_wellformed(prefixes.of_tokens(keyring), token) else None


def _hash(keyring: Keyring, token: str) -> bytes:
    return keyring.fingerprint(purpose="access token", value=token)
