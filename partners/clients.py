"""OAuth clients and the access tokens issued to them. Both secrets are 256 random bits, kept as keyed hashes only."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from kit.db import Session
from kit.errors import Invalid, NotFound
from kit.secrets import Keyring, new_token, same, token_is_wellformed
from partners.scopes import SCOPES

TOKEN_PREFIX = "co_at_live"  # noqa: S105 -- what tokens begin with
SECRET_PREFIX = "co_secret"  # noqa: S105
CACHE_S = 2.0
CACHE_ENTRIES = 10_000


class UnknownScope(Invalid):
    """A scope that doesn't exist."""

    code = "unknown_scope"
    title = "Unknown scope"


class ClientNotFound(NotFound):
    """No OAuth client has this id."""

    code = "client_not_found"
    title = "Client not found"


@dataclass(frozen=True)
class Client:
    """A partner's program: what it may ask tokens for."""

    client_id: str
    partner_id: UUID
    scopes: tuple[str, ...]


@dataclass(frozen=True)
class Principal:
    """Who stands behind a request."""

    client_id: str
    partner_id: UUID
    scopes: frozenset[str]
    is_issuer: bool
    is_redeemer: bool


def create(
    session: Session, *, partner_id: UUID, scopes: Sequence[str] | None, now: datetime, keyring: Keyring
) -> tuple[Client, str]:
    """A new client and its secret, which can't be had again. Without `scopes` it gets all. Raises UnknownScope."""
    wanted = tuple(sorted(set(scopes or SCOPES)))
    if unknown := [scope for scope in wanted if scope not in SCOPES]:
        raise UnknownScope(f"there is no scope {unknown[0]}; there are {', '.join(SCOPES)}")
    client = Client(f"co_client_{secrets.token_urlsafe(16)}", partner_id, wanted)
    secret = new_token(SECRET_PREFIX)
    session.execute(
        text("""
            INSERT INTO partners.oauth_client (client_id, partner_id, secret_hash, scopes, created_at)
            VALUES (:client_id, :partner_id, :secret_hash, :scopes, :now)
        """),
        {
            "client_id": client.client_id,
            "partner_id": partner_id,
            "secret_hash": _secret_hash(keyring, secret),
            "scopes": list(wanted),
            "now": now,
        },
    )
    return client, secret


def revoke(session: Session, *, client_id: str, now: datetime) -> None:
    """End a client, and its tokens within the two seconds a process remembers them. Raises ClientNotFound."""
    done = session.execute(
        text("UPDATE partners.oauth_client SET revoked_at = :now WHERE client_id = :client_id AND revoked_at IS NULL"),
        {"client_id": client_id, "now": now},
    )
    if done.rowcount == 0:
        raise ClientNotFound(f"there is no client {client_id}")


def authenticate(session: Session, *, client_id: str, secret: str, keyring: Keyring) -> Client | None:
    """The client with this id and secret, or None; an unknown id takes as long as a wrong secret."""
    row = session.execute(
        text("""
            SELECT client_id, partner_id, scopes, secret_hash FROM partners.oauth_client
            WHERE client_id = :client_id AND revoked_at IS NULL
        """),
        {"client_id": client_id[:100]},
    ).first()
    right = same(bytes(row.secret_hash) if row else bytes(32), _secret_hash(keyring, secret))
    return Client(row.client_id, row.partner_id, tuple(row.scopes)) if row and right else None


def issue_token(
    session: Session,
    *,
    client: Client,
    scopes: Sequence[str],
    lifetime_s: int,
    now: datetime,
    keyring: Keyring,
) -> str:
    """A new access token for `client`, good for `scopes` and `lifetime_s` seconds."""
    token = new_token(TOKEN_PREFIX)
    session.execute(
        text("""
            INSERT INTO partners.access_token (token_hash, client_id, scopes, issued_at, expires_at)
            VALUES (:token_hash, :client_id, :scopes, :now, :expires_at)
        """),
        {
            "token_hash": _token_hash(keyring, token),
            "client_id": client.client_id,
            "scopes": list(scopes),
            "now": now,
            "expires_at": now + timedelta(seconds=lifetime_s),
        },
    )
    return token


_PRINCIPAL = text("""
    SELECT c.client_id, c.partner_id, t.scopes, p.is_issuer, p.is_redeemer, t.expires_at
    FROM partners.access_token t
    JOIN partners.oauth_client c USING (client_id)
    JOIN partners.partner p USING (partner_id)
    WHERE t.token_hash = :token_hash AND t.expires_at > :now AND c.revoked_at IS NULL
""")


def find_principal(session: Session, *, token_hash: bytes, now: datetime) -> tuple[Principal, datetime] | None:
    """Who holds the token with this hash and until when, or None when there is no such valid token."""
    row = session.execute(_PRINCIPAL, {"token_hash": token_hash, "now": now}).first()
    if row is None:
        return None
    scopes = frozenset(row.scopes)
    return Principal(row.client_id, row.partner_id, scopes, row.is_issuer, row.is_redeemer), row.expires_at


def delete_expired_tokens(session: Session, *, now: datetime, limit: int = 10_000) -> int:
    """Forget tokens that expired more than a day ago; returns how many."""
    done = session.execute(
        text("""
            DELETE FROM partners.access_token WHERE token_hash IN (
                SELECT token_hash FROM partners.access_token WHERE expires_at < :before LIMIT :limit)
        """),
        {"before": now - timedelta(days=1), "limit": limit},
    )
    return done.rowcount


class TokenCache:
    """Remembers for two seconds who a token belongs to; keyed by its hash, never by the token."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[Principal, datetime, float]] = {}

    def get(self, token_hash: bytes, now: datetime) -> Principal | None:
        """The principal remembered for `token_hash`, unless its token has expired by `now`."""
        found = self._known.get(token_hash)
        if found is None or found[1] <= now or found[2] < time.monotonic():
            return None
        return found[0]

    def put(self, token_hash: bytes, principal: Principal, expires_at: datetime) -> None:
        """Remember it for two seconds."""
        if len(self._known) >= CACHE_ENTRIES:
            self._known.clear()
        self._known[token_hash] = (principal, expires_at, time.monotonic() + CACHE_S)


def token_hash_of(keyring: Keyring, token: str) -> bytes | None:
    """The hash a token is stored under, or None when it can't be one of ours."""
    return _token_hash(keyring, token) if token_is_wellformed(TOKEN_PREFIX, token) else None


def _token_hash(keyring: Keyring, token: str) -> bytes:
    return keyring.fingerprint(purpose="access token", value=token)


def _secret_hash(keyring: Keyring, secret: str) -> bytes:
    return keyring.fingerprint(purpose="client secret", value=secret)
