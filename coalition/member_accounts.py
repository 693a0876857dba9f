"""A member's account as the coalition's desk sees it: found by its receipt, shown masked, its balance explained.

For people of the coalition only: it is not one partner's view. Whoever looks writes it into the audit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from coalition import members
from coalition.members import MemberNotFound
from kit import ids
from kit.db import Session

MOST_FOUND = 100
MOST_ENTRIES = 50

_PERSON = """
    SELECT m.member_id, m.enrolled_by AS partner_id, m.enrolled_at, m.erased_at, m.is_claimed, w.state::text,
           w.merged_into, w.available, w.held, w.pending, w.debt, w.version AS transactions,
           s.pin_hash IS NOT NULL AS has_pin, s.handle IS NOT NULL AS has_code, s.locked_until
    FROM coalition.member m JOIN coalition.wallet w USING (member_id)
    LEFT JOIN coalition.member_secret s USING (member_id) WHERE m.member_id = :member_id
"""
_PARTS = {
    "identifiers": """
        SELECT i.identifier_id, i.kind, i.masked, i.partner_id, i.created_at, i.verified_at
        FROM coalition.member_identifier i WHERE i.member_id = :member_id ORDER BY i.created_at, i.identifier_id
    """,
    "holds": """
        SELECT h.hold_id, h.partner_id, h.points, h.expires_at FROM coalition.hold h
        WHERE h.member_id = :member_id AND h.status = 'open' ORDER BY h.expires_at
    """,
    "newest": """
        SELECT t.txn_id AS transaction_id, t.kind::text, t.partner_id, t.points, t.available_after, t.reference,
               t.business_date, t.booked_at, t.location_id AS location
        FROM coalition.txn t WHERE t.member_id = :member_id ORDER BY t.member_seq DESC LIMIT :most
    """,
}
# What each balance is made of: lots by issuer, expiry and campaign, holds, lots that vest, debts.
_EXPLAINED = {
    "available": """
        SELECT l.issuer_id AS partner_id, l.expires_on, l.campaign, count(*) AS lots,
               sum(l.remaining - l.held)::bigint AS points
        FROM coalition.lot l WHERE l.member_id = :member_id AND l.vests_at IS NULL AND l.remaining > l.held
        GROUP BY 1, 2, 3 ORDER BY 2, 1, 3
    """,
    "held": """
        SELECT h.hold_id, h.partner_id, h.expires_at, h.points FROM coalition.hold h
        WHERE h.member_id = :member_id AND h.status = 'open' ORDER BY h.expires_at, h.hold_id
    """,
    "pending": """
        SELECT l.issuer_id AS partner_id, l.vests_at, l.is_unfunded, l.expires_on, l.campaign,
               l.remaining AS points
        FROM coalition.lot l
        WHERE l.member_id = :member_id AND l.vests_at IS NOT NULL AND l.remaining > 0 ORDER BY l.vests_at, l.lot_id
    """,
    "debt": """
        SELECT d.txn_id AS transaction_id, d.partner_id, d.points - d.debt_repaid AS points FROM coalition.debt d
        WHERE d.member_id = :member_id AND d.debt_repaid < d.points ORDER BY d.txn_id
    """,
}
_MOVED = """
    SELECT t.kind::text, t.partner_id, count(*) AS transactions, sum(t.points)::bigint AS points
    FROM coalition.txn t WHERE t.member_id = :member_id GROUP BY 1, 2 ORDER BY 1, 2
"""


@dataclass(frozen=True)
class Explained:
    """One balance and what it is made of."""

    name: str
    points: int
    parts: list[dict[str, Any]]

    @property
    def adds_up(self) -> bool:
        """Whether the parts come to the balance."""
        return bool(sum(part["points"] for part in self.parts) == self.points)


def snapshot(session: Session) -> None:
    """Let the whole transaction see one instant, so that a balance and its parts belong together."""
    session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))


def by_receipt(session: Session, *, reference: str, partner_id: UUID) -> list[UUID]:
    """Whose transactions have this number at the partner; raises MemberNotFound."""
    rows = session.scalars(
        text("""
            SELECT DISTINCT t.member_id FROM coalition.txn t
            WHERE t.partner_id = :partner_id AND t.reference = :reference LIMIT :most
        """),
        {"reference": reference, "partner_id": partner_id, "most": MOST_FOUND},
    )
    if not (found := list(rows)):
        raise MemberNotFound("this partner has posted nothing under this number")
    return found


def head(session: Session, member_id: UUID) -> dict[str, Any]:
    """Who it is, without its identifiers, and what the wallet holds; merged and erased ones too.

    Raises MemberNotFound.
    """
    person = session.execute(text(_PERSON), {"member_id": member_id}).first()
    if person is None:
        raise MemberNotFound("there is no such member")
    return ids.show_fields(person._asdict())


def show(session: Session, member_id: UUID) -> dict[str, Any]:
    """The head, masked identifiers, open holds, and the newest MOST_ENTRIES transactions. Raises MemberNotFound."""
    found = head(session, member_id)
    return {**found, **{name: _rows(session, statement, member_id) for name, statement in _PARTS.items()}}


def explain(session: Session, member_id: UUID) -> dict[str, Any]:
    """Each balance with what it is made of, and what moved by kind and partner. Raises MemberNotFound, MemberMerged."""
    members.by_id(session, member_id)
    wallet = session.execute(text(_PERSON), {"member_id": member_id}).one()
    balances = [
        Explained(name, getattr(wallet, name), _rows(session, statement, member_id))
        for name, statement in _EXPLAINED.items()
    ]
    return {
        "member_id": ids.show(ids.MEMBER, member_id),
        "balances": [{**vars(one), "adds_up": one.adds_up} for one in balances],
        "moved": _rows(session, _MOVED, member_id),
    }


def _rows(session: Session, statement: str, member_id: UUID) -> list[dict[str, Any]]:
    rows = session.execute(text(statement), {"member_id": member_id, "most": MOST_ENTRIES})
    return [ids.show_fields(row._asdict()) for row in rows]
