"""OAuth clients and their secrets: 256 random bits each, kept as keyed hashes only."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from identity import client_policies, prefixes
from identity.scopes import ADMIN_SCOPES, MEMBER_SCOPES, SCOPES, TILL_SCOPES
from kit import audit
from kit.audit import Act
from kit.db import Session
from kit.errors import Conflict, Invalid, NotFound
from kit.secrets import Keyring, new_token, same
from partners import accounts
from partners.states import Standing

SECRETS_OVERLAP = timedelta(days=7)
MOST_SECRETS = 2


class UnknownScope(Invalid):
    code = "unknown_scope"
    title = "Unknown scope"
    description = "There is no such scope."
    remedy = "Name at least one scope, and only scopes that `detail` lists."


class ClientNotFound(NotFound):
    code = "client_not_found"
    title = "Client not found"
    description = "No OAuth client has this id."
    remedy = (
        "List the partner's clients with GET /v1/admin/partners/{partner_id}/clients or `coalition client list`. A "
        "client that signs with keys has no secret."
    )


class SecretsOverlap(Conflict):
    code = "secrets_overlap"
    title = "Two secrets already"
    description = "The client already has two secrets. The older one has to end before you can add another."
    remedy = (
        "Use the newer secret everywhere and wait until the older one ends, a week after the newer was made. Then add "
        "another."
    )


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
    is_over_limit: bool = False  # it owes more than its limit, and may not issue points
    location_id: UUID | None = None  # where the till stands that asks

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


def create(session: Session, act: Act, *, partner_id: UUID | None, scopes: Sequence[str] | None) -> tuple[Client, str]:
    """A new back end of an active partner, or (without partner) a client of the coalition's admin, and its secret.

    The secret can't be had again. Without `scopes` it gets all there are for its kind. Raises UnknownScope,
    PartnerNotFound, PartnerNotActive.
    """
    client = Client(_new_id(), partner_id, _known(scopes, ADMIN_SCOPES if partner_id is None else SCOPES))
    _insert(session, client, now=act.now)
    secret = _new_secret(session, client.client_id, now=act.now, keyring=act.keyring)
    audit.append(session, act, "client.created", client, kind=client.kind, scopes=client.scopes)
    return client, secret


def create_with_keys(
    session: Session, act: Act, *, partner_id: UUID, scopes: Sequence[str] | None, jwks: dict[str, Any]
) -> Client:
    """A new back end that signs in with its private key (RFC 7523); `jwks` holds the public ones.

    Raises UnknownScope, MalformedClient.
    """
    kept = client_policies.check_jwks(jwks)
    client = Client(_new_id(), partner_id, _known(scopes, SCOPES), auth_method="private_key_jwt", jwks=kept)
    _insert(session, client, now=act.now)
    audit.append(session, act, "client.created", client, kind=client.kind, scopes=client.scopes)
    return client


def create_app(
    session: Session,
    act: Act,
    *,
    partner_id: UUID,
    name: str,
    redirect_uris: Sequence[str],
    on_a_server: bool = False,
) -> tuple[Client, str | None]:
    """A new member-facing app; one that runs on a server gets a secret. Raises MalformedClient."""
    client = Client(
        _new_id(),
        partner_id,
        tuple(sorted(MEMBER_SCOPES)),
        kind="app",
        name=client_policies.check_name(name),
        redirect_uris=client_policies.check_redirect_uris(redirect_uris),
        auth_method="client_secret_basic" if on_a_server else "none",
    )
    _insert(session, client, now=act.now)
    secret = _new_secret(session, client.client_id, now=act.now, keyring=act.keyring) if on_a_server else None
    audit.append(session, act, "client.created", client, kind=client.kind, scopes=client.scopes)
    return client, secret


def create_tills(session: Session, act: Act, *, partner_id: UUID, name: str, scopes: Sequence[str] | None) -> Client:
    """A new client for a partner's tills, each let in by its staff. Raises UnknownScope, MalformedClient."""
    wanted = _known(TILL_SCOPES if scopes is None else scopes, SCOPES)
    client = Client(
        _new_id(), partner_id, wanted, kind="till", name=client_policies.check_name(name), auth_method="none"
    )
    _insert(session, client, now=act.now)
    audit.append(session, act, "client.created", client, kind=client.kind, scopes=client.scopes)
    return client


def get(session: Session, client_id: str) -> Client | None:
    """The client with this id, unless it was revoked or its partner has left; None when there is none."""
    row = session.execute(
        text(f"""
            {_SELECT} c WHERE client_id = :client_id AND revoked_at IS NULL AND NOT EXISTS (
                SELECT FROM partners.standing p WHERE p.partner_id = c.partner_id AND p.status = 'left')
        """),
        {"client_id": client_id[:100]},
    ).first()
    return _client(row) if row else None


def add_secret(session: Session, act: Act, *, client_id: str) -> str:
    """One more secret for a client, valid beside the one it has; that ends after SECRETS_OVERLAP at the latest.

    Raises ClientNotFound, SecretsOverlap.
    """
    session.execute(text("SELECT FROM partners.oauth_client WHERE client_id = :id FOR UPDATE"), {"id": client_id})
    client = get(session, client_id)
    if client is None or client.auth_method != "client_secret_basic":
        raise ClientNotFound(f"there is no client {client_id} with a secret")
    valid = session.scalar(
        text("SELECT count(*) FROM partners.client_secret WHERE client_id = :id AND coalesce(expires_at > :now, true)"),
        {"id": client_id, "now": act.now},
    )
    if valid and valid >= MOST_SECRETS:
        raise SecretsOverlap(f"{client_id} has {valid} valid secrets")
    session.execute(
        text("UPDATE partners.client_secret SET expires_at = :end WHERE client_id = :id AND expires_at IS NULL"),
        {"id": client_id, "end": act.now + SECRETS_OVERLAP},
    )
    secret = _new_secret(session, client_id, now=act.now, keyring=act.keyring)
    audit.append(session, act, "client.secret_added", client)
    return secret


def _known(scopes: Sequence[str] | None, among: Mapping[str, str]) -> tuple[str, ...]:
    wanted = tuple(sorted(set(among if scopes is None else scopes)))
    if not wanted:
        raise UnknownScope(f"name at least one scope; there are {', '.join(among)}")
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


def revoke(session: Session, act: Act, *, client_id: str) -> None:
    """End a client, and its tokens within the half second a process remembers them. Raises ClientNotFound."""
    row = session.execute(
        text(f"""
            UPDATE partners.oauth_client SET revoked_at = :now WHERE client_id = :client_id AND revoked_at IS NULL
            RETURNING {_COLUMNS}
        """),  # noqa: S608 -- names of ours
        {"client_id": client_id.replace("\x00", "?"), "now": act.now},  # PostgreSQL's text holds no zero
    ).first()
    if row is None:
        raise ClientNotFound(f"there is no client {client_id}")
    audit.append(session, act, "client.revoked", _client(row))


def revoke_of_left(session: Session, *, now: datetime) -> int:
    """End the clients of partners that have left, which nothing lets in any more; returns how many."""
    return session.execute(
        text("""
            UPDATE partners.oauth_client c SET revoked_at = :now FROM partners.standing p
            WHERE p.partner_id = c.partner_id AND p.status = 'left' AND c.revoked_at IS NULL
        """),
        {"now": now},
    ).rowcount


_COLUMNS = "client_id, partner_id, scopes, kind, name, redirect_uris, auth_method, jwks"
_SELECT = f"SELECT {_COLUMNS} FROM partners.oauth_client"  # noqa: S608 -- names of ours


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


def _secret_hash(keyring: Keyring, secret: str) -> bytes:
    return keyring.fingerprint(purpose="client secret", value=secret)
