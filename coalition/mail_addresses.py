"""Members by their e-mail address, for signing them in: found by its fingerprint, confirmed by a code sent to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from coalition import identifiers, members
from coalition.identifiers import Identifier
from kit.db import Session
from kit.secrets import Keyring


@dataclass(frozen=True)
class Addressee:
    """Whose address it is, and whether the member showed that they read the mail sent to it."""

    member_id: UUID
    is_confirmed: bool


def addressee(session: Session, *, address: str, keyring: Keyring) -> Addressee | None:
    """The member with this address (in small letters), or None."""
    row = session.execute(
        text("""
            SELECT member_id, verified_at IS NOT NULL FROM coalition.member_identifier
            WHERE kind = 'email' AND fingerprint = :fingerprint
        """),
        {"fingerprint": _fingerprint(address, keyring)},
    ).first()
    return Addressee(*row) if row else None


def has_confirmed(session: Session, *, member_id: UUID) -> bool:
    """Whether any of the member's addresses is confirmed."""
    return bool(
        session.scalar(
            text("""
                SELECT EXISTS (SELECT FROM coalition.member_identifier
                               WHERE member_id = :id AND kind = 'email' AND verified_at IS NOT NULL)
            """),
            {"id": member_id},
        )
    )


def confirm(session: Session, *, address: str, now: datetime, keyring: Keyring) -> None:
    """Note that the member with this address, whom the caller has locked, reads the mail sent to it."""
    session.execute(
        text("""
            UPDATE coalition.member_identifier SET verified_at = :now
            WHERE kind = 'email' AND fingerprint = :fingerprint AND verified_at IS NULL
        """),
        {"fingerprint": _fingerprint(address, keyring), "now": now},
    )


def unconfirm(session: Session, *, member_id: UUID) -> None:
    """Let none of the member's addresses, whom the caller has locked, sign it in until it is confirmed again."""
    session.execute(
        text("UPDATE coalition.member_identifier SET verified_at = NULL WHERE kind = 'email' AND member_id = :id"),
        {"id": member_id},
    )


def masked(session: Session, *, member_id: UUID) -> str | None:
    """The member's address as it may be shown, or None without one."""
    row = session.execute(
        text("SELECT masked FROM coalition.member_identifier WHERE kind = 'email' AND member_id = :id ORDER BY 1"),
        {"id": member_id},
    ).first()
    return row.masked if row else None


def is_somebody(session: Session, *, member_id: UUID) -> bool:
    """Whether there is such a member still, rather than one that was merged into another."""
    return bool(
        session.scalar(text("SELECT count(*) FROM coalition.wallet_of(:id) WHERE state <> 'merged'"), {"id": member_id})
    )


def _fingerprint(address: str, keyring: Keyring) -> bytes:
    return members.fingerprint(Identifier(identifiers.EMAIL, address, ""), keyring)
