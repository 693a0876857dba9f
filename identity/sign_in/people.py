"""Who signs in on our pages: members, and staff of partners and of the coalition."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from coalition import mail_addresses, members
from identity import member_credentials
from kit.db import Session
from kit.errors import Invalid
from kit.secrets import Keyring
from partners import staff
from partners.staff import Person

Kind = Literal["member", "staff"]
_NOBODY = UUID(int=0)
_ADDRESS = re.compile(r"(?=.{3,254}$)[!-;=?A-~]{1,64}@[!-;=?A-~]{1,189}")


class MalformedAddress(Invalid):
    code = "malformed_address"
    title = "Malformed e-mail address"
    description = "An e-mail address has one @ with something on both sides, and no spaces."
    remedy = "Enter the whole address, such as ann@example.com."


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
        raise MalformedAddress("this is not an e-mail address")
    return email.strip().lower()


def find(session: Session, kind: Kind, email: str, keyring: Keyring) -> Subject | None:
    """Who the address `email`, normalised, signs in, or None.

    An address nobody confirmed yet signs in a member without any proof of its own only: that is how it gets its first.
    """
    if kind == "member":
        found = mail_addresses.addressee(session, address=email, keyring=keyring)
        # Asked for nobody, too: how long it takes must not tell whether the address is somebody's.
        known = member_credentials.of_member(session, found.member_id if found else _NOBODY)
        signs_in = found and (found.is_confirmed or not known.are_there)
        return Subject("member", found.member_id, None) if found and signs_in else None
    return _of_staff(staff.working(session, email=email))


def get(session: Session, *, kind: Kind, subject_id: UUID) -> Subject | None:
    """The person with this id while they may sign in, otherwise None."""
    if kind == "member":
        known = mail_addresses.is_somebody(session, member_id=subject_id)
        return Subject("member", subject_id, None) if known else None
    return _of_staff(staff.working(session, staff_id=subject_id))


def confirm(session: Session, kind: Kind, email: str, *, now: datetime, keyring: Keyring) -> Subject | None:
    """Like `find`, for whoever came back with the code sent to `email`, which is confirmed by that."""
    found = find(session, kind, email, keyring)
    if found is None or kind == "staff":
        return found
    # Two addresses may come back at once, or a PIN may have been set: who is first decides for the other.
    members.lock(session, found.subject_id)
    if find(session, kind, email, keyring) != found:
        return None
    mail_addresses.confirm(session, address=email, now=now, keyring=keyring)
    return found


def label(session: Session, subject: Subject) -> str:
    """What to call the person where they choose among their passkeys: the address, a member's masked."""
    if subject.kind == "member":
        return mail_addresses.masked(session, member_id=subject.subject_id) or "member"
    return staff.get(session, subject.subject_id).email


def _of_staff(person: Person | None) -> Subject | None:
    return Subject("staff", person.staff_id, person.partner_id) if person else None
