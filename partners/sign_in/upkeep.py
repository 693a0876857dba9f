"""What may be forgotten of sign-ins: sessions, codes and challenges that are over."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from kit.db import Session
from partners.sign_in import challenges, codes, records
from partners.sign_in.subjects import Kind

AT_ONCE = 10_000


def forget(session: Session, *, now: datetime) -> int:
    """Delete what is over, at most AT_ONCE of each kind; returns how many rows."""
    return sum(part.forget(session, now=now, limit=AT_ONCE) for part in (challenges, codes, records))


def forget_person(session: Session, *, kind: Kind, subject_id: UUID) -> None:
    """Delete somebody's sessions and passkeys, at once: the person is being erased."""
    for table in ("session", "passkey"):
        session.execute(
            text(f"DELETE FROM partners.{table} WHERE kind = :kind AND subject_id = :subject_id"),  # noqa: S608
            {"kind": kind, "subject_id": subject_id},
        )
