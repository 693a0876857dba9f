"""What tokens and secrets begin with: people and scanners see what they are, and whether they are live's."""

from __future__ import annotations

from kit.secrets import Keyring, Realm

_TOKEN, _SECRET = "co_at", "co_secret"  # before the realm
_OTHER: dict[Realm, Realm] = {"live": "test", "test": "live"}


def of_tokens(keyring: Keyring) -> str:
    """What the access tokens of a coalition begin with."""
    return f"{_TOKEN}_{keyring.realm}"


def of_secrets(keyring: Keyring) -> str:
    """What its clients' new secrets begin with; live's oldest say nothing of their realm."""
    return f"{_SECRET}_{keyring.realm}"


def mix_up(keyring: Keyring, credential: str) -> str | None:
    """What to tell who sends a token or secret of live to the sandbox, or the other way round; None for others."""
    here, there = ("the sandbox", "live") if keyring.realm == "test" else ("live", "the sandbox")
    for prefix, what in ((_TOKEN, "access token"), (_SECRET, "client secret")):
        if credential.startswith(f"{prefix}_{_OTHER[keyring.realm]}_"):
            return f"this {what} is for {there}; here is {here}, whose begin with {prefix}_{keyring.realm}_"
    return None
