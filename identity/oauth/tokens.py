"""Tokens from the outside: ended (RFC 7009), and asked about (RFC 7662)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from identity import access_tokens
from identity.oauth import authorization, grants, id_tokens, refresh_tokens
from identity.oauth.grants import Spend
from kit import audit
from kit.audit import Act
from kit.db import Session
from kit.secrets import Keyring


def revoke(session: Session, act: Act, *, token: str, client_id: str) -> None:
    """End a client's access token, or with its refresh token the whole grant; anything else is left in silence."""
    grant_id = refresh_tokens.grant_of(session, token=token, client_id=client_id, keyring=act.keyring)
    if grant_id is not None:
        if grants.revoke(session, grant_id=grant_id, because="the client revoked it", now=act.now):
            audit.append(session, act, "consent.revoked_by_client", client_id, grant_id=grant_id)
    elif (token_hash := access_tokens.hash_of(act.keyring, token)) is not None:
        session.execute(
            text("DELETE FROM partners.access_token WHERE token_hash = :hash AND client_id = :client_id"),
            {"hash": token_hash, "client_id": client_id},
        )


def introspect(
    session: Session, *, token: str, partner_id: UUID | None, issuer: str, now: datetime, keyring: Keyring
) -> dict[str, Any]:
    """What an access token of the partner's own clients is good for; nothing is said of any other."""
    token_hash = access_tokens.hash_of(keyring, token)
    row = (
        token_hash
        and session.execute(
            text("""
            SELECT t.client_id, t.scopes, t.issued_at, t.expires_at, g.subject_kind, g.subject_id,
                   g.most_per_purchase, g.most_per_day
            FROM partners.access_token t
            JOIN partners.oauth_client c USING (client_id)
            LEFT JOIN partners.oauth_grant g USING (grant_id)
            WHERE t.token_hash = :hash AND c.partner_id = :partner_id AND t.expires_at > :now
              AND c.revoked_at IS NULL AND g.revoked_at IS NULL
        """),
            {"hash": token_hash, "partner_id": partner_id, "now": now},
        ).first()
    )
    if not row:
        return {"active": False}
    found = {
        "active": True,
        "scope": " ".join(row.scopes),
        "client_id": row.client_id,
        "token_type": "Bearer",
        "iss": issuer,
        "iat": int(row.issued_at.timestamp()),
        "exp": int(row.expires_at.timestamp()),
        "sub": row.client_id,
    }
    if row.subject_kind == "member" and partner_id is not None:
        found["sub"] = id_tokens.subject_of(row.subject_id, partner_id=partner_id, keyring=keyring)
    if row.most_per_purchase:
        found["authorization_details"] = authorization.details_of(Spend(row.most_per_purchase, row.most_per_day))
    return found


def issued(session: Session, *, partner_id: UUID, since: datetime) -> dict[str, list[datetime]]:
    """When each client of a partner was given an access token of its own since a time; revoked ones are forgotten."""
    rows = session.execute(
        text("""
            SELECT client_id, array_agg(t.issued_at ORDER BY t.issued_at)
            FROM partners.access_token t JOIN partners.oauth_client c USING (client_id)
            WHERE c.partner_id = :partner_id AND t.grant_id IS NULL AND t.issued_at >= :since GROUP BY client_id
        """),
        {"partner_id": partner_id, "since": since},
    )
    return {row[0]: list(row[1]) for row in rows}
