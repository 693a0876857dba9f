"""Signatures of Standard Webhooks (https://www.standardwebhooks.com): pure functions of values."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Sequence
from hashlib import sha256
from secrets import token_bytes
from uuid import UUID

from kit.errors import Invalid

PREFIX = "whsec_"
PUBLIC_PREFIX = "whpk_"
SECRET_BYTES = 32
LEAST_BYTES, MOST_BYTES = 24, 64  # of a secret that somebody else made

# Signs bytes with the key of v1a (Ed25519, RFC 8032): 64 bytes.
Signer = Callable[[bytes], bytes]


class SecretRefused(Invalid):
    code = "secret_refused"
    title = "Secret refused"
    description = (
        f"An endpoint's secret is `whsec_` and the base64 of {LEAST_BYTES} to {MOST_BYTES} random bytes, and not the "
        "secret that the endpoint has now."
    )
    remedy = "Leave `secret` out, and we make one. Or send 32 new random bytes in base64 after `whsec_`."


def purpose(partner_id: UUID) -> str:
    """What a partner's key of v1a is derived for: with one for all, it could pass its messages on to another."""
    return f"webhook signature of {partner_id}"


def check_secret(secret: str) -> None:
    """Raise SecretRefused unless `secret` is one to sign with."""
    try:
        found = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError:
        raise SecretRefused("what follows whsec_ is not base64") from None
    if not secret.startswith(PREFIX) or not LEAST_BYTES <= len(found) <= MOST_BYTES:
        raise SecretRefused(f"a secret is whsec_ and the base64 of {LEAST_BYTES} to {MOST_BYTES} bytes")


def new_secret() -> str:
    """A new endpoint secret: `whsec_` and the base64 of 32 random bytes."""
    return PREFIX + base64.b64encode(token_bytes(SECRET_BYTES)).decode()


def sign(*, secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` header: `v1,` and the base64 of HMAC-SHA-256 over `id.timestamp.body`.

    `timestamp` is in whole seconds since 1970; the key is the decoded bytes of `secret`.
    """
    return _v1(secret, _signed(message_id, timestamp, body))


def headers(
    secrets: Sequence[str], *, signer: Signer | None = None, message_id: str, timestamp: int, body: bytes
) -> dict[str, str]:
    """The three headers of one attempt.

    `webhook-signature` has one signature by each of the secrets, the newest first, and one by `signer` (v1a), apart
    by spaces: who checks them takes the message as soon as one holds.
    """
    signed = _signed(message_id, timestamp, body)
    signatures = [_v1(secret, signed) for secret in secrets]
    if signer is not None:
        signatures.append("v1a," + base64.b64encode(signer(signed)).decode())
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


def jwk(public_key: bytes) -> dict[str, str]:
    """The public key of v1a, 32 bytes, as a JSON Web Key (RFC 8037), named by its thumbprint (RFC 7638).

    `whpk` is the same key as libraries of Standard Webhooks take it.
    """
    named = {"crv": "Ed25519", "kty": "OKP", "x": _url_safe(public_key)}
    thumbprint = sha256(json.dumps(named, sort_keys=True, separators=(",", ":")).encode()).digest()
    return {
        **named,
        "alg": "EdDSA",
        "use": "sig",
        "kid": _url_safe(thumbprint),
        "whpk": PUBLIC_PREFIX + base64.b64encode(public_key).decode(),
    }


def _url_safe(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _signed(message_id: str, timestamp: int, body: bytes) -> bytes:
    return f"{message_id}.{timestamp}.".encode() + body


def _v1(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return "v1," + base64.b64encode(hmac.digest(key, signed, sha256)).decode()
