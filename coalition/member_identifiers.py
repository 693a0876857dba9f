"""What one member is found by: listed masked, added, taken away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from coalition import members
from coalition.identifiers import Identifier
from kit import audit, ids
from kit.audit import Act
from kit.db import Session
from kit.errors import Conflict, NotFound

MOST_PER_MEMBER = 20  # and as many external ids of each partner


class IdentifierNotFound(NotFound):
    code = "identifier_not_found"
    title = "Identifier not found"
    description = "The member has no identifier with this id, or it is another partner's external id."
    remedy = (
        "Look at the list of the member's identifiers again and choose one of it. It may have been removed in the "
        "meantime."
    )


class LastIdentifier(Conflict):
    code = "last_identifier"
    title = "Last identifier"
    description = "This is the member's last identifier. Without it nobody could find the member."
    remedy = "Add another identifier first, or ask the coalition to erase the member."


class TooManyIdentifiers(Conflict):
    code = "too_many_identifiers"
    title = "Too many identifiers"
    description = (
        "The member already has the greatest number of identifiers, or of your external ids, that a member can have."
    )
    remedy = "Remove an identifier that the member no longer uses, then add the new one."


@dataclass(frozen=True)
class KeptIdentifier:
    """An identifier as it may be shown; `created_at` is None for cards of before there was more than cards."""

    identifier_id: UUID
    kind: str
    masked: str
    verified_at: datetime | None
    created_at: datetime | None

    @property
    def facts(self) -> dict[str, object]:
        """What the audit says of it."""
        return {"identifier": ids.show(ids.IDENTIFIER, self.identifier_id), "kind": self.kind}


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
    session: Session,
    act: Act,
    *,
    member_id: UUID,
    identifier: Identifier,
    partner_id: UUID,
    proved: bool,
    now: datetime,
) -> KeptIdentifier:
    """Let the member be found by `identifier` too, at the partner's time `now`; what it has is answered as it is.

    `proved`: whether the member itself showed that it is them.

    Raises MemberNotFound, MemberMerged, CardInUse, IdentifierInUse, TooManyIdentifiers.
    """
    members.lock(session, member_id)
    known = members.find_many(session, [identifier], act.keyring)
    if known.get(identifier) != member_id:
        if _count(session, member_id, owner=identifier.partner_id) >= MOST_PER_MEMBER:
            raise TooManyIdentifiers(f"a member has up to {MOST_PER_MEMBER} identifiers")
        members.attach(session, member_id=member_id, identifier=identifier, now=now, keyring=act.keyring)
    identifier_id = session.scalar(
        text("SELECT identifier_id FROM coalition.member_identifier WHERE kind = :kind AND fingerprint = :fingerprint"),
        {"kind": identifier.kind, "fingerprint": members.fingerprint(identifier, act.keyring)},
    )
    kept = get(session, member_id=member_id, identifier_id=UUID(str(identifier_id)), partner_id=partner_id)
    audit.append(session, act, "member.identifier_added", ids.show_our_own(member_id), **kept.facts, proved=proved)
    return kept


def remove(
    session: Session, act: Act, *, member_id: UUID, identifier_id: UUID, partner_id: UUID | None, proved: bool
) -> None:
    """Let the member not be found by it any more; `proved` as in `add`.

    Raises MemberNotFound, IdentifierNotFound, LastIdentifier.
    """
    members.lock(session, member_id)
    kept = get(session, member_id=member_id, identifier_id=identifier_id, partner_id=partner_id)
    done = session.execute(
        text("""
            DELETE FROM coalition.member_identifier
            WHERE identifier_id = :identifier_id AND coalition.count_identifiers(:member_id) > 1
        """),
        {"member_id": member_id, "identifier_id": identifier_id},
    )
    if done.rowcount == 0:
        raise LastIdentifier("this is the only identifier the member has")
    audit.append(session, act, "member.identifier_removed", ids.show_our_own(member_id), **kept.facts, proved=proved)


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
