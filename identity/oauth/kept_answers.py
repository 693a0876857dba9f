"""Answers of the token endpoint that are given again for a minute, to whom the first one was lost on its way."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from kit.secrets import Keyring

REPEATED_FOR = timedelta(seconds=60)


def seal(answer: dict[str, Any], *, purpose: str, keyring: Keyring) -> bytes:
    """`answer` as it may lie in the database: it holds tokens."""
    return keyring.seal(json.dumps(answer).encode(), purpose=purpose)


def again(sealed: bytes, *, given_at: datetime, now: datetime, purpose: str, keyring: Keyring) -> dict[str, Any]:
    """The answer once more: the same tokens, and how long the access token lives from `now` (RFC 6749 §5.1)."""
    answer = dict(json.loads(keyring.unseal(sealed, purpose=purpose)))
    passed_s = int((now - given_at).total_seconds())
    return {**answer, "expires_in": max(0, answer["expires_in"] - passed_s)}
