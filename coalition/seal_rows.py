"""What the digest of a closed day is over: its postings and transactions, each form as the versions of seals have it.

Since version 4 a row is bytes, that cost half of what its text did; docs/seals.md has the recipe. Whatever the server's
settings are, the same rows give the same bytes in the same order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import date

from kit.db import Session
from kit.row_streams import lines_out, read_whole_days, rows_out

_POSTING_LINES = """
    SELECT concat_ws('|', p.member_id, p.txn_id, p.seq, p.debit, p.credit, p.points, p.lot_id, p.issuer_id,
                     p.partner_id, p.business_date, p.issued_on)
    FROM coalition.posting p WHERE p.business_date = %(day)s ORDER BY p.member_id, p.txn_id, p.seq
"""
_TRANSACTION_LINES = """
    SELECT concat_ws('|', t.member_id, t.member_seq, t.txn_id, t.kind, t.partner_id, t.points, t.shortfall,
                     t.debt_repaid, t.available_after, t.held_after, t.pending_after, t.debt_after, t.reference,
                     coalesce(t.reverses_txn_id::text, ''), coalesce(t.hold_id::text, ''),
                     coalesce(t.amount_minor::text, ''), coalesce(t.currency, ''),
                     coalesce(t.points_per_unit::text, ''), coalesce(t.minor_per_unit::text, ''),
                     coalesce(t.expires_on::text, ''),
                     extract(epoch FROM t.effective_at), extract(epoch FROM t.booked_at),
                     coalesce(extract(epoch FROM t.due_at)::text, ''), t.business_date, t.original_business_date,
                     coalesce(t.meta::text, ''))
    FROM coalition.txn t WHERE t.business_date = %(day)s ORDER BY t.member_id, t.member_seq
"""
# A byte for what the row is, then its fields: ids as 16 bytes, numbers as 8 (`seq` as 4), dates and instants as
# PostgreSQL counts them, texts in UTF-8 with a zero byte behind, which no text can hold.
_POSTINGS = r"""
    SELECT '\x01'::bytea || uuid_send(p.txn_id) || int4send(p.seq) || uuid_send(p.member_id)
           || enum_send(p.debit) || '\x00'::bytea || enum_send(p.credit) || '\x00'::bytea || int8send(p.points)
           || uuid_send(p.lot_id) || uuid_send(p.issuer_id) || uuid_send(p.partner_id) || date_send(p.issued_on)
    FROM coalition.posting p WHERE p.business_date = %(day)s ORDER BY p.txn_id, p.seq, p.member_id
"""


def _text(value: str) -> str:
    return rf"convert_to({value}, 'UTF8') || '\x00'::bytea"


def _if_any(said: str) -> str:
    """A field that may be missing: then a zero byte stands for it, and otherwise a one byte before it."""
    return rf"coalesce('\x01'::bytea || {said}, '\x00'::bytea)"


_TRANSACTION_FIELDS = (
    r"'\x02'::bytea", "uuid_send(t.txn_id)", "uuid_send(t.member_id)", "int8send(t.member_seq)", "enum_send(t.kind)",
    r"'\x00'::bytea", "uuid_send(t.partner_id)", "int8send(t.points)", "int8send(t.shortfall)",
    "int8send(t.debt_repaid)", "int8send(t.available_after)", "int8send(t.held_after)", "int8send(t.pending_after)",
    "int8send(t.debt_after)", _text("t.reference"), _if_any("uuid_send(t.reverses_txn_id)"),
    _if_any("uuid_send(t.hold_id)"), _if_any("int8send(t.amount_minor)"), _if_any(_text("t.currency")),
    _if_any(_text("t.points_per_unit::text")), _if_any("int8send(t.minor_per_unit)"),
    _if_any("date_send(t.expires_on)"), "timestamptz_send(t.effective_at)", "timestamptz_send(t.booked_at)",
    _if_any("timestamptz_send(t.due_at)"), "date_send(t.original_business_date)", _if_any(_text("t.meta::text")),
)  # fmt: skip
_TRANSACTIONS = f"""
    SELECT {" || ".join(_TRANSACTION_FIELDS)}
    FROM coalition.txn t WHERE t.business_date = %(day)s ORDER BY t.txn_id, t.member_id
"""  # noqa: S608 -- made of constants


def digest(session: Session, day: date, *, version: int) -> bytes:
    """The SHA-256 over the rows of a day, read as a stream: memory doesn't grow with the day."""
    found = hashlib.sha256()
    for some in _rows(session, day) if version > 3 else _lines(session, day, version):
        found.update(some)
    return found.digest()


def _rows(session: Session, day: date) -> Iterator[bytes]:
    for statement in (_POSTINGS, _TRANSACTIONS):
        read_whole_days(session)
        with rows_out(session, statement, {"day": day}) as rows:
            for (row,) in rows:
                yield row


def _lines(session: Session, day: date, version: int) -> Iterator[bytes]:
    """Of version 1 the postings, and of versions 2 and 3 the transactions, too."""
    for statement in (_POSTING_LINES, _TRANSACTION_LINES)[: 1 if version == 1 else 2]:
        with lines_out(session, statement, {"day": day}) as lines:
            yield from lines
