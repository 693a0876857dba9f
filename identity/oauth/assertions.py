"""Clients that sign in with a private key (RFC 7523 §3): each assertion is short-lived and counts once."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import import_key
from joserfc.util import urlsafe_b64decode
from sqlalchemy import text

from identity import clients
from identity.clients import Client
from kit import strict_json
from kit.db import Session

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
    read = _read(assertion)
    if read is None:
        return None
    header, claims = read
    claimed = claims.get("iss")
    # Whose keys to verify with; nothing else of it is believed before.
    if not isinstance(claimed, str) or claimed != (client_id or claimed):
        return None
    client = clients.get(session, claimed)
    if client is None or client.jwks is None or client.auth_method != "private_key_jwt":
        return None
    if not _is_signed(assertion, client.jwks, header.get("kid")):
        return None
    if not _are_right(claims, client.client_id, audiences, now):
        return None
    return client if _is_first(session, client.client_id, claims, now) else None


def _read(assertion: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Its header and claims, not verified yet; None for what only a lenient reader could read."""
    if len(assertion) > LONGEST or not assertion.isascii():
        return None
    try:
        parts = jws.extract_compact(assertion.encode())
        header = strict_json.loads(urlsafe_b64decode(parts.segments["header"]))
        claims = strict_json.loads(parts.payload)
    except _UNREADABLE:
        return None
    return (header, claims) if isinstance(header, dict) and isinstance(claims, dict) else None


def _is_signed(assertion: str, jwks: dict[str, Any], kid: object) -> bool:
    """Whether the one key its header names signed it."""
    try:
        key = next(key for key in jwks["keys"] if key["kid"] == kid)
        algorithms = ALGORITHMS[key["kty"]]
        registry = jws.JWSRegistry(algorithms=algorithms)
        jwt.decode(assertion, import_key(key), algorithms=algorithms, registry=registry)
    except (*_UNREADABLE, StopIteration):
        return False
    return True


def _are_right(claims: dict[str, Any], client_id: str, audiences: Collection[str], now: datetime) -> bool:
    audience, expires, jti = claims.get("aud"), claims.get("exp"), claims.get("jti")
    named = [audience] if isinstance(audience, str) else audience
    if claims.get("sub") != client_id or not isinstance(named, list) or not any(one in audiences for one in named):
        return False
    if type(expires) is not int or not isinstance(jti, str) or not 1 <= len(jti) <= 200:
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
