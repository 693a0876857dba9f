"""People who work for a partner, or for the coalition itself; they sign in on pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from kit import ids
from kit.db import Session
from kit.errors import Conflict, NotFound
from partners import accounts, texts

ROLES = ("admin", "manager", "cashier")


class StaffNotFound(NotFound):
    """Nobody with this id works here, or no longer."""

    code = "staff_not_found"
    title = "Staff not found"


class StaffEmailTaken(Conflict):
    """Somebody who works for a partner or the coalition has this address."""

    code = "staff_email_taken"
    title = "Address taken"


@dataclass(frozen=True)
class Person:
    """Somebody of a partner's staff, or (without partner) of the coalition's; `role` is one of ROLES."""

    staff_id: UUID
    partner_id: UUID | None
    email: str
    name: str
    role: str
    created_at: datetime
    ended_at: datetime | None


_SELECT = "SELECT staff_id, partner_id, email, name, role, created_at, ended_at FROM partners.staff"


def add(session: Session, *, partner_id: UUID | None, email: str, name: str, role: str, now: datetime) -> Person:
    """Somebody new.

    Raises PartnerNotFound, PartnerGone, MalformedText, MalformedEmail, StaffEmailTaken.
    """
    if partner_id is not None:
        accounts.present(session, partner_id)
    person = Person(ids.new(), partner_id, texts.email(email), texts.text(name, what="name"), role, now, None)
    done = session.execute(
        text("""
            INSERT INTO partners.staff (staff_id, partner_id, email, name, role, created_at)
            VALUES (:staff_id, :partner_id, :email, :name, :role, :created_at)
            ON CONFLICT (email) WHERE ended_at IS NULL DO NOTHING
        """),
        vars(person),
    )
    if done.rowcount == 0:
        raise StaffEmailTaken("somebody else has this address")
    return person


def set_role(session: Session, *, staff_id: UUID, role: str) -> Person:
    """Give somebody another role; raises StaffNotFound."""
    return _update(session, "role = :role", staff_id=staff_id, role=role)


def end(session: Session, *, staff_id: UUID, now: datetime) -> Person:
    """Let somebody go: the address signs in nobody from now on. Raises StaffNotFound."""
    return _update(session, "ended_at = :now", staff_id=staff_id, now=now)


def _update(session: Session, change: str, **parameters: object) -> Person:
    done = session.execute(
        text(f"UPDATE partners.staff SET {change} WHERE staff_id = :staff_id AND ended_at IS NULL"),  # noqa: S608
        parameters,
    )
    if done.rowcount == 0:
        raise StaffNotFound("nobody with this id works here")
    return Person(*session.execute(text(f"{_SELECT} WHERE staff_id = :staff_id"), parameters).one())


def end_all(session: Session, *, partner_id: UUID, now: datetime) -> None:
    """Let everybody of a partner go."""
    session.execute(
        text("UPDATE partners.staff SET ended_at = :now WHERE partner_id = :partner_id AND ended_at IS NULL"),
        {"partner_id": partner_id, "now": now},
    )


def page(session: Session, *, partner_id: UUID | None, after: UUID, limit: int) -> list[Person]:
    """The staff of a partner, or (without one) of the coalition, behind `after`; those who left included."""
    rows = session.execute(
        text(f"""{_SELECT} WHERE partner_id IS NOT DISTINCT FROM :partner_id AND staff_id > :after
                 ORDER BY staff_id LIMIT :limit"""),
        {"partner_id": partner_id, "after": after, "limit": limit},
    )
    return [Person(*row) for row in rows]
