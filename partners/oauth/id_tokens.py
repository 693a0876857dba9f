"""ID tokens (OpenID Connect Core §2) and the names members have for each partner."""

from __future__ import annotations

import base64
from datetime import datetime
from uuid import UUID

from joserfc import jwt

from kit.secrets import Keyring
from partners.oauth.codes import Code
from partners.oauth.keys import ALGORITHM, SigningKey

LIFETIME_S = 300


def subject_of(member_id: UUID, *, partner_id: UUID, keyring: Keyring) -> str:
    """The member's name for one partner (Core §8.1, pairwise): two partners can't tell that theirs is the same."""
    name = keyring.fingerprint(purpose="pairwise subject", value=f"{partner_id} {member_id}")
    return base64.urlsafe_b64encode(name).rstrip(b"=").decode()


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
