"""What a process remembers of access tokens, so that not every request asks the database who it is."""

from __future__ import annotations

import time
from datetime import datetime

from identity.clients import Admin, Principal

CACHE_S = 0.5  # so what is revoked is refused by every process in less than a second
CACHE_ENTRIES = 10_000


class TokenCache:
    """Remembers for half a second who a token belongs to; keyed by its hash, never by the token."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[Principal | Admin, datetime, float]] = {}

    def get(self, token_hash: bytes, now: datetime) -> Principal | Admin | None:
        """The principal remembered for `token_hash`, unless its token has expired by `now`."""
        found = self._known.get(token_hash)
        if found is None or found[1] <= now or found[2] < time.monotonic():
            return None
        return found[0]

    def put(self, token_hash: bytes, principal: Principal | Admin, expires_at: datetime, *, asked_s: float) -> None:
        """Remember it for half a second since `asked_s`, by time.monotonic(): when the database was asked.

        Not since it answered: a slow answer is old already.
        """
        if len(self._known) >= CACHE_ENTRIES:
            self._known.clear()
        self._known[token_hash] = (principal, expires_at, asked_s + CACHE_S)
