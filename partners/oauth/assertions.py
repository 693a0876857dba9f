"""Clients that sign in with a private key (RFC 7523 §3): each assertion is short-lived and counts once."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any, TypeGuard

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import import_key
from sqlalchemy import text

from kit.db import Session
from partners import clients
from partners.clients import Client

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# Asymmetric only: with "none" or HS256 a public key would do as a secret; by type, so that none passes for another.
ALGORITHMS = {"EC": ["ES256"], "RSA": ["PS256", "RS256"], "OKP": ["EdDSA", "Ed25519"]}
LONGEST = 4_000
LONGEST_LIFE = timedelta(minutes=10)
SKEW = timedelta(seconds=30)
# What comes of JSON of the wrong shape, besides what the library says: a header may be a list, an algorithm an object.
_UNREADABLE = (JoseError, ValueError, TypeError, AttributeError, RecursionError)


def authenticate(
    session: Session, *, assertion: str, client_id: str | None, audiences: Collection[str], now: datetime
) -> Client | None:
    """The client that signed `assertion` for one of `audiences`, or None; the same assertion counts once."""
    claimed = _unverified_issuer(assertion)
    if claimed is None or claimed != (client_id or claimed):
        return None
    client = clients.get(session, claimed)
    if client is None or client.jwks is None or client.auth_method != "private_key_jwt":
        return None
    claims = _verified(assertion, client.jwks)
    if claims is None or not _are_right(claims, client.client_id, audiences, now):
        return None
    return client if _is_first(session, client.client_id, claims, now) else None


def _unverified_issuer(assertion: str) -> str | None:
    """Whose keys to verify with; nothing else of it is believed before."""
    if len(assertion) > LONGEST or not assertion.isascii():
        return None
    try:
        issuer = json.loads(jws.extract_compact(assertion.encode()).payload).get("iss")
    except _UNREADABLE:
        return None
    return issuer if _is_text(issuer) else None


def _is_text(value: object) -> TypeGuard[str]:
    # JSON's text may hold what PostgreSQL's can't: NUL, and halves of characters (RFC 8259 §8.2).
    return isinstance(value, str) and value.isprintable()


def _verified(assertion: str, jwks: dict[str, Any]) -> dict[str, Any] | None:
    """The claims, if the one key its header names signed them."""
    try:
        kid = jws.extract_compact(assertion.encode()).headers().get("kid")
        key = next(key for key in jwks["keys"] if key["kid"] == kid)
        token = jwt.decode(
            assertion,
            import_key(key),
            algorithms=ALGORITHMS[key["kty"]],
            registry=jws.JWSRegistry(algorithms=ALGORITHMS[key["kty"]]),
        )
    except (*_UNREADABLE, StopIteration):
        return None
    return token.claims


def _are_right(claims: dict[str, Any], client_id: str, audiences: Collection[str], now: datetime) -> bool:
    audience, expires, jti = claims.get("aud"), claims.get("exp"), claims.get("jti")
    named = [audience] if isinstance(audience, str) else audience
    if claims.get("sub") != client_id or not isinstance(named, list) or not any(one in audiences for one in named):
        return False
    if type(expires) is not int or not _is_text(jti) or not 1 <= len(jti) <= 200:
        return False
    begins = [claims[name] for name in ("iat", "nbf") if name in claims]
    latest = (now + SKEW).timestamp()
    if not all(type(begin) in (int, float) and begin <= latest for begin in begins):
        return False
    return (now - SKEW).timestamp() < expires <= (now + LONGEST_LIFE).timestamp()


def _is_first(session: Session, client_id: str, claims: dict[str, Any], now: datetime) -> bool:
    done = session.execute(
        text("""
            INSERT INTO partners.client_assertion (client_id, jti, expires_at) VALUES (:client_id, :jti, :expires_at)
            ON CONFLICT (client_id, jti) DO NOTHING
        """),
        {
            "client_id": client_id,
            "jti": claims["jti"],
            "expires_at": max(datetime.fromtimestamp(claims["exp"], UTC), now) + SKEW,
        },
    )
    return done.rowcount > 0
