"""What one member is found by: listed masked, added, taken away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from coalition import members
from coalition.identifiers import Identifier
from kit.db import Session
from kit.errors import Conflict, NotFound
from kit.secrets import Keyring

MOST_PER_MEMBER = 20  # and as many external ids of each partner


class IdentifierNotFound(NotFound):
    """The member has no identifier with this id, or it is another partner's external id."""

    code = "identifier_not_found"
    title = "Identifier not found"


class LastIdentifier(Conflict):
    """The member would not be found any more: add another identifier first, or have the member erased."""

    code = "last_identifier"
    title = "Last identifier"


class TooManyIdentifiers(Conflict):
    """The member has as many identifiers as a member may have, or as many external ids of yours."""

    code = "too_many_identifiers"
    title = "Too many identifiers"


@dataclass(frozen=True)
class KeptIdentifier:
    """An identifier as it may be shown; `created_at` is None for cards of before there was more than cards."""

    identifier_id: UUID
    kind: str
    masked: str
    verified_at: datetime | None
    created_at: datetime | None


_OWN = """
    SELECT identifier_id, kind, masked, verified_at, created_at FROM coalition.member_identifier
    WHERE member_id = :member_id AND (partner_id IS NULL OR partner_id = :partner_id)
"""


def of_member(session: Session, *, member_id: UUID, partner_id: UUID | None) -> list[KeptIdentifier]:
    """All identifiers but external ids of others than `partner_id` (None: the member asks), oldest first.

    Raises MemberNotFound.
    """
    members.by_id(session, member_id)
    rows = session.execute(
        text(f"{_OWN} ORDER BY created_at NULLS FIRST, identifier_id"),
        {"member_id": member_id, "partner_id": partner_id},
    )
    return [KeptIdentifier(*row) for row in rows]


def get(session: Session, *, member_id: UUID, identifier_id: UUID, partner_id: UUID | None) -> KeptIdentifier:
    """One of them; raises IdentifierNotFound."""
    row = session.execute(
        text(f"{_OWN} AND identifier_id = :identifier_id"),
        {"member_id": member_id, "partner_id": partner_id, "identifier_id": identifier_id},
    ).first()
    if row is None:
        raise IdentifierNotFound("the member has no such identifier")
    return KeptIdentifier(*row)


def add(
    session: Session, *, member_id: UUID, identifier: Identifier, partner_id: UUID, now: datetime, keyring: Keyring
) -> KeptIdentifier:
    """Let the member be found by `identifier` too; what it has already is answered as it is.

    Raises MemberNotFound, MemberMerged, CardInUse, IdentifierInUse, TooManyIdentifiers.
    """
    members.lock(session, member_id)
    known = members.find_many(session, [identifier], keyring)
    if known.get(identifier) != member_id:
        if _count(session, member_id, owner=identifier.partner_id) >= MOST_PER_MEMBER:
            raise TooManyIdentifiers(f"a member has up to {MOST_PER_MEMBER} identifiers")
        members.attach(session, member_id=member_id, identifier=identifier, now=now, keyring=keyring)
    identifier_id = session.scalar(
        text("SELECT identifier_id FROM coalition.member_identifier WHERE kind = :kind AND fingerprint = :fingerprint"),
        {"kind": identifier.kind, "fingerprint": members.fingerprint(identifier, keyring)},
    )
    return get(session, member_id=member_id, identifier_id=UUID(str(identifier_id)), partner_id=partner_id)


def remove(session: Session, *, member_id: UUID, identifier_id: UUID, partner_id: UUID | None) -> None:
    """Let the member not be found by it any more; raises MemberNotFound, IdentifierNotFound, LastIdentifier."""
    members.lock(session, member_id)
    get(session, member_id=member_id, identifier_id=identifier_id, partner_id=partner_id)
    done = session.execute(
        text("""
            DELETE FROM coalition.member_identifier
            WHERE identifier_id = :identifier_id AND coalition.count_identifiers(:member_id) > 1
        """),
        {"member_id": member_id, "identifier_id": identifier_id},
    )
    if done.rowcount == 0:
        raise LastIdentifier("this is the only identifier the member has")


def _count(session: Session, member_id: UUID, *, owner: UUID | None) -> int:
    # Each partner's external ids apart: no partner can take the places of what the member is found by everywhere.
    return (
        session.scalar(
            text("""
                SELECT count(*) FROM coalition.member_identifier
                WHERE member_id = :member_id AND partner_id IS NOT DISTINCT FROM CAST(:owner AS uuid)
            """),
            {"member_id": member_id, "owner": owner},
        )
        or 0
    )
