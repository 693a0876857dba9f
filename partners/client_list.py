"""A partner's OAuth clients as the admin sees them, revoked ones included."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from kit.db import Session
from partners.clients import ClientNotFound


@dataclass(frozen=True)
class ListedClient:
    """A client, when it was made, and since when it is revoked."""

    client_id: str
    partner_id: UUID
    scopes: list[str]
    created_at: datetime
    revoked_at: datetime | None
    version: int


_SELECT = "SELECT client_id, partner_id, scopes, created_at, revoked_at, version FROM partners.oauth_client"


def of_partner(session: Session, *, partner_id: UUID, limit: int) -> list[ListedClient]:
    """The newest clients of a partner."""
    rows = session.execute(
        text(f"{_SELECT} WHERE partner_id = :id ORDER BY created_at DESC, client_id LIMIT :limit"),
        {"id": partner_id, "limit": limit},
    )
    return [ListedClient(*row) for row in rows]


def get(session: Session, client_id: str) -> ListedClient:
    """One client of a partner; raises ClientNotFound."""
    row = session.execute(
        text(f"{_SELECT} WHERE client_id = :id AND partner_id IS NOT NULL"),
        {"id": client_id.replace("\x00", "?")},  # PostgreSQL's text holds no zero
    ).first()
    if row is None:
        raise ClientNotFound(f"no partner has a client {client_id}")
    return ListedClient(*row)
