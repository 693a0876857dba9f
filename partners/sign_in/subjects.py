"""Who signs in on our pages: members, and staff of partners and of the coalition."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import text

from coalition import mail_addresses
from kit.db import Session
from kit.errors import Invalid
from kit.secrets import Keyring

Kind = Literal["member", "staff"]
_ADDRESS = re.compile(r"(?=.{3,254}$)[!-;=?A-~]{1,64}@[!-;=?A-~]{1,189}")


class MalformedAddress(Invalid):
    """An e-mail address has one @ with something on both sides, and no spaces."""

    code = "malformed_address"
    title = "Malformed e-mail address"


@dataclass(frozen=True)
class Subject:
    """A person: a member, or one of a partner's staff (of the coalition's own, without a partner)."""

    kind: Kind
    subject_id: UUID
    partner_id: UUID | None


def normalise(email: str) -> str:
    """The address in the one form it is looked up in and written to; raises MalformedAddress.

    ASCII only: other letters have look-alikes that become ASCII in small letters, and would lead to a stranger's box.
    """
    if not _ADDRESS.fullmatch(email.strip()):
        raise MalformedAddress("that is not an e-mail address")
    return email.strip().lower()


def find(session: Session, kind: Kind, email: str, keyring: Keyring) -> Subject | None:
    """Who the address `email`, normalised, signs in, or None."""
    if kind == "member":
        member_id = mail_addresses.member_of(session, address=email, keyring=keyring)
        return Subject("member", member_id, None) if member_id else None
    row = session.execute(text(f"{_STAFF} AND s.email = :email"), {"email": email}).first()
    return Subject("staff", row.staff_id, row.partner_id) if row else None


def get(session: Session, *, kind: Kind, subject_id: UUID) -> Subject | None:
    """The person with this id while they may sign in, otherwise None."""
    if kind == "member":
        known = mail_addresses.is_somebody(session, member_id=subject_id)
        return Subject("member", subject_id, None) if known else None
    row = session.execute(text(f"{_STAFF} AND s.staff_id = :id"), {"id": subject_id}).first()
    return Subject("staff", row.staff_id, row.partner_id) if row else None


def confirm(session: Session, subject: Subject, *, email: str, now: datetime, keyring: Keyring) -> None:
    """Note that `subject` reads the mail sent to `email`: it came back with the code."""
    if subject.kind == "member":
        mail_addresses.confirm(session, address=email, now=now, keyring=keyring)


def label(session: Session, subject: Subject) -> str:
    """What to call the person where they choose among their passkeys: the address, a member's masked."""
    if subject.kind == "member":
        return mail_addresses.masked(session, member_id=subject.subject_id) or "member"
    return str(
        session.scalar(text("SELECT email FROM partners.staff WHERE staff_id = :id"), {"id": subject.subject_id})
    )


# Who left, or works for a partner that left, is nobody any more.
_STAFF = """
    SELECT s.staff_id, s.partner_id FROM partners.staff s LEFT JOIN partners.partner p USING (partner_id)
    WHERE s.ended_at IS NULL AND p.status IS DISTINCT FROM 'left'
"""
