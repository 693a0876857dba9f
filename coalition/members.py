"""Members: enrolled with what they are found by, and found by it. Stored are keyed fingerprints.

What has to be had again, a phone number or an address to write to, is kept sealed beside its fingerprint; a card's
number is not kept at all.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from coalition import identifiers
from coalition.identifiers import CARD, EXTERNAL, Identifier
from kit import ids, outbox
from kit.db import Session
from kit.errors import Conflict, Invalid, NotFound
from kit.secrets import Keyring

SEALED_FOR = "member identifier"


class MemberNotFound(NotFound):
    code = "member_not_found"
    title = "Member not found"
    description = "No member has this id or identifier."
    remedy = "Check the id or identifier for typing errors. If it is right, enrol the member with POST /v1/members."


class MemberMerged(Conflict):
    code = "member_merged"
    title = "Member merged"
    description = "The member was merged into another member. `member_id` is the id of that member."
    remedy = "Send the request again for the member in `member_id`, and use that id from now on."
    facts = ("member_id",)


class CardInUse(Conflict):
    code = "card_in_use"
    title = "Card in use"
    description = "The card already belongs to a member."
    remedy = "Look the member up by the card instead."


class IdentifierInUse(Conflict):
    code = "identifier_in_use"
    title = "Identifier in use"
    description = "The phone number, e-mail address or external id (`kind`) already belongs to a member."
    remedy = "Look the member up by this identifier instead."
    facts = ("kind",)


class IdentifierMissing(Invalid):
    code = "identifier_missing"
    title = "Identifier missing"
    description = "A member needs at least one identifier: card, phone, e-mail or your own id."
    remedy = "Send at least one of `card`, `phone`, `email` and `external_id`."


@dataclass(frozen=True)
class Member:
    """A person who collects points, as partners may see them; `card_masked` is the card they had last, if any."""

    member_id: UUID
    enrolled_at: datetime
    card_masked: str | None


def enrol(
    session: Session,
    *,
    partner_id: UUID,
    now: datetime,
    keyring: Keyring,
    card: str | None = None,
    phone: str | None = None,
    email: str | None = None,
    external_id: str | None = None,
) -> Member:
    """A new member with an empty wallet, and the event `member.enrolled` to the enrolling partner.

    Raises IdentifierMissing, CardInUse, IdentifierInUse, and like `identifiers.parse`.
    """
    given = {"card": card, "phone": phone, "email": email, "external_id": external_id}
    found_by = identifiers.named(given, partner_id=partner_id)
    if not found_by:
        raise IdentifierMissing("give a card, a phone number, an e-mail address or your own id")
    card_masked = next((one.masked for one in found_by if one.kind == CARD), None)
    member = Member(member_id=ids.new(), enrolled_at=now, card_masked=card_masked)
    session.execute(
        text("INSERT INTO coalition.member (member_id, enrolled_by, enrolled_at) VALUES (:member_id, :by, :at)"),
        {"member_id": member.member_id, "by": partner_id, "at": now},
    )
    for identifier in found_by:
        attach(session, member_id=member.member_id, identifier=identifier, now=now, keyring=keyring)
    session.execute(text("SELECT coalition.ledger_open_wallet(:member_id)"), {"member_id": member.member_id})
    outbox.append(
        session,
        outbox.Event(
            type="member.enrolled",
            subject_id=member.member_id,
            partner_id=partner_id,
            occurred_at=now,
            data={"member_id": member.member_id, "partner_id": partner_id, "card_masked": member.card_masked},
        ),
    )
    return member


def attach(session: Session, *, member_id: UUID, identifier: Identifier, now: datetime, keyring: Keyring) -> UUID:
    """Let the member be found by `identifier`; returns the id of that row. Raises CardInUse, IdentifierInUse."""
    sealed = None if identifier.kind == CARD else keyring.seal(identifier.value.encode(), purpose=SEALED_FOR)
    identifier_id = session.scalar(
        text("""
            INSERT INTO coalition.member_identifier
                (identifier_id, kind, fingerprint, member_id, partner_id, masked, sealed, created_at)
            VALUES (:identifier_id, :kind, :fingerprint, :member_id, :partner_id, :masked, :sealed, :now)
            ON CONFLICT (kind, fingerprint) DO NOTHING RETURNING identifier_id
        """),
        {
            "identifier_id": ids.new(),
            "kind": identifier.kind,
            "fingerprint": fingerprint(identifier, keyring),
            "member_id": member_id,
            "partner_id": identifier.partner_id,
            "masked": identifier.masked,
            "sealed": sealed,
            "now": now,
        },
    )
    if identifier_id is not None:
        return UUID(str(identifier_id))
    if identifier.kind == CARD:
        raise CardInUse("a member already has this card")
    raise IdentifierInUse("a member already has this identifier", kind=identifier.kind)


_LAST_CARD = """
    (SELECT c.masked FROM coalition.member_identifier c WHERE c.member_id = m.member_id AND c.kind = 'card'
     ORDER BY c.created_at DESC NULLS LAST, c.identifier_id DESC LIMIT 1)
"""
_BY_IDENTIFIER = text(f"""
    SELECT m.member_id, m.enrolled_at, CASE WHEN i.kind = 'card' THEN i.masked ELSE {_LAST_CARD} END
    FROM coalition.member_identifier i JOIN coalition.member m USING (member_id)
    WHERE i.kind = :kind AND i.fingerprint = :fingerprint
""")  # noqa: S608 -- made of constants
_BY_ID = text(f"""
    SELECT m.member_id, m.enrolled_at, {_LAST_CARD}, w.merged_into
    FROM coalition.member m LEFT JOIN coalition.wallet_of(:member_id) w USING (member_id)
    WHERE m.member_id = :member_id AND m.erased_at IS NULL
""")  # noqa: S608


def find(session: Session, identifier: Identifier, keyring: Keyring) -> Member:
    """The member with this identifier; raises MemberNotFound."""
    return _one(session, _BY_IDENTIFIER, kind=identifier.kind, fingerprint=fingerprint(identifier, keyring))


def by_id(session: Session, member_id: UUID) -> Member:
    """The member with this id; raises MemberNotFound, for an erased one too, and MemberMerged."""
    row = session.execute(_BY_ID, {"member_id": member_id}).first()
    if row is None:
        raise MemberNotFound("there is no such member")
    refuse_merged(row.merged_into)
    return Member(*row[:3])


def refuse_merged(into: UUID | None) -> None:
    """Raise MemberMerged if the member was merged into `into`: wherever its id is given, that is the answer."""
    if into is not None:
        shown = ids.show(ids.MEMBER, into)
        raise MemberMerged(f"the member was merged into {shown}", member_id=shown)


def find_many(session: Session, wanted: Collection[Identifier], keyring: Keyring) -> dict[Identifier, UUID]:
    """The members of those `wanted` that are known, by identifier: for many at once."""
    found: dict[Identifier, UUID] = {}
    for kind in {one.kind for one in wanted}:
        prints = {fingerprint(one, keyring): one for one in wanted if one.kind == kind}
        rows = session.execute(
            text("SELECT fingerprint, member_id FROM coalition.member_identifier WHERE kind = :kind "
                 "AND fingerprint = ANY(:prints)"),
            {"kind": kind, "prints": list(prints)},
        )  # fmt: skip
        found.update({prints[bytes(row.fingerprint)]: row.member_id for row in rows})
    return found


def lock(session: Session, member_id: UUID) -> UUID:
    """Keep others from changing what the member is found by until the end of the transaction; who enrolled it.

    Raises MemberNotFound, for an erased one too, and MemberMerged.
    """
    enrolled_by = lock_even_merged(session, member_id)
    into = session.scalar(text("SELECT merged_into FROM coalition.wallet_of(:member_id)"), {"member_id": member_id})
    refuse_merged(into)
    return enrolled_by


def lock_even_merged(session: Session, member_id: UUID) -> UUID:
    """Like `lock`, for what has an answer of its own for a merged member; raises MemberNotFound."""
    enrolled_by = session.scalar(
        text("""
            SELECT enrolled_by FROM coalition.member WHERE member_id = :member_id AND erased_at IS NULL
            FOR NO KEY UPDATE
        """),
        {"member_id": member_id},
    )
    if enrolled_by is None:
        raise MemberNotFound("there is no such member")
    return UUID(str(enrolled_by))


def used_by_others(session: Session, member_id: UUID, *, partner_id: UUID) -> bool:
    """Whether another partner has posted for the member."""
    asked = {"member_id": member_id, "partner_id": partner_id}
    return bool(session.scalar(text("SELECT coalition.used_by_others(:member_id, :partner_id)"), asked))


def claim(session: Session, member_id: UUID) -> bool:
    """Let the member's credentials count everywhere; whether they did not before."""
    done = session.execute(
        text("UPDATE coalition.member SET is_claimed = true WHERE member_id = :member_id AND NOT is_claimed"),
        {"member_id": member_id},
    )
    return done.rowcount > 0


def count(session: Session) -> int:
    """How many members there are."""
    return session.scalar(text("SELECT count(*) FROM coalition.member")) or 0


_PURPOSES = {
    CARD: "card number",
    identifiers.PHONE: "phone number",
    identifiers.EMAIL: "e-mail address",
    EXTERNAL: "external id",
}


def fingerprint(identifier: Identifier, keyring: Keyring) -> bytes:
    """What is stored of an identifier to find it by: 32 bytes that say nothing without the key."""
    scope = f"{identifier.partner_id}:" if identifier.kind == EXTERNAL else ""
    return keyring.fingerprint(purpose=_PURPOSES[identifier.kind], value=scope + identifier.value)


def _one(session: Session, statement: object, **parameters: object) -> Member:
    row = session.execute(statement, parameters).first()  # type: ignore[call-overload]
    if row is None:
        raise MemberNotFound("there is no such member")
    return Member(*row)
