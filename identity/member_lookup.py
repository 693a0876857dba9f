"""Which member a request means: the one rule for every route and every item of a batch that names one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from coalition import cards, identifiers, members, rotating_codes
from coalition.identifiers import KIND_OF_FIELD, Identifier
from coalition.members import Member, MemberNotFound
from coalition.rotating_codes import WrongCode
from coalition.throttle import SecretsLocked
from kit.db import Database, Session
from kit.errors import Invalid
from kit.secrets import Keyring

# A request has exactly one of these, or the wallet's code as scanned, which says whose it is.
NAMES = ("member_id", *KIND_OF_FIELD)
# What naming a member can meet.
MALFORMED = (
    cards.MalformedCard,
    identifiers.MalformedPhone,
    identifiers.MalformedEmail,
    identifiers.MalformedExternalId,
)
UNFOUND = (*MALFORMED, MemberNotFound, WrongCode, SecretsLocked)


def find(session: Session, body: Mapping[str, Any], *, partner_id: UUID, keyring: Keyring) -> UUID:
    """The member `body` names; by a code, the member it claims to be, which has still to be checked.

    Raises MemberNotFound, WrongCode, and like `identifiers.parse`.
    """
    if "member_id" in body:
        member_id: UUID = body["member_id"]
        return member_id
    for identifier in identifiers.named(body, partner_id=partner_id):
        return members.find(session, identifier, keyring).member_id
    return rotating_codes.owner(session, rotating_codes.parse(body["code"]))


def look_up(
    database: Database, body: Mapping[str, Any], *, partner_id: UUID, keyring: Keyring, now: datetime
) -> Member:
    """The member `body` names, to be shown; a code in it is checked and used up, but for one spending by the partner.

    Raises like `find`, and SecretsLocked.
    """
    with database.reading() as session:
        member = members.by_id(session, find(session, body, partner_id=partner_id, keyring=keyring))
    if "code" in body:
        rotating_codes.recognise(
            database,
            member_id=member.member_id,
            digits=rotating_codes.parse(body["code"]).digits,
            partner_id=partner_id,
            keyring=keyring,
            now=now,
        )
    return member


def named(bodies: Collection[Mapping[str, Any]], *, partner_id: UUID) -> list[Identifier]:
    """The well-formed identifiers `bodies` name members by, for `members.find_many`."""
    found = []
    for body in bodies:
        try:
            found += identifiers.named(body, partner_id=partner_id)
        except Invalid:
            continue  # whose turn comes is told so
    return found


def among(found: Mapping[Identifier, UUID], body: Mapping[str, Any], *, partner_id: UUID) -> UUID:
    """The member `body` names, where `found` is what `members.find_many` knew; raises like `find`."""
    if "member_id" in body:
        member_id: UUID = body["member_id"]
        return member_id
    for identifier in identifiers.named(body, partner_id=partner_id):
        if identifier in found:
            return found[identifier]
    raise MemberNotFound("there is no such member")
