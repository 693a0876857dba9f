"""People who work for a partner, or for the coalition itself; they sign in on pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from kit import audit, ids
from kit.audit import Act
from kit.db import Session
from kit.errors import Conflict, NotFound
from kit.expected_version import AS_EXPECTED, ExpectedVersion, changed
from partners import accounts, texts

ROLES = ("admin", "manager", "cashier")


class StaffNotFound(NotFound):
    code = "staff_not_found"
    title = "Staff not found"
    description = "Nobody with this id works here, or no longer does."
    remedy = (
        "List who works there with GET /v1/admin/partners/{partner_id}/staff, GET /v1/admin/staff or `coalition "
        "partner staff list`."
    )


class StaffEmailTaken(Conflict):
    code = "staff_email_taken"
    title = "E-mail address taken"
    description = "Somebody who works for a partner or for the coalition already has this address."
    remedy = (
        "Use another address for this person, or end the other person's work first. One address belongs to one person."
    )


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
    version: int = 1


_SELECT = "SELECT staff_id, partner_id, email, name, role, created_at, ended_at, version FROM partners.staff"


def add(session: Session, act: Act, *, partner_id: UUID | None, email: str, name: str, role: str) -> Person:
    """Somebody new.

    Raises PartnerNotFound, PartnerGone, MalformedText, MalformedEmail, StaffEmailTaken.
    """
    if partner_id is not None:
        accounts.present(session, partner_id)
    person = Person(ids.new(), partner_id, texts.email(email), texts.text(name, what="name"), role, act.now, None)
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
    audit.append(session, act, "staff.added", person, role=role)
    return person


def change(
    session: Session,
    act: Act,
    *,
    staff_id: UUID,
    role: str | None = None,
    name: str | None = None,
    expected_version: ExpectedVersion = None,
) -> Person:
    """Give somebody another role or name; what is None stays. An address stays: it is who signs in.

    Raises StaffNotFound, MalformedText, Stale.
    """
    wanted = None if name is None else texts.text(name, what="name")
    how = "role = coalesce(:role, role), name = coalesce(:name, name)"
    found = _update(session, how, staff_id=staff_id, role=role, name=wanted, expected_version=expected_version)
    said = [field for field, value in (("name", name), ("role", role)) if value is not None]
    audit.append(session, act, "staff.changed", found, fields=said, role=found.role)
    return found


def end(session: Session, act: Act, *, staff_id: UUID) -> Person:
    """Let somebody go: the address signs in nobody from now on. Raises StaffNotFound."""
    ended = _update(session, "ended_at = :now", staff_id=staff_id, now=act.now, expected_version=None)
    audit.append(session, act, "staff.ended", ended)
    return ended


def _update(session: Session, change: str, *, staff_id: UUID, **parameters: object) -> Person:
    done = session.execute(
        text(f"UPDATE partners.staff SET {change} WHERE staff_id = :staff_id AND ended_at IS NULL AND {AS_EXPECTED}"),  # noqa: S608
        {"staff_id": staff_id, **parameters},
    )
    found = get(session, staff_id)
    if done.rowcount == 0:
        if found.ended_at is None:
            raise changed()
        raise StaffNotFound("this person no longer works here")
    return found


def get(session: Session, staff_id: UUID) -> Person:
    """Somebody, also one who left; raises StaffNotFound."""
    row = session.execute(text(f"{_SELECT} WHERE staff_id = :staff_id"), {"staff_id": staff_id}).first()
    if row is None:
        raise StaffNotFound("nobody with this id works here")
    return Person(*row)


def working(session: Session, *, staff_id: UUID | None = None, email: str | None = None) -> Person | None:
    """Whoever has this id or address and works here still; who works for a partner that left is nobody any more."""
    row = session.execute(
        text(f"""
            {_SELECT} s WHERE (staff_id = :staff_id OR email = :email) AND ended_at IS NULL AND NOT EXISTS (
                SELECT FROM partners.partner p WHERE p.partner_id = s.partner_id AND p.status = 'left')
        """),
        {"staff_id": staff_id, "email": email},
    ).first()
    return None if row is None else Person(*row)


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
