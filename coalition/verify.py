"""`coalition ledger verify`: recompute the ledger's invariants from the rows themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text

from coalition import business_days
from coalition.business_days import GENESIS
from kit.db import Session, allow_long_statements


@dataclass(frozen=True)
class Finding:
    """One invariant, and the first row that breaks it; `broken` is None where it holds."""

    invariant: str
    broken: str | None


# Each statement returns the rows that break its invariant, the first of them suffices.
_INVARIANTS: dict[str, str] = {
    "a wallet's available points are what its lots hold": """
        SELECT 'member ' || member_id || ': wallet ' || w.available || ', lots ' || coalesce(l.remaining, 0)
        FROM coalition.wallet w
        LEFT JOIN (SELECT member_id, sum(remaining) AS remaining FROM coalition.lot GROUP BY 1) l USING (member_id)
        WHERE w.available <> coalesce(l.remaining, 0) ORDER BY member_id LIMIT 1
    """,
    "a lot holds what was issued less what its postings took": """
        SELECT 'lot ' || l.lot_id || ': remaining ' || l.remaining || ', postings say ' || coalesce(p.points, 0)
        FROM coalition.lot l
        LEFT JOIN (SELECT lot_id, sum(CASE WHEN credit = 'wallet' THEN points ELSE -points END) AS points
                   FROM coalition.posting GROUP BY 1) p USING (lot_id)
        WHERE l.remaining IS DISTINCT FROM coalesce(p.points, 0) ORDER BY l.lot_id LIMIT 1
    """,
    "every posting stands on its lot": """
        SELECT 'posting ' || p.txn_id || '/' || p.seq || ': lot ' || p.lot_id || ' is missing or another issuer''s'
        FROM coalition.posting p
        LEFT JOIN coalition.lot l ON l.member_id = p.member_id AND l.lot_id = p.lot_id
        WHERE l.issuer_id IS DISTINCT FROM p.issuer_id OR l.issued_on IS DISTINCT FROM p.issued_on
        ORDER BY p.txn_id LIMIT 1
    """,
    "a member's transactions are numbered without gaps and their postings give each balance": """
        SELECT 'transaction ' || txn_id || ': member_seq ' || member_seq || ' is number ' || n
               || ', available_after ' || available_after || ', postings say ' || coalesce(running, 0)
        FROM (SELECT t.txn_id, t.member_seq, t.available_after,
                     row_number() OVER w AS n, sum(p.points) OVER w AS running
              FROM coalition.txn t
              LEFT JOIN (SELECT txn_id, sum(CASE WHEN credit = 'wallet' THEN points ELSE -points END) AS points
                         FROM coalition.posting GROUP BY 1) p USING (txn_id)
              WINDOW w AS (PARTITION BY t.member_id ORDER BY t.member_seq)) s
        WHERE member_seq <> n OR available_after <> coalesce(running, 0) ORDER BY txn_id LIMIT 1
    """,
    "a transaction's points are what its postings moved": """
        SELECT 'transaction ' || t.txn_id || ': points ' || t.points || ', postings ' || coalesce(p.points, 0)
        FROM coalition.txn t
        LEFT JOIN (SELECT txn_id, sum(points) AS points FROM coalition.posting GROUP BY 1) p USING (txn_id)
        WHERE t.points <> coalesce(p.points, 0) ORDER BY t.txn_id LIMIT 1
    """,
    "a wallet stands where its last transaction left it": """
        SELECT 'member ' || w.member_id || ': wallet version ' || w.version || ', last transaction '
               || coalesce(t.member_seq, 0)
        FROM coalition.wallet w
        LEFT JOIN (SELECT DISTINCT ON (member_id) member_id, member_seq, available_after FROM coalition.txn
                   ORDER BY member_id, member_seq DESC) t USING (member_id)
        WHERE w.version <> coalesce(t.member_seq, 0) OR w.available <> coalesce(t.available_after, 0)
        ORDER BY w.member_id LIMIT 1
    """,
    "per issuer, issued = outstanding + burned + reversed": """
        SELECT 'issuer ' || issuer_id || ': issued ' || l.issued || ', outstanding ' || l.remaining
               || ', postings took ' || coalesce(p.taken, 0)
        FROM (SELECT issuer_id, sum(issued) AS issued, sum(remaining) AS remaining FROM coalition.lot GROUP BY 1) l
        LEFT JOIN (SELECT issuer_id, sum(CASE WHEN debit = 'wallet' THEN points ELSE -points END) AS taken
                   FROM coalition.posting WHERE debit <> 'issuance' GROUP BY 1) p USING (issuer_id)
        WHERE l.issued <> l.remaining + coalesce(p.taken, 0) ORDER BY issuer_id LIMIT 1
    """,
    "no reversals exceed their original": """
        SELECT 'transaction ' || o.txn_id || ': points ' || o.points || ', reversed ' || sum(r.points + r.uncovered)
        FROM coalition.txn r JOIN coalition.txn o ON o.txn_id = r.reverses_txn_id
        GROUP BY o.txn_id, o.points HAVING sum(r.points + r.uncovered) > o.points ORDER BY o.txn_id LIMIT 1
    """,
    "every transaction has exactly its event": """
        SELECT 'transaction ' || coalesce(t.txn_id, e.txn_id) || ': ' || coalesce(e.events, 0) || ' events'
        FROM coalition.txn t
        FULL JOIN (SELECT (data ->> 'transaction_id')::uuid AS txn_id, count(*) AS events FROM kit.event
                   WHERE type LIKE 'points.%' GROUP BY 1) e ON e.txn_id = t.txn_id
        WHERE t.txn_id IS NULL OR e.events IS DISTINCT FROM 1 LIMIT 1
    """,
    "no posting stands outside the books' days": """
        SELECT 'posting ' || p.txn_id || '/' || p.seq || ': business date ' || p.business_date
        FROM coalition.posting p
        LEFT JOIN coalition.sealed_day s ON s.day = p.business_date
        LEFT JOIN coalition.programme g ON g.open_day = p.business_date
        WHERE s.day IS NULL AND g.open_day IS NULL ORDER BY p.txn_id LIMIT 1
    """,
}
SEALS = "every closed day still has the postings it was sealed with, and the chain is whole"


def run(session: Session) -> Iterator[Finding]:
    """Check every invariant, one after the other, in the one snapshot of `session` (open it with `snapshot`)."""
    allow_long_statements(session)
    for name, statement in _INVARIANTS.items():
        yield Finding(name, session.scalar(text(statement)))
    yield Finding(SEALS, _first_broken_seal(session))


def snapshot(session: Session) -> None:
    """Let the whole transaction see one instant, so that postings made meanwhile don't look like faults."""
    session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))


def _first_broken_seal(session: Session) -> str | None:
    previous, expected = GENESIS, None
    for day, sealed in business_days.closed_days(session):
        if expected is not None and day != expected:
            return f"{expected}: the day is missing from the chain"
        expected = day + timedelta(days=1)
        if not sealed:
            continue
        kept = business_days.find_seal(session, day)
        found = business_days.compute_seal(session, day, previous=previous)
        if kept != found:
            return f"{day}: sealed with {kept and kept.postings} postings, found {found.postings} or other content"
        previous = found.chain
    return None
