"""Sessions as rows: begun at each authentication under a new secret, kept alive by use, ended by time or by hand."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from identity.sign_in import people
from identity.sign_in.people import Kind, Subject
from kit import ids
from kit.db import Session
from kit.secrets import Keyring

# Staff stand at shared tills and desks and may do much; members use their own phones and may do little.
IDLE: dict[Kind, timedelta] = {"member": timedelta(days=14), "staff": timedelta(minutes=30)}
LIFETIME: dict[Kind, timedelta] = {"member": timedelta(days=90), "staff": timedelta(hours=12)}
SEEN_EVERY = timedelta(minutes=1)
LONGEST_USER_AGENT = 120


@dataclass(frozen=True)
class Visitor:
    """Who is signed in: since when they last proved it, by which methods (RFC 8176), and when they were seen last."""

    kind: Kind
    subject_id: UUID
    partner_id: UUID | None
    session_id: UUID
    authenticated_at: datetime
    methods: tuple[str, ...]
    last_seen_at: datetime


@dataclass(frozen=True)
class OpenSession:
    """One of a person's sessions as they may see it."""

    session_id: UUID
    user_agent: str
    created_at: datetime
    last_seen_at: datetime


def begin(
    session: Session,
    subject: Subject,
    *,
    methods: Sequence[str],
    user_agent: str,
    replaces: str | None,
    now: datetime,
    keyring: Keyring,
) -> str:
    """A new session of `subject`, which ends the one the same browser had; returns its secret, for the cookie."""
    before = replaces and end(session, kind=subject.kind, token=replaces, now=now, keyring=keyring)
    token = secrets.token_urlsafe(32)
    session.execute(
        text("""
            INSERT INTO partners.session (session_id, token_hash, kind, subject_id, partner_id, methods, user_agent,
                                          created_at, authenticated_at, last_seen_at, expires_at)
            VALUES (:id, :token_hash, :kind, :subject_id, :partner_id, :methods, :user_agent,
                    :created_at, :now, :now, :expires_at)
        """),
        {
            "id": ids.new(),
            "token_hash": _hash(keyring, subject.kind, token),
            **vars(subject),
            "methods": list(methods),
            "user_agent": _printable(user_agent)[:LONGEST_USER_AGENT],
            "created_at": before[1] if before and before[0] == subject.subject_id else now,
            "now": now,
            "expires_at": now + LIFETIME[subject.kind],
        },
    )
    return token


def find(session: Session, *, kind: Kind, token: str, now: datetime, keyring: Keyring) -> Visitor | None:
    """Who holds the session with this secret, or None."""
    row = session.execute(
        text(f"""
            SELECT session_id, subject_id, authenticated_at, methods, last_seen_at FROM partners.session
            WHERE token_hash = :token_hash AND kind = :kind AND {_OPEN}
        """),  # noqa: S608
        {"token_hash": _hash(keyring, kind, token), "kind": kind, **_open_at(kind, now)},
    ).first()
    subject = row and people.get(session, kind=kind, subject_id=row.subject_id)
    if not row or not subject:
        return None
    return Visitor(
        kind,
        subject.subject_id,
        subject.partner_id,
        row.session_id,
        row.authenticated_at,
        tuple(row.methods),
        row.last_seen_at,
    )


def wants_noting(visitor: Visitor, *, now: datetime) -> bool:
    """Whether it is a minute since the visitor was noted as seen."""
    return visitor.last_seen_at < now - SEEN_EVERY


def note_seen(session: Session, visitor: Visitor, *, now: datetime) -> None:
    """Keep the visitor's session alive."""
    session.execute(
        text("UPDATE partners.session SET last_seen_at = :now WHERE session_id = :id AND last_seen_at < :now"),
        {"id": visitor.session_id, "now": now},
    )


def end(session: Session, *, kind: Kind, token: str, now: datetime, keyring: Keyring) -> tuple[UUID, datetime] | None:
    """End the session with this secret; whose it was and since when, or None when it was over already."""
    row = session.execute(
        text(f"""
            UPDATE partners.session SET ended_at = :now WHERE token_hash = :token_hash AND kind = :kind AND {_OPEN}
            RETURNING subject_id, created_at
        """),  # noqa: S608
        {"token_hash": _hash(keyring, kind, token), "kind": kind, **_open_at(kind, now)},
    ).first()
    return row and (row.subject_id, row.created_at)


def end_all(session: Session, *, kind: Kind, subject_id: UUID, now: datetime, but: UUID | None = None) -> int:
    """End every session of a person, except `but`; returns how many."""
    return session.execute(
        text("""
            UPDATE partners.session SET ended_at = :now
            WHERE subject_id = :subject_id AND kind = :kind AND ended_at IS NULL
              AND session_id IS DISTINCT FROM CAST(:but AS uuid)
        """),
        {"kind": kind, "subject_id": subject_id, "now": now, "but": but},
    ).rowcount


def listing(session: Session, *, kind: Kind, subject_id: UUID, now: datetime, limit: int = 50) -> list[OpenSession]:
    """A person's open sessions, the one seen last first."""
    rows = session.execute(
        text(f"""
            SELECT session_id, user_agent, created_at, last_seen_at FROM partners.session
            WHERE subject_id = :subject_id AND kind = :kind AND {_OPEN} ORDER BY last_seen_at DESC LIMIT :limit
        """),  # noqa: S608
        {"kind": kind, "subject_id": subject_id, "limit": limit, **_open_at(kind, now)},
    )
    return [OpenSession(*row) for row in rows]


def forget(session: Session, *, now: datetime, limit: int) -> int:
    """Delete sessions that are over; returns how many."""
    return sum(
        session.execute(
            text(f"""
                DELETE FROM partners.session WHERE session_id IN (
                    SELECT session_id FROM partners.session WHERE kind = :kind AND NOT ({_OPEN}) LIMIT :limit)
            """),  # noqa: S608
            {"kind": kind, "limit": limit, **_open_at(kind, now)},
        ).rowcount
        for kind in IDLE
    )


_OPEN = "ended_at IS NULL AND expires_at > :now AND last_seen_at > :idle_since"


def _open_at(kind: Kind, now: datetime) -> dict[str, datetime]:
    return {"now": now, "idle_since": now - IDLE[kind]}


def _hash(keyring: Keyring, kind: Kind, token: str) -> bytes:
    return keyring.fingerprint(purpose=f"{kind} session", value=token)


def _printable(given: str) -> str:
    return "".join(character for character in given if character.isprintable())
