"""Members: enrolled with a card, found by it. The number itself is not stored, only a keyed fingerprint and its end."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from coalition import cards
from coalition.cards import MalformedCard
from kit import ids, outbox
from kit.db import Session
from kit.errors import Conflict, NotFound
from kit.secrets import Keyring


class MemberNotFound(NotFound):
    """No member has this id or card."""

    code = "member_not_found"
    title = "Member not found"


class CardInUse(Conflict):
    """The card belongs to a member already; look the member up instead."""

    code = "card_in_use"
    title = "Card in use"


@dataclass(frozen=True)
class Member:
    """A person who collects points, as partners may see them."""

    member_id: UUID
    enrolled_at: datetime
    card_masked: str


_CARD = "card"


def enrol(session: Session, *, card: str, partner_id: UUID, now: datetime, keyring: Keyring) -> Member:
    """A new member with an empty wallet, and the event `member.enrolled` to the enrolling partner.

    Raises MalformedCard, CardInUse.
    """
    fingerprint = _fingerprint(card, keyring)
    member = Member(member_id=ids.new(), enrolled_at=now, card_masked=cards.mask(card))
    session.execute(
        text("INSERT INTO coalition.member (member_id, enrolled_by, enrolled_at) VALUES (:member_id, :by, :at)"),
        {"member_id": member.member_id, "by": partner_id, "at": now},
    )
    taken = session.execute(
        text("""
            INSERT INTO coalition.member_identifier (kind, fingerprint, member_id, masked)
            VALUES (:kind, :fingerprint, :member_id, :masked) ON CONFLICT (kind, fingerprint) DO NOTHING
        """),
        {
            "kind": _CARD,
            "fingerprint": fingerprint,
            "member_id": member.member_id,
            "masked": member.card_masked,
        },
    )
    if taken.rowcount == 0:
        raise CardInUse("this card belongs to a member already")
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


_SELECT = """
    SELECT m.member_id, m.enrolled_at, i.masked FROM coalition.member m
    JOIN coalition.member_identifier i ON i.member_id = m.member_id AND i.kind = 'card'
"""
_BY_CARD = text(_SELECT + " WHERE i.fingerprint = :fingerprint")
_BY_ID = text(_SELECT + " WHERE m.member_id = :member_id")


def by_card(session: Session, *, card: str, keyring: Keyring) -> Member:
    """The member with this card; raises MalformedCard, MemberNotFound."""
    return _one(session, _BY_CARD, fingerprint=_fingerprint(card, keyring))


def by_id(session: Session, member_id: UUID) -> Member:
    """The member with this id; raises MemberNotFound."""
    return _one(session, _BY_ID, member_id=member_id)


def by_cards(session: Session, *, cards_: Collection[str], keyring: Keyring) -> dict[str, UUID]:
    """The members of those `cards_` that are well-formed and known, by card: for many at once; see `of_card`."""
    prints: dict[bytes, list[str]] = {}
    for card in cards_:
        with suppress(MalformedCard):
            prints.setdefault(_fingerprint(card, keyring), []).append(card)
    rows = session.execute(
        text("SELECT fingerprint, member_id FROM coalition.member_identifier WHERE kind = 'card' "
             "AND fingerprint = ANY(:prints)"),
        {"prints": list(prints)},
    )  # fmt: skip
    return {card: row.member_id for row in rows for card in prints[bytes(row.fingerprint)]}


def of_card(found: dict[str, UUID], card: str) -> UUID:
    """The member of `card` in what `by_cards` found; raises MalformedCard, MemberNotFound."""
    if card not in found:
        cards.check(card)
        raise MemberNotFound("no such member")
    return found[card]


def count(session: Session) -> int:
    """How many members there are."""
    return session.scalar(text("SELECT count(*) FROM coalition.member")) or 0


def _one(session: Session, statement: object, **parameters: object) -> Member:
    row = session.execute(statement, parameters).first()  # type: ignore[call-overload]
    if row is None:
        raise MemberNotFound("no such member")
    return Member(*row)


def _fingerprint(card: str, keyring: Keyring) -> bytes:
    return keyring.fingerprint(purpose="card number", value=cards.check(card))
