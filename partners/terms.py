"""What a client has besides its scopes: the version of the API it keeps, and how much it may ask."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import text

from kit.db import Session
from partners.clients import ClientNotFound

CACHE_S = 30.0
CACHE_ENTRIES = 10_000


@dataclass(frozen=True)
class Terms:
    """A client's version, by its date, and its limits in percent of the usual ones."""

    api_version: str
    rate_limit_percent: int


def of_client(session: Session, *, client_id: str, current_version: str) -> Terms:
    """The terms of a client; one that comes for the first time keeps `current_version` from now on."""
    row = session.execute(
        text("SELECT api_version, rate_limit_percent FROM partners.oauth_client WHERE client_id = :client_id"),
        {"client_id": client_id},
    ).one()
    if row.api_version is None:
        session.execute(
            text("""
                UPDATE partners.oauth_client SET api_version = :version
                WHERE client_id = :client_id AND api_version IS NULL
            """),
            {"client_id": client_id, "version": current_version},
        )
    return Terms(row.api_version or current_version, row.rate_limit_percent)


def grant(session: Session, *, client_id: str, rate_limit_percent: int) -> None:
    """Let a client ask that much, in percent of what is usual; known everywhere in half a minute.

    Raises ClientNotFound.
    """
    done = session.execute(
        text("UPDATE partners.oauth_client SET rate_limit_percent = :percent WHERE client_id = :client_id"),
        {"client_id": client_id, "percent": rate_limit_percent},
    )
    if done.rowcount == 0:
        raise ClientNotFound(f"there is no client {client_id}")


Kept = TypeVar("Kept")


class TermsCache(Generic[Kept]):
    """Remembers for half a minute what was made of a client's terms."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Kept, float]] = {}

    def get(self, client_id: str) -> Kept | None:
        """What is remembered for the client."""
        found = self._known.get(client_id)
        return None if found is None or found[1] < time.monotonic() else found[0]

    def put(self, client_id: str, kept: Kept) -> None:
        """Remember it."""
        if len(self._known) >= CACHE_ENTRIES:
            self._known.clear()
        self._known[client_id] = (kept, time.monotonic() + CACHE_S)
