"""What an OAuth client may be called, may be sent back to, and may sign with: rules without a database."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

from kit import hosts
from kit.errors import Invalid

MOST_REDIRECT_URIS = 10
LONGEST_REDIRECT_URI = 500
MOST_KEYS = 5
LARGEST_JWKS = 20_000
KEY_TYPES = {"EC": ("crv", "x", "y"), "RSA": ("n", "e"), "OKP": ("crv", "x")}
CURVES = ("P-256", "Ed25519")
LEAST_RSA_CHARACTERS = 342  # of the modulus in base64url: 2,048 bits


class MalformedClient(Invalid):
    code = "malformed_client"
    title = "Malformed client"
    description = "The OAuth client's name, redirect addresses or keys are not usable. `detail` says which, and why."
    remedy = "Correct the name, addresses or keys as `detail` says, and repeat the request or command."


def check_name(name: str) -> str:
    """A client's name as people read it; raises MalformedClient."""
    if not 1 <= len(name) <= 100 or not name.isprintable():
        raise MalformedClient("a client's name has 1 to 100 printable characters")
    return name


def check_redirect_uris(uris: Sequence[str]) -> tuple[str, ...]:
    """1 to 10 addresses an app may be sent back to (RFC 8252, RFC 9700 §2.1); raises MalformedClient.

    https, or http on a loopback address, or an app's own scheme named after a domain (com.example.app:/back).
    """
    if not 1 <= len(uris) <= MOST_REDIRECT_URIS:
        raise MalformedClient(f"an app has 1 to {MOST_REDIRECT_URIS} redirect addresses")
    for uri in uris:
        if not _may_redirect_to(uri):
            raise MalformedClient("a redirect address is https, http on the loopback, or has a scheme like com.example")
    return tuple(uris)


def _may_redirect_to(uri: str) -> bool:
    if not re.fullmatch(r"[!-~]+", uri) or len(uri) > LONGEST_REDIRECT_URI or set(uri) & set('*"<>\\^`{|}'):
        return False
    parts = _split(uri)
    if parts is None or "#" in uri or parts.username is not None or parts.password is not None:
        return False
    if parts.scheme in ("https", "http"):
        # Whatever else a host could be written with would mean something in the page's policy (CSP).
        return hosts.of_url(parts) is not None and (parts.scheme == "https" or _is_loopback(parts))
    return "." in parts.scheme and not parts.netloc


def redirect_matches(registered: Sequence[str], asked: str) -> bool:
    """Whether an app may be sent to `asked`: one of its addresses as it stands; of a loopback one the port may differ.

    RFC 8252 §7.3: an app on the member's own device listens where there is a free port.
    """
    if asked in registered:
        return _may_redirect_to(asked)
    parts = _split(asked) if len(asked) <= LONGEST_REDIRECT_URI else None
    if parts is None or parts.scheme != "http" or not _is_loopback(parts) or not _may_redirect_to(asked):
        return False
    kept = [_split(uri) for uri in registered]
    return any(one and one.scheme == "http" and _without_port(one) == _without_port(parts) for one in kept)


def _split(uri: str) -> SplitResult | None:
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018 -- raises for one that is no number
    except ValueError:
        return None
    return parts


def _is_loopback(parts: SplitResult) -> bool:
    try:
        return ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def _without_port(parts: SplitResult) -> tuple[str | None, str, str]:
    return parts.hostname, parts.path, parts.query


def check_jwks(jwks: dict[str, Any]) -> dict[str, Any]:
    """1 to 5 public keys (RFC 7517) to sign in with, each with a `kid`; raises MalformedClient.

    P-256, Ed25519, or RSA of at least 2,048 bits. What isn't needed to verify a signature is left out.
    """
    keys = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(keys, list) or not 1 <= len(keys) <= MOST_KEYS or len(json.dumps(jwks)) > LARGEST_JWKS:
        raise MalformedClient(f"a key set has 1 to {MOST_KEYS} keys under `keys`")
    kept = [_check_key(key) for key in keys]
    if len({key["kid"] for key in kept}) < len(kept):
        raise MalformedClient("two keys have the same kid")
    return {"keys": kept}


def _check_key(key: Any) -> dict[str, str]:
    if not isinstance(key, dict) or key.get("kty") not in KEY_TYPES:
        raise MalformedClient(f"a key's kty is one of {', '.join(KEY_TYPES)}")
    if "d" in key or "k" in key:
        raise MalformedClient("this is a private key; keep it secret and send the public key")
    kept = {name: str(key.get(name) or "") for name in ("kty", "kid", *KEY_TYPES[key["kty"]])}
    if not all(kept.values()) or len(kept["kid"]) > 100:
        raise MalformedClient("a key has a kid of up to 100 characters and all parts of its kty")
    if kept.get("crv", CURVES[0]) not in CURVES or ("n" in kept and len(kept["n"]) < LEAST_RSA_CHARACTERS):
        raise MalformedClient(f"a key is {' or '.join(CURVES)}, or RSA of at least 2048 bits")
    return kept
