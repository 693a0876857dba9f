"""ID tokens (OpenID Connect Core §2) and the names members have for each partner."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from joserfc import jwt

from identity.oauth.codes import Code
from identity.oauth.keys import ALGORITHM, SigningKey
from kit import ids, pairwise
from kit.secrets import Keyring

LIFETIME_S = 300


def subject_of(member_id: UUID, *, partner_id: UUID, keyring: Keyring) -> str:
    """The member's name for one partner (Core §8.1, pairwise): the id it knows the member by everywhere."""
    with ids.seen_by(pairwise.view_of(keyring, partner_id)):
        return ids.show(ids.MEMBER, member_id)


def sign(code: Code, *, subject: str, issuer: str, now: datetime, key: SigningKey) -> str:
    """An ID token for the client the code was given to: who signed in, when and how."""
    at = int(now.timestamp())
    claims = {
        "iss": issuer,
        "sub": subject,
        "aud": code.client_id,
        "iat": at,
        "exp": at + LIFETIME_S,
        "auth_time": int(code.authenticated_at.timestamp()),
        "amr": list(code.methods),
        **({"nonce": code.nonce} if code.nonce is not None else {}),
    }
    return jwt.encode({"alg": ALGORITHM, "kid": key.kid}, claims, key.key, algorithms=[ALGORITHM])
