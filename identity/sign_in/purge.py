"""What may be forgotten of sign-ins: sessions, codes and challenges that are over."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from identity.sign_in import challenges, codes, session_store
from identity.sign_in.people import Kind
from kit import ids
from kit.db import Session

AT_ONCE = 10_000
_HELD = {
    "sessions": """
        SELECT methods, user_agent, created_at, authenticated_at, last_seen_at, expires_at, ended_at
        FROM partners.session WHERE kind = :kind AND subject_id = :subject_id ORDER BY created_at
    """,
    "passkeys": """
        SELECT name, transports, backed_up, created_at, last_used_at
        FROM partners.passkey WHERE kind = :kind AND subject_id = :subject_id ORDER BY created_at
    """,
}


def forget(session: Session, *, now: datetime) -> int:
    """Delete what is over, at most AT_ONCE of each kind; returns how many rows."""
    return sum(part.forget(session, now=now, limit=AT_ONCE) for part in (challenges, codes, session_store))


def held(session: Session, *, kind: Kind, subject_id: UUID) -> dict[str, list[dict[str, Any]]]:
    """Somebody's sessions and passkeys, without what signs in: for the person who asks what is held."""
    found = {}
    for name, statement in _HELD.items():
        rows = session.execute(text(statement), {"kind": kind, "subject_id": subject_id})
        found[name] = [ids.show_fields(row._asdict()) for row in rows]
    return found


def forget_person(session: Session, *, kind: Kind, subject_id: UUID) -> None:
    """Delete somebody's sessions and passkeys, at once."""
    for table in ("session", "passkey"):
        session.execute(
            text(f"DELETE FROM partners.{table} WHERE kind = :kind AND subject_id = :subject_id"),  # noqa: S608
            {"kind": kind, "subject_id": subject_id},
        )
