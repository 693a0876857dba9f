"""OAuth clients and the access tokens issued to them. Both secrets are 256 random bits, kept as keyed hashes only."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from kit.db import Session
from kit.errors import Conflict, Invalid, NotFound
from kit.secrets import Keyring, new_token, same, token_is_wellformed
from partners import accounts, client_rules, prefixes
from partners.scopes import ADMIN_SCOPES, MEMBER_SCOPES, SCOPES, TILL_SCOPES
from partners.states import Standing

SECRETS_OVERLAP = timedelta(days=7)
MOST_SECRETS = 2


class UnknownScope(Invalid):
    """A scope that doesn't exist."""

    code = "unknown_scope"
    title = "Unknown scope"


class ClientNotFound(NotFound):
    """No OAuth client has this id."""

    code = "client_not_found"
    title = "Client not found"


class SecretsOverlap(Conflict):
    """The client has two secrets already; the older one has to end before there can be another."""

    code = "secrets_overlap"
    title = "Two secrets already"


@dataclass(frozen=True)
class Client:
    """A partner's program: its back end, a member-facing app, or its tills; without partner, one of the coalition's.

    An app or till on somebody's device can keep no secret: its `auth_method` is `none`.
    """

    client_id: str
    partner_id: UUID | None
    scopes: tuple[str, ...]
    kind: str = "backend"
    name: str = ""
    redirect_uris: tuple[str, ...] = ()
    auth_method: str = "client_secret_basic"
    jwks: dict[str, Any] | None = None

    @property
    def owner(self) -> UUID:
        """The partner whose it is; only for kinds of clients that the coalition itself has none of."""
        if self.partner_id is None:
            raise LookupError("no partner stands behind this client")
        return self.partner_id

    @property
    def is_public(self) -> bool:
        """Whether anybody can pretend to be it."""
        return self.auth_method == "none"


@dataclass(frozen=True)
class Principal:
    """Who stands behind a request: a partner's client, and with a consent the member who gave it."""

    client_id: str
    partner_id: UUID
    scopes: frozenset[str]
    is_issuer: bool
    is_redeemer: bool
    standing: Standing
    grant_id: UUID | None = None
    member_id: UUID | None = None
    ahead: timedelta = timedelta(0)  # of the true time, by the partner's test clock

    def time(self, now: datetime) -> datetime:
        """What time it is for the partner, when it is truly `now`: only in a sandbox another."""
        return now + self.ahead

    @property
    def subject(self) -> UUID:
        """The member who gave the consent behind this token; only for routes that ask for a member's scope."""
        if self.member_id is None:
            raise LookupError("no member stands behind this token")
        return self.member_id


@dataclass(frozen=True)
class Admin:
    """The coalition's admin behind a request: no partner, and none of a partner's scopes."""

    client_id: str
    scopes: frozenset[str]
    partner_id: None = None


def create(
    session: Session, *, partner_id: UUID | None, scopes: Sequence[str] | None, now: datetime, keyring: Keyring
) -> tuple[Client, str]:
    """A new back end of an active partner, or (without partner) a client of the coalition's admin, and its secret.

    The secret can't be had again. Without `scopes` it gets all there are for its kind. Raises UnknownScope,
    PartnerNotFound, PartnerNotActive.
    """
    client = Client(_new_id(), partner_id, _known(scopes, ADMIN_SCOPES if partner_id is None else SCOPES))
    _insert(session, client, now=now)
    return client, _new_secret(session, client.client_id, now=now, keyring=keyring)


def create_with_keys(
    session: Session, *, partner_id: UUID, scopes: Sequence[str] | None, jwks: dict[str, Any], now: datetime
) -> Client:
    """A new back end that signs in with its private key (RFC 7523); `jwks` holds the public ones.

    Raises UnknownScope, MalformedClient.
    """
    kept = client_rules.check_jwks(jwks)
    client = Client(_new_id(), partner_id, _known(scopes, SCOPES), auth_method="private_key_jwt", jwks=kept)
    _insert(session, client, now=now)
    return client


def create_app(
    session: Session,
    *,
    partner_id: UUID,
    name: str,
    redirect_uris: Sequence[str],
    now: datetime,
    keyring: Keyring | None,
) -> tuple[Client, str | None]:
    """A new member-facing app; with a `keyring` it runs on a server and gets a secret. Raises MalformedClient."""
    client = Client(
        _new_id(),
        partner_id,
        tuple(sorted(MEMBER_SCOPES)),
        kind="app",
        name=client_rules.check_name(name),
        redirect_uris=client_rules.check_redirect_uris(redirect_uris),
        auth_method="client_secret_basic" if keyring else "none",
    )
    _insert(session, client, now=now)
    return client, _new_secret(session, client.client_id, now=now, keyring=keyring) if keyring else None


def create_tills(
    session: Session, *, partner_id: UUID, name: str, scopes: Sequence[str] | None, now: datetime
) -> Client:
    """A new client for a partner's tills, each let in by its staff. Raises UnknownScope, MalformedClient."""
    wanted = _known(scopes or TILL_SCOPES, SCOPES)
    client = Client(_new_id(), partner_id, wanted, kind="till", name=client_rules.check_name(name), auth_method="none")
    _insert(session, client, now=now)
    return client


def get(session: Session, client_id: str) -> Client | None:
    """The client with this id, unless it was revoked; None when there is none."""
    row = session.execute(
        text(f"{_SELECT} WHERE client_id = :client_id AND revoked_at IS NULL"), {"client_id": client_id[:100]}
    ).first()
    return _client(row) if row else None


def add_secret(session: Session, *, client_id: str, now: datetime, keyring: Keyring) -> str:
    """One more secret for a client, valid beside the one it has; that ends after SECRETS_OVERLAP at the latest.

    Raises ClientNotFound, SecretsOverlap.
    """
    session.execute(text("SELECT FROM partners.oauth_client WHERE client_id = :id FOR UPDATE"), {"id": client_id})
    client = get(session, client_id)
    if client is None or client.auth_method != "client_secret_basic":
        raise ClientNotFound(f"there is no client {client_id} with a secret")
    valid = session.scalar(
        text("SELECT count(*) FROM partners.client_secret WHERE client_id = :id AND coalesce(expires_at > :now, true)"),
        {"id": client_id, "now": now},
    )
    if valid and valid >= MOST_SECRETS:
        raise SecretsOverlap(f"{client_id} has {valid} valid secrets")
    session.execute(
        text("UPDATE partners.client_secret SET expires_at = :end WHERE client_id = :id AND expires_at IS NULL"),
        {"id": client_id, "end": now + SECRETS_OVERLAP},
    )
    return _new_secret(session, client_id, now=now, keyring=keyring)


def _known(scopes: Sequence[str] | None, among: Mapping[str, str]) -> tuple[str, ...]:
    wanted = tuple(sorted(set(scopes or among)))
    if unknown := [scope for scope in wanted if scope not in among]:
        raise UnknownScope(f"there is no scope {unknown[0]}; there are {', '.join(among)}")
    return wanted


def known_scopes(scopes: Sequence[str], *, of_admin: bool) -> tuple[str, ...]:
    """`scopes`, each once and in order, of a partner's back end or of the coalition's admin; raises UnknownScope."""
    return _known(scopes, ADMIN_SCOPES if of_admin else SCOPES)


def _new_id() -> str:
    return f"co_client_{secrets.token_urlsafe(16)}"


def _insert(session: Session, client: Client, *, now: datetime) -> None:
    if client.partner_id is not None:
        accounts.active(session, client.partner_id)
    session.execute(
        text("""
            INSERT INTO partners.oauth_client
                (client_id, partner_id, scopes, kind, name, redirect_uris, auth_method, jwks, created_at)
            VALUES (:client_id, :partner_id, :scopes, :kind, :name, :redirect_uris, :auth_method,
                    CAST(:jwks AS jsonb), :now)
        """),
        {
            **vars(client),
            "scopes": list(client.scopes),
            "redirect_uris": list(client.redirect_uris),
            "jwks": json.dumps(client.jwks) if client.jwks else None,
            "now": now,
        },
    )


def _new_secret(session: Session, client_id: str, *, now: datetime, keyring: Keyring) -> str:
    secret = new_token(prefixes.of_secrets(keyring))
    session.execute(
        text("""
            INSERT INTO partners.client_secret (secret_hash, client_id, created_at)
            VALUES (:secret_hash, :client_id, :now)
        """),
        {"secret_hash": _secret_hash(keyring, secret), "client_id": client_id, "now": now},
    )
    return secret


def revoke(session: Session, *, client_id: str, now: datetime) -> None:
    """End a client, and its tokens within the half second a process remembers them. Raises ClientNotFound."""
    done = session.execute(
        text("UPDATE partners.oauth_client SET revoked_at = :now WHERE client_id = :client_id AND revoked_at IS NULL"),
        {"client_id": client_id.replace("\x00", "?"), "now": now},  # PostgreSQL's text holds no zero
    )
    if done.rowcount == 0:
        raise ClientNotFound(f"there is no client {client_id}")


def revoke_all(session: Session, *, partner_id: UUID, now: datetime) -> None:
    """End all clients of a partner."""
    session.execute(
        text("UPDATE partners.oauth_client SET revoked_at = :now WHERE partner_id = :id AND revoked_at IS NULL"),
        {"id": partner_id, "now": now},
    )


_SELECT = """
    SELECT client_id, partner_id, scopes, kind, name, redirect_uris, auth_method, jwks FROM partners.oauth_client
"""


def _client(row: Row[Any]) -> Client:
    return Client(
        client_id=row.client_id,
        partner_id=row.partner_id,
        scopes=tuple(row.scopes),
        kind=row.kind,
        name=row.name,
        redirect_uris=tuple(row.redirect_uris),
        auth_method=row.auth_method,
        jwks=row.jwks,
    )


def authenticate(session: Session, *, client_id: str, secret: str, now: datetime, keyring: Keyring) -> Client | None:
    """The client with this id and secret, or None; an unknown id takes as long as a wrong secret."""
    client = get(session, client_id)
    kept = session.scalars(
        text("""
            SELECT secret_hash FROM partners.client_secret
            WHERE client_id = :id AND coalesce(expires_at > :now, true)
        """),
        {"id": client_id[:100], "now": now},
    ).all()
    given = _secret_hash(keyring, secret)
    # Every secret is compared, and one where there is none.
    right = [same(bytes(hash_), given) for hash_ in kept or [bytes(32)]]
    return client if client and client.auth_method == "client_secret_basic" and any(right) else None


def issue_token(
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
            "token_hash": _token_hash(keyring, token),
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
           CASE g.subject_kind WHEN 'member' THEN g.subject_id END AS member_id,
           coalesce(k.ahead, '0') AS ahead
    FROM partners.access_token t
    JOIN partners.oauth_client c USING (client_id)
    LEFT JOIN partners.partner p USING (partner_id)
    LEFT JOIN partners.oauth_grant g ON g.grant_id = t.grant_id
    LEFT JOIN partners.test_clock k ON k.partner_id = c.partner_id
    WHERE t.token_hash = :token_hash AND t.expires_at > :now AND c.revoked_at IS NULL AND g.revoked_at IS NULL
      AND (p.leaves_at IS NULL OR p.leaves_at > :now) AND p.status IS DISTINCT FROM 'left'
      AND (g.till_id IS NULL OR EXISTS (
          SELECT FROM partners.till x JOIN partners.location l USING (location_id)
          WHERE x.till_id = g.till_id AND x.status = 'active' AND l.status = 'open'))
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
    )
    return found, row.expires_at


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


def token_hash_of(keyring: Keyring, token: str) -> bytes | None:
    """The hash a token is stored under, or None when it can't be one of ours."""
    return _token_hash(keyring, token) if token_is_wellformed(prefixes.of_tokens(keyring), token) else None


def _token_hash(keyring: Keyring, token: str) -> bytes:
    return keyring.fingerprint(purpose="access token", value=token)


def _secret_hash(keyring: Keyring, secret: str) -> bytes:
    return keyring.fingerprint(purpose="client secret", value=secret)
