"""Everything the programme holds about one member: for the person who asks for it (GDPR, article 15)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text

from coalition import members
from kit import ids
from kit.db import Session
from kit.secrets import Keyring

_PARTS = {
    "transactions": """
        SELECT t.txn_id AS transaction_id, t.member_seq, t.kind::text, t.partner_id, t.points, t.debt_repaid,
               t.shortfall, t.available_after, t.held_after, t.pending_after, t.debt_after, t.reference,
               t.reverses_txn_id AS reverses_transaction_id, t.amount_minor, t.currency, t.points_per_unit,
               t.minor_per_unit, t.hold_id, t.due_at, t.expires_on, t.effective_at, t.booked_at, t.business_date,
               t.original_business_date, t.location_id AS location, t.meta
        FROM coalition.txn t WHERE t.member_id = :member_id ORDER BY t.member_seq
    """,
    "lots": """
        SELECT l.lot_id, l.txn_id AS transaction_id, l.issuer_id AS partner_id, l.issued, l.remaining, l.held,
               l.issued_on, l.expires_on, l.vests_at, l.is_unfunded, l.origin_id AS origin_lot_id, l.is_grace,
               l.campaign, l.rule, l.is_open
        FROM coalition.lot l WHERE l.member_id = :member_id ORDER BY l.expires_on, l.lot_id
    """,
    "postings": """
        SELECT p.txn_id AS transaction_id, p.seq, p.debit::text, p.credit::text, p.points,
               p.lot_id, p.issuer_id, p.partner_id, p.business_date, p.issued_on
        FROM coalition.posting p WHERE p.member_id = :member_id ORDER BY p.txn_id, p.seq
    """,
    "holds": """
        SELECT h.hold_id, h.partner_id, h.points, h.captured, h.status::text, h.expires_at
        FROM coalition.hold h WHERE h.member_id = :member_id ORDER BY h.hold_id
    """,
    "debts": """
        SELECT d.txn_id AS transaction_id, d.partner_id, d.points, d.debt_repaid
        FROM coalition.debt d WHERE d.member_id = :member_id ORDER BY d.txn_id
    """,
    "events": """
        SELECT e.event_id, e.type, e.partner_id, e.occurred_at, e.data
        FROM kit.event e WHERE e.subject_id = :member_id ORDER BY e.event_id
    """,
}


def of_member(session: Session, *, member_id: UUID, keyring: Keyring) -> dict[str, Any]:
    """Identifiers in clear (of a card only its end is kept), whether there are secrets, the wallet and all behind it.

    Secrets themselves are nobody's to read. Raises MemberNotFound; what an erased member's ledger holds can be had.
    """
    person = session.execute(
        text("""
            SELECT m.member_id, m.enrolled_by AS partner_id, m.enrolled_at, m.is_claimed, m.erased_at, w.state::text,
                   w.merged_into, w.available, w.held, w.pending, w.debt, s.pin_hash IS NOT NULL AS has_pin,
                   s.handle IS NOT NULL AS has_code, coalesce(s.failures, 0) AS pin_failures,
                   s.locked_until AS pin_locked_until
            FROM coalition.member m JOIN coalition.wallet w USING (member_id)
            LEFT JOIN coalition.member_secret s USING (member_id) WHERE m.member_id = :member_id
        """),
        {"member_id": member_id},
    ).first()
    if person is None:
        raise members.MemberNotFound("there is no such member")
    parts = {
        name: [ids.show_fields(row._asdict()) for row in session.execute(text(statement), {"member_id": member_id})]
        for name, statement in _PARTS.items()
    }
    for event in parts["events"]:
        event["data"] = ids.show_fields(event["data"])
    found_by = _identifiers(session, member_id, keyring)
    return {**ids.show_fields(person._asdict()), "identifiers": found_by, **parts}


def _identifiers(session: Session, member_id: UUID, keyring: Keyring) -> list[dict[str, Any]]:
    rows = session.execute(
        text("""
            SELECT i.identifier_id, i.kind, i.masked, i.sealed, i.partner_id, i.created_at, i.verified_at
            FROM coalition.member_identifier i WHERE i.member_id = :member_id ORDER BY i.created_at, i.identifier_id
        """),
        {"member_id": member_id},
    )
    shown = []
    for row in rows:
        fields = ids.show_fields(row._asdict())
        sealed = fields.pop("sealed")
        clear = keyring.unseal(bytes(sealed), purpose=members.SEALED_FOR).decode() if sealed else None
        shown.append({**fields, "value": clear})
    return shown
