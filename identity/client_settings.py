"""What a client has besides its scopes: the version of the API it keeps, and how much it may ask."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import text

from identity.clients import ClientNotFound
from kit import audit
from kit.audit import Act
from kit.db import Session

CACHE_S = 30.0
CACHE_ENTRIES = 10_000


@dataclass(frozen=True)
class ClientSettings:
    """A client's version, by its date (None: it has not come yet), and its limits in percent of the usual ones."""

    api_version: str | None
    rate_limit_percent: int


def of_client(session: Session, *, client_id: str) -> ClientSettings:
    """The settings of a client."""
    row = session.execute(
        text("SELECT api_version, rate_limit_percent FROM partners.oauth_client WHERE client_id = :client_id"),
        {"client_id": client_id},
    ).one()
    return ClientSettings(*row)


def keep_version(session: Session, *, client_id: str, version: str) -> str:
    """Let a client that comes for the first time keep `version` from now on; the one it keeps."""
    kept = session.scalar(
        text("""
            UPDATE partners.oauth_client SET api_version = coalesce(api_version, :version)
            WHERE client_id = :client_id RETURNING api_version
        """),
        {"client_id": client_id, "version": version},
    )
    return str(kept)


def rate_limit_percent(session: Session, client_id: str) -> int:
    """How much a client may ask, in percent of what is usual; as usual where there is no such client."""
    percent = session.scalar(
        text("SELECT rate_limit_percent FROM partners.oauth_client WHERE client_id = :id"), {"id": client_id}
    )
    return 100 if percent is None else int(percent)


def grant(session: Session, act: Act, *, client_id: str, rate_limit_percent: int) -> None:
    """Let a client ask that much, in percent of what is usual; known everywhere in half a minute.

    Raises ClientNotFound.
    """
    done = session.execute(
        text("UPDATE partners.oauth_client SET rate_limit_percent = :percent WHERE client_id = :client_id"),
        {"client_id": client_id, "percent": rate_limit_percent},
    )
    if done.rowcount == 0:
        raise ClientNotFound(f"there is no client {client_id}")
    audit.append(session, act, "client.limited", client_id, percent=rate_limit_percent)


Kept = TypeVar("Kept")


class SettingsCache(Generic[Kept]):
    """Remembers for half a minute what was made of a client's settings."""

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
