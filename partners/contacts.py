"""Whom to write to at a partner."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from sqlalchemy import text

from kit import ids
from kit.db import Session
from kit.errors import NotFound
from kit.seen import AS_SEEN, Seen, changed, check
from partners import accounts, texts

ROLES = ("business", "technical", "finance", "legal", "support")


class ContactNotFound(NotFound):
    """No contact has this id, or it was ended."""

    code = "contact_not_found"
    title = "Contact not found"


@dataclass(frozen=True)
class Contact:
    """A person (or desk) at a partner, and what to ask of it: one of ROLES."""

    contact_id: UUID
    partner_id: UUID
    role: str
    name: str
    email: str
    phone: str | None
    created_at: datetime
    ended_at: datetime | None
    version: int = 1


class ContactChange(TypedDict, total=False):
    """What of a contact is to be different; what is not named stays."""

    role: str
    name: str
    email: str
    phone: str | None


_SELECT = """
    SELECT contact_id, partner_id, role, name, email, phone, created_at, ended_at, version FROM partners.contact
"""


def add(
    session: Session, *, partner_id: UUID, role: str, name: str, email: str, phone: str | None, now: datetime
) -> Contact:
    """A new contact.

    Raises PartnerNotFound, PartnerGone, MalformedText, MalformedEmail, MalformedPhone.
    """
    accounts.present(session, partner_id)
    contact = Contact(
        ids.new(), partner_id, role, texts.text(name, what="name"), texts.email(email),
        None if phone is None else texts.phone(phone), now, None,
    )  # fmt: skip
    session.execute(
        text("""
            INSERT INTO partners.contact (contact_id, partner_id, role, name, email, phone, created_at)
            VALUES (:contact_id, :partner_id, :role, :name, :email, :phone, :created_at)
        """),
        vars(contact),
    )
    return contact


def change(session: Session, *, contact_id: UUID, changes: ContactChange, seen: Seen = None) -> Contact:
    """Correct a contact that is not ended; what is not named stays.

    Raises ContactNotFound, MalformedText, MalformedEmail, MalformedPhone, Stale.
    """
    wanted: dict[str, str | None] = {**changes}  # type: ignore[dict-item]
    if "name" in changes:
        wanted["name"] = texts.text(changes["name"], what="name")
    if "email" in changes:
        wanted["email"] = texts.email(changes["email"])
    if (phone := changes.get("phone")) is not None:
        wanted["phone"] = texts.phone(phone)
    if not wanted:
        before = get(session, contact_id)
        check(before.version, seen)
        return before
    done = session.execute(
        text(f"""
            UPDATE partners.contact SET {", ".join(f"{name} = :{name}" for name in wanted)}
            WHERE contact_id = :contact_id AND ended_at IS NULL AND {AS_SEEN}
        """),  # noqa: S608 -- names of ours
        {**wanted, "contact_id": contact_id, "seen": seen},
    )
    found = get(session, contact_id)
    if done.rowcount == 0:
        if found.ended_at is None:
            raise changed()
        raise ContactNotFound("the contact was ended")
    return found


def end(session: Session, *, contact_id: UUID, now: datetime) -> Contact:
    """End a contact; raises ContactNotFound."""
    done = session.execute(
        text("UPDATE partners.contact SET ended_at = :now WHERE contact_id = :contact_id AND ended_at IS NULL"),
        {"contact_id": contact_id, "now": now},
    )
    if done.rowcount == 0:
        raise ContactNotFound("there is no such contact")
    return get(session, contact_id)


def get(session: Session, contact_id: UUID) -> Contact:
    """One contact, also one that was ended; raises ContactNotFound."""
    row = session.execute(text(f"{_SELECT} WHERE contact_id = :id"), {"id": contact_id}).first()
    if row is None:
        raise ContactNotFound("there is no such contact")
    return Contact(*row)


def of_partner(session: Session, *, partner_id: UUID, after: UUID, limit: int) -> list[Contact]:
    """A partner's contacts behind `after`, oldest first, ended ones included."""
    rows = session.execute(
        text(f"{_SELECT} WHERE partner_id = :partner_id AND contact_id > :after ORDER BY contact_id LIMIT :limit"),
        {"partner_id": partner_id, "after": after, "limit": limit},
    )
    return [Contact(*row) for row in rows]
