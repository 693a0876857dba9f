"""Whom to write to at a partner."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from sqlalchemy import text

from kit import audit, ids
from kit.audit import Act
from kit.db import Session
from kit.errors import NotFound
from kit.expected_version import AS_EXPECTED, ExpectedVersion, changed, check
from partners import accounts, texts

ROLES = ("business", "technical", "finance", "legal", "support")


class ContactNotFound(NotFound):
    code = "contact_not_found"
    title = "Contact not found"
    description = "No contact has this id, or it has ended."
    remedy = (
        "List the partner's contacts with GET /v1/admin/partners/{partner_id}/contacts or `coalition partner contact "
        "list`, and use an id from there."
    )


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
    session: Session, act: Act, *, partner_id: UUID, role: str, name: str, email: str, phone: str | None
) -> Contact:
    """A new contact.

    Raises PartnerNotFound, PartnerGone, MalformedText, MalformedEmail, MalformedPhone.
    """
    accounts.present(session, partner_id)
    contact = Contact(
        ids.new(), partner_id, role, texts.text(name, what="name"), texts.email(email),
        None if phone is None else texts.phone(phone), act.now, None,
    )  # fmt: skip
    session.execute(
        text("""
            INSERT INTO partners.contact (contact_id, partner_id, role, name, email, phone, created_at)
            VALUES (:contact_id, :partner_id, :role, :name, :email, :phone, :created_at)
        """),
        vars(contact),
    )
    audit.append(session, act, "contact.added", contact, role=role)
    return contact


def change(
    session: Session, act: Act, *, contact_id: UUID, changes: ContactChange, expected_version: ExpectedVersion = None
) -> Contact:
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
    found = _update(session, contact_id, wanted, expected_version) if wanted else get(session, contact_id)
    if not wanted:
        check(found.version, expected_version)
    audit.append(session, act, "contact.corrected", found, fields=sorted(wanted))
    return found


def _update(
    session: Session, contact_id: UUID, wanted: dict[str, str | None], expected_version: ExpectedVersion
) -> Contact:
    done = session.execute(
        text(f"""
            UPDATE partners.contact SET {", ".join(f"{name} = :{name}" for name in wanted)}
            WHERE contact_id = :contact_id AND ended_at IS NULL AND {AS_EXPECTED}
        """),  # noqa: S608 -- names of ours
        {**wanted, "contact_id": contact_id, "expected_version": expected_version},
    )
    found = get(session, contact_id)
    if done.rowcount == 0:
        if found.ended_at is None:
            raise changed()
        raise ContactNotFound("the contact was ended")
    return found


def end(session: Session, act: Act, *, contact_id: UUID) -> Contact:
    """End a contact; raises ContactNotFound."""
    done = session.execute(
        text("UPDATE partners.contact SET ended_at = :now WHERE contact_id = :contact_id AND ended_at IS NULL"),
        {"contact_id": contact_id, "now": act.now},
    )
    if done.rowcount == 0:
        raise ContactNotFound("there is no such contact")
    ended = get(session, contact_id)
    audit.append(session, act, "contact.ended", ended)
    return ended


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
