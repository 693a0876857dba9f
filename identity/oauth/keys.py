"""The keys id tokens are signed with: published before they sign, and until nothing they signed is valid any more."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from joserfc.jwk import ECKey
from sqlalchemy import text

from kit import audit
from kit.audit import Act
from kit.db import Session, wait_for_lock
from kit.secrets import Keyring

ALGORITHM = "ES256"
AHEAD = timedelta(hours=24)  # how long a new key is published before it signs: as long as anybody caches the set
BEHIND = timedelta(hours=24)
CACHE_S = 3600
_PURPOSE = "signing key"


@dataclass(frozen=True)
class SigningKey:
    """A private key and its name."""

    kid: str
    key: ECKey


def current(session: Session, *, now: datetime, keyring: Keyring) -> SigningKey:
    """The key that signs now; the first is made when it is first asked for."""
    found = _signing(session, now=now, keyring=keyring)
    if found is None:
        wait_for_lock(session, "partners.signing_key")
        found = _signing(session, now=now, keyring=keyring) or _make(session, signs_from=now, now=now, keyring=keyring)
    return found


def rotate(session: Session, act: Act) -> str:
    """Publish a new key at once and let it sign in a day; the one before goes a day after that. Its kid."""
    current(session, now=act.now, keyring=act.keyring)
    made = _make(session, signs_from=act.now + AHEAD, now=act.now, keyring=act.keyring)
    session.execute(
        text("""
            UPDATE partners.signing_key SET published_until = :until WHERE kid <> :kid AND published_until IS NULL
        """),
        {"until": act.now + AHEAD + BEHIND, "kid": made.kid},
    )
    audit.append(session, act, "signing_key.rotated", made.kid)
    return made.kid


def published(session: Session, *, now: datetime, keyring: Keyring) -> list[dict[str, Any]]:
    """The public keys (RFC 7517); none until the first is made."""
    rows = session.execute(
        text("""
            SELECT sealed FROM partners.signing_key WHERE coalesce(published_until > :now, true) ORDER BY signs_from
        """),
        {"now": now},
    )
    keys = [_open(bytes(row.sealed), keyring) for row in rows]
    return [{**one.key.as_dict(private=False), "use": "sig", "alg": ALGORITHM} for one in keys]


def _signing(session: Session, *, now: datetime, keyring: Keyring) -> SigningKey | None:
    sealed = session.scalar(
        text("SELECT sealed FROM partners.signing_key WHERE signs_from <= :now ORDER BY signs_from DESC LIMIT 1"),
        {"now": now},
    )
    return _open(bytes(sealed), keyring) if sealed else None


def _make(session: Session, *, signs_from: datetime, now: datetime, keyring: Keyring) -> SigningKey:
    key = ECKey.generate_key("P-256", auto_kid=True)
    private = {name: str(value) for name, value in key.as_dict(private=True).items()}
    session.execute(
        text("""
            INSERT INTO partners.signing_key (kid, sealed, created_at, signs_from)
            VALUES (:kid, :sealed, :now, :signs_from)
        """),
        {
            "kid": private["kid"],
            "sealed": keyring.seal(json.dumps(private).encode(), purpose=_PURPOSE),
            "now": now,
            "signs_from": signs_from,
        },
    )
    return SigningKey(private["kid"], key)


def _open(sealed: bytes, keyring: Keyring) -> SigningKey:
    private = json.loads(keyring.unseal(sealed, purpose=_PURPOSE))
    return SigningKey(private["kid"], ECKey.import_key(private))
