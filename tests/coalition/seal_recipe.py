"""The rows of a sealed day as docs/seals.md says they are written, from plain values: what a stranger would write."""

from __future__ import annotations

import hashlib
import struct
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from kit.db import Session

POSTINGS = text("""
    SELECT p.txn_id, p.seq, p.member_id, p.debit::text AS debit, p.credit::text AS credit, p.points, p.lot_id,
           p.issuer_id, p.partner_id, p.issued_on
    FROM coalition.posting p WHERE p.business_date = :day
""")
TRANSACTIONS = text("""
    SELECT t.txn_id, t.member_id, t.member_seq, t.kind::text AS kind, t.partner_id, t.points, t.shortfall,
           t.debt_repaid, t.available_after, t.held_after, t.pending_after, t.debt_after, t.reference,
           t.reverses_txn_id, t.hold_id, t.amount_minor, t.currency, t.points_per_unit::text AS points_per_unit,
           t.minor_per_unit, t.expires_on, t.effective_at, t.booked_at, t.due_at, t.original_business_date,
           t.meta::text AS meta
    FROM coalition.txn t WHERE t.business_date = :day
""")
MAY_BE_MISSING = {
    "reverses_txn_id", "hold_id", "amount_minor", "currency", "points_per_unit", "minor_per_unit", "expires_on",
    "due_at", "meta",
}  # fmt: skip


def field(value: Any) -> bytes:
    if isinstance(value, UUID):
        return value.bytes
    if isinstance(value, int):
        return struct.pack(">q", value)
    if isinstance(value, datetime):
        return struct.pack(">q", (value - datetime(2000, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1))
    if isinstance(value, date):
        return struct.pack(">i", (value - date(2000, 1, 1)).days)
    assert "\0" not in value
    return value.encode() + b"\0"


def posting(row: Any) -> bytes:
    values = row._asdict()
    fields = [struct.pack(">i", value) if name == "seq" else field(value) for name, value in values.items()]
    return b"\1" + b"".join(fields)


def transaction(row: Any) -> bytes:
    written = b"\2"
    for name, value in row._asdict().items():
        if name not in MAY_BE_MISSING:
            written += field(value)
        else:
            written += b"\0" if value is None else b"\1" + field(value)
    return written


def digest(session: Session, day: date) -> bytes:
    postings = sorted(session.execute(POSTINGS, {"day": day}), key=lambda row: (row.txn_id.bytes, row.seq))
    transactions = sorted(session.execute(TRANSACTIONS, {"day": day}), key=lambda row: row.txn_id.bytes)
    return hashlib.sha256(b"".join([*map(posting, postings), *map(transaction, transactions)])).digest()
