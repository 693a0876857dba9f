"""`coalition ledger verify`: recompute the ledger's invariants from the rows themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text

from coalition import business_days, field_invariants, programme, seals
from coalition.business_days import GENESIS
from coalition.seals import Published
from kit.db import Session, allow_long_statements
from kit.secrets import Keyring


@dataclass(frozen=True)
class Finding:
    """One invariant, and the first row that breaks it; `broken` is None where it holds."""

    invariant: str
    broken: str | None


# Each statement returns the rows that break its invariant, in an order where one is the first.
_INVARIANTS: dict[str, str] = {
    "a wallet holds what its lots, holds and debts say": """
        SELECT 'member ' || member_id || ': wallet ' || concat_ws('/', w.available, w.held, w.pending, w.owed)
               || ', lots and debts ' || concat_ws('/', coalesce(l.free, 0), coalesce(l.held, 0),
                                                   coalesce(l.pending, 0), coalesce(d.owed, 0))
               || ', open holds ' || coalesce(h.held, 0) || ' (available/held/pending/owed)'
        FROM coalition.wallet w
        LEFT JOIN (SELECT member_id, sum(held) AS held,
                          sum(CASE WHEN vests_at IS NULL THEN remaining - held ELSE 0 END) AS free,
                          sum(CASE WHEN vests_at IS NULL THEN 0 ELSE remaining END) AS pending
                   FROM coalition.lot GROUP BY 1) l USING (member_id)
        LEFT JOIN (SELECT member_id, sum(points - repaid) AS owed FROM coalition.debt GROUP BY 1) d USING (member_id)
        LEFT JOIN (SELECT member_id, sum(points) AS held FROM coalition.hold WHERE status = 'open' GROUP BY 1) h
            USING (member_id)
        WHERE (w.available, w.held, w.pending, w.owed) <> (coalesce(l.free, 0), coalesce(l.held, 0),
              coalesce(l.pending, 0), coalesce(d.owed, 0)) OR w.held <> coalesce(h.held, 0)
        ORDER BY member_id
    """,
    "a lot holds what was issued less what its postings took": """
        SELECT 'lot ' || l.lot_id || ': issued ' || l.issued || ', remaining ' || l.remaining || ', held ' || l.held
               || ', postings say ' || concat_ws('/', p.issued, coalesce(p.points, 0), coalesce(p.held, 0))
        FROM coalition.lot l
        LEFT JOIN (SELECT member_id, lot_id,
                          sum(points * ((credit IN ('wallet', 'hold', 'pending'))::int
                                        - (debit IN ('wallet', 'hold', 'pending'))::int)) AS points,
                          sum(points * ((credit = 'hold')::int - (debit = 'hold')::int)) AS held,
                          sum(points) FILTER (WHERE debit IN ('issuance', 'adjustment', 'merge')) AS issued
                   FROM coalition.posting GROUP BY 1, 2) p USING (member_id, lot_id)
        WHERE l.remaining <> coalesce(p.points, 0) OR l.held <> coalesce(p.held, 0)
           OR l.issued <> coalesce(p.issued, l.issued)  -- none: given back to whom the member was merged into
        ORDER BY l.lot_id
    """,
    "a lot's fields agree with each other and with its earn": """
        WITH graced AS (
            -- What came back after its expiry became a lot of its own: of which earn, and until when it lives.
            SELECT DISTINCT coalesce(l.origin_id, l.lot_id) AS origin_id, t.expires_on
            FROM coalition.txn t
            JOIN coalition.posting p ON p.member_id = t.member_id AND p.txn_id = t.txn_id AND p.debit = 'redemption'
            JOIN coalition.lot l ON l.member_id = p.member_id AND l.lot_id = p.lot_id
            WHERE t.kind = 'reversal' AND t.expires_on IS NOT NULL
        )
        SELECT 'lot ' || l.lot_id || ': its dates, its issuer, its origin or whether it is open don''t fit'
        FROM coalition.lot l
        LEFT JOIN coalition.txn t ON t.txn_id = coalesce(l.origin_id, l.lot_id) AND t.kind IN ('earn', 'adjustment')
        LEFT JOIN graced g ON g.origin_id = l.origin_id AND g.expires_on = l.expires_on
        WHERE l.issued <= 0 OR l.held < 0 OR l.remaining NOT BETWEEN l.held AND l.issued
           OR l.is_open <> (l.remaining > l.held AND l.vests_at IS NULL)
           OR t.txn_id IS NULL OR l.issuer_id <> t.partner_id
           OR l.issued_on <> t.business_date OR l.vests_at <> t.due_at
           OR (l.origin_id IS NULL AND l.member_id <> t.member_id)
           -- Before, what came back after its expiry kept the whole lot alive, for at most ten years from that day.
           OR (l.expires_on <> t.expires_on AND g.origin_id IS NULL AND NOT EXISTS (
                   SELECT FROM coalition.posting p JOIN coalition.txn r ON r.txn_id = p.txn_id AND r.expires_on IS NULL
                   WHERE p.member_id = l.member_id AND p.lot_id = l.lot_id AND p.debit = 'redemption'
                     AND p.business_date >= t.expires_on
                     AND l.expires_on BETWEEN p.business_date + 1 AND p.business_date + 3650))
        ORDER BY l.lot_id
    """,
    "every posting stands on its lot and its transaction": """
        SELECT 'posting ' || p.txn_id || '/' || p.seq || ': its lot, issuer or transaction is missing or another'
        FROM coalition.posting p
        LEFT JOIN coalition.lot l ON l.member_id = p.member_id AND l.lot_id = p.lot_id
        LEFT JOIN coalition.txn t ON t.txn_id = p.txn_id
        WHERE l.issuer_id IS DISTINCT FROM p.issuer_id OR l.issued_on IS DISTINCT FROM p.issued_on
           OR p.points <= 0 OR p.debit = p.credit OR p.seq <= 0
           OR (t.member_id, t.business_date) IS DISTINCT FROM (p.member_id, p.business_date)
           OR (t.partner_id <> p.partner_id AND (p.credit <> 'recovery' OR t.kind IN ('reversal', 'clawback')))
        ORDER BY p.txn_id
    """,
    "a member's transactions are numbered without gaps and their postings give each balance": """
        SELECT 'transaction ' || txn_id || ': member_seq ' || member_seq || ' is number ' || n || ', balances after it '
               || concat_ws('/', available_after, held_after, pending_after) || ', postings say '
               || concat_ws('/', available, held, pending) || ' (available/held/pending)'
        FROM (SELECT t.txn_id, t.member_seq, t.available_after, t.held_after, t.pending_after,
                     row_number() OVER w AS n, coalesce(sum(p.available) OVER w, 0) AS available,
                     coalesce(sum(p.held) OVER w, 0) AS held, coalesce(sum(p.pending) OVER w, 0) AS pending
              FROM coalition.txn t
              LEFT JOIN (SELECT txn_id,
                                sum(points * ((credit = 'wallet')::int - (debit = 'wallet')::int)) AS available,
                                sum(points * ((credit = 'hold')::int - (debit = 'hold')::int)) AS held,
                                sum(points * ((credit = 'pending')::int - (debit = 'pending')::int)) AS pending
                         FROM coalition.posting GROUP BY 1) p USING (txn_id)
              WINDOW w AS (PARTITION BY t.member_id ORDER BY t.member_seq)) s
        WHERE member_seq <> n OR (available_after, held_after, pending_after) <> (available, held, pending)
        ORDER BY txn_id
    """,
    "a transaction's points are what its postings moved": """
        SELECT 'transaction ' || t.txn_id || ': points ' || t.points || ' and repaid ' || t.repaid || ', postings '
               || coalesce(p.points, 0) || ' and ' || coalesce(p.repaid, 0)
        FROM coalition.txn t
        LEFT JOIN (SELECT p.txn_id, sum(p.points) FILTER (WHERE p.credit = 'recovery') AS repaid,
                          sum(p.points) FILTER (WHERE p.credit <> 'recovery'
                                                AND NOT (t.kind = 'capture' AND p.credit = 'wallet')) AS points
                   FROM coalition.posting p JOIN coalition.txn t USING (txn_id) GROUP BY 1) p USING (txn_id)
        WHERE t.points <> coalesce(p.points, 0) OR t.repaid <> coalesce(p.repaid, 0)
           OR t.points < 0 OR t.uncovered < 0 OR t.amount_minor < 0 OR length(t.reference) NOT BETWEEN 1 AND 64
        ORDER BY t.txn_id
    """,
    "a wallet stands where its last transaction left it": """
        SELECT 'member ' || w.member_id || ': wallet '
               || concat_ws('/', w.version, w.available, w.held, w.pending, w.owed)
               || ', last transaction ' || concat_ws('/', t.member_seq, t.available_after, t.held_after,
                                                     t.pending_after, t.owed_after)
        FROM coalition.wallet w
        LEFT JOIN (SELECT DISTINCT ON (member_id) * FROM coalition.txn ORDER BY member_id, member_seq DESC) t
            USING (member_id)
        WHERE (w.version, w.available, w.held, w.pending, w.owed)
              <> (coalesce(t.member_seq, 0), coalesce(t.available_after, 0), coalesce(t.held_after, 0),
                  coalesce(t.pending_after, 0), coalesce(t.owed_after, 0))
        ORDER BY w.member_id
    """,
    "per issuer, issued = outstanding + burned + expired + reversed": """
        SELECT 'issuer ' || issuer_id || ': lots hold ' || coalesce(l.remaining, 0) || ', postings leave '
               || coalesce(p.points, 0) || ', merges lost ' || coalesce(p.lost, 0)
        FROM (SELECT issuer_id, sum(remaining) AS remaining FROM coalition.lot GROUP BY 1) l
        FULL JOIN (SELECT issuer_id,
                          sum(points * ((credit IN ('wallet', 'hold', 'pending'))::int
                                        - (debit IN ('wallet', 'hold', 'pending'))::int)) AS points,
                          sum(points * ((credit = 'merge')::int - (debit = 'merge')::int)) AS lost
                   FROM coalition.posting GROUP BY 1) p USING (issuer_id)
        WHERE coalesce(l.remaining, 0) <> coalesce(p.points, 0) OR p.lost <> 0 ORDER BY issuer_id
    """,
    "no reversals exceed their original": """
        SELECT 'transaction ' || o.txn_id || ': points ' || o.points || ', reversed '
               || sum(r.points + r.repaid + r.uncovered)
        FROM coalition.txn r JOIN coalition.txn o ON o.txn_id = r.reverses_txn_id
        GROUP BY o.txn_id, o.points HAVING sum(r.points + r.repaid + r.uncovered) > o.points ORDER BY o.txn_id
    """,
    "no partner takes back more than it issued to a member and those merged into it": """
        WITH RECURSIVE living AS (
            SELECT w.member_id, w.member_id AS living_id FROM coalition.wallet w WHERE w.merged_into IS NULL
            UNION ALL
            SELECT w.member_id, l.living_id FROM coalition.wallet w JOIN living l ON w.merged_into = l.member_id
        ), issued AS (
            SELECT l.living_id, t.partner_id,
                   sum(t.points) FILTER (WHERE t.kind = 'earn' OR t.meta ->> 'direction' = 'credit') AS issued,
                   sum(t.points + t.repaid + t.uncovered) FILTER (WHERE t.kind = 'clawback' OR o.kind = 'earn') AS taken
            FROM coalition.txn t JOIN living l USING (member_id)
            LEFT JOIN coalition.txn o ON o.txn_id = t.reverses_txn_id
            WHERE t.kind IN ('earn', 'adjustment', 'clawback', 'reversal') GROUP BY 1, 2
        )
        SELECT 'member ' || living_id || ': partner ' || partner_id || ' issued ' || coalesce(issued, 0)
               || ' and took back ' || taken
        FROM issued WHERE taken > coalesce(issued, 0) ORDER BY 1
    """,
    "a hold is what its transactions say": """
        SELECT 'hold ' || coalesce(h.hold_id, t.txn_id) || ': ' || coalesce(h.status::text, 'missing')
        FROM coalition.hold h
        FULL JOIN (SELECT * FROM coalition.txn WHERE kind = 'hold') t
            ON t.txn_id = h.hold_id AND t.member_id = h.member_id
        LEFT JOIN coalition.txn e ON e.hold_id = h.hold_id AND e.member_id = h.member_id AND e.kind <> 'hold'
        WHERE h.hold_id IS NULL OR t.txn_id IS NULL
           OR (h.partner_id, h.points, h.expires_at) <> (t.partner_id, t.points, t.due_at)
           OR h.status::text <> CASE e.kind WHEN 'capture' THEN 'captured' WHEN 'void' THEN 'voided'
                                WHEN 'lapse' THEN 'lapsed' ELSE 'open' END
           OR h.captured <> CASE e.kind WHEN 'capture' THEN e.points ELSE 0 END
    """,
    "a debt is what its return left uncovered": """
        SELECT 'debt ' || d.txn_id || ': points ' || d.points || ', partner ' || d.partner_id
        FROM coalition.debt d LEFT JOIN coalition.txn t ON t.txn_id = d.txn_id
        WHERE (t.uncovered, t.partner_id) IS DISTINCT FROM (d.points, d.partner_id)
    """,
    "a merged wallet is empty and says where to": """
        SELECT 'member ' || w.member_id || ': ' || w.state || ', into ' || coalesce(w.merged_into::text, 'nobody')
        FROM coalition.wallet w
        LEFT JOIN coalition.txn t ON t.member_id = w.member_id AND t.member_seq = w.version AND t.kind = 'merge'
             AND t.meta ? 'merged_into'
        WHERE (w.state = 'merged') <> (t.txn_id IS NOT NULL)
           OR w.merged_into IS DISTINCT FROM (t.meta ->> 'merged_into')::uuid
        ORDER BY 1
    """,
    "every transaction has exactly its event, which tells the same": """
        SELECT 'transaction ' || coalesce(t.txn_id, e.txn_id) || ': ' || coalesce(e.events, 0)
               || ' events, or one that tells something else'
        FROM coalition.txn t
        FULL JOIN (SELECT (data ->> 'transaction_id')::uuid AS txn_id, count(*) AS events,
                          min(data::text)::jsonb AS data, min(partner_id::text)::uuid AS partner_id,
                          min(subject_id::text)::uuid AS subject_id, min(type) AS type, min(occurred_at) AS occurred_at
                   FROM kit.event WHERE type LIKE 'points.%' AND type <> 'points.expiring' GROUP BY 1) e
            ON e.txn_id = t.txn_id
        WHERE t.txn_id IS NULL OR e.events IS DISTINCT FROM 1 OR e.partner_id <> t.partner_id
           OR e.subject_id <> t.member_id OR e.occurred_at <> t.booked_at
           OR e.type <> 'points.' || CASE t.kind WHEN 'earn' THEN 'earned' WHEN 'burn' THEN 'burned'
                WHEN 'hold' THEN 'held' WHEN 'capture' THEN 'captured' WHEN 'void' THEN 'released'
                WHEN 'lapse' THEN 'lapsed' WHEN 'vest' THEN 'vested' WHEN 'expiry' THEN 'expired'
                WHEN 'adjustment' THEN 'adjusted' WHEN 'merge' THEN 'merged' ELSE 'reversed' END
           OR ((e.data ->> 'points')::bigint, (e.data ->> 'available_after')::bigint, (e.data ->> 'member_seq')::bigint,
               (e.data ->> 'member_id')::uuid, (e.data ->> 'partner_id')::uuid, e.data ->> 'reference',
               (e.data ->> 'effective_at')::timestamptz, (e.data ->> 'business_date')::date)
              IS DISTINCT FROM (t.points, t.available_after, t.member_seq, t.member_id, t.partner_id, t.reference,
                                t.effective_at, t.business_date)
           -- What only some kinds of events carry, as far as this one does.
           OR (e.data ? 'repaid' AND (e.data ->> 'repaid')::bigint IS DISTINCT FROM t.repaid)
           OR (e.data ? 'uncovered' AND (e.data ->> 'uncovered')::bigint IS DISTINCT FROM t.uncovered)
           OR (e.data ? 'held_after' AND (e.data ->> 'held_after')::bigint IS DISTINCT FROM t.held_after)
           OR (e.data ? 'kind' AND e.data ->> 'kind' IS DISTINCT FROM t.kind::text)
           OR (e.data ? 'hold_id' AND (e.data ->> 'hold_id')::uuid IS DISTINCT FROM t.hold_id)
           OR (e.data ? 'expires_at' AND (e.data ->> 'expires_at')::timestamptz IS DISTINCT FROM t.due_at)
           OR (e.data ? 'vests_at' AND (e.data ->> 'vests_at')::timestamptz IS DISTINCT FROM t.due_at)
           OR (e.data ? 'expires_on' AND (e.data ->> 'expires_on')::date IS DISTINCT FROM t.expires_on)
           OR (e.data ? 'reverses_transaction_id'
               AND (e.data ->> 'reverses_transaction_id')::uuid IS DISTINCT FROM t.reverses_txn_id)
    """,
    "no posting stands outside the books' days": """
        SELECT 'posting ' || p.txn_id || '/' || p.seq || ': business date ' || p.business_date
        FROM coalition.posting p
        LEFT JOIN coalition.sealed_day s ON s.day = p.business_date
        LEFT JOIN coalition.programme g ON g.open_day = p.business_date
        WHERE s.day IS NULL AND g.open_day IS NULL ORDER BY p.txn_id
    """,
}
SEALS = "every closed day still has the postings it was sealed with, and the chain is whole"
SIGNATURES = "every seal is signed with the coalition's key"
PUBLISHED = "the books hold every seal that was published"


# What rooms above keep and have checked here: each says the first row that breaks its invariant.
OF_ROOMS_ABOVE: dict[str, Callable[[Session], str | None]] = {}


def count() -> int:
    """How many invariants there are."""
    return len(_INVARIANTS) + len(field_invariants.STATEMENTS) + 3 + len(OF_ROOMS_ABOVE)


WORK_MEMORY_MB = 64  # of PostgreSQL, for each sort or hash: ten million postings don't fit, and spill less


def run(session: Session, *, keyring: Keyring | None = None, published: Sequence[Published] = ()) -> Iterator[Finding]:
    """Check every invariant, one after the other, in the one snapshot of `session` (open it with `snapshot`).

    The signatures of seals take the coalition's `keyring`; seals that were `published` are compared with the books'.
    """
    allow_long_statements(session)
    session.execute(text(f"SET LOCAL work_mem = '{WORK_MEMORY_MB}MB'"))
    for name, statement in {**_INVARIANTS, **field_invariants.STATEMENTS}.items():
        # Behind a fence: told that one row is enough, the planner takes the way to a first row, which there should
        # not be, and with ten million postings that way never ended.
        yield Finding(name, session.scalar(text(f"WITH broken AS MATERIALIZED ({statement}) TABLE broken LIMIT 1")))
    yield from seals_of(session, keyring=keyring, published=published)
    for name, first_broken in OF_ROOMS_ABOVE.items():
        yield Finding(name, first_broken(session))


def seals_of(
    session: Session, *, keyring: Keyring | None = None, published: Sequence[Published] = ()
) -> Iterator[Finding]:
    """Check the seals only: each day's rows against its seal, the chain, signatures, and what was published."""
    allow_long_statements(session)
    yield Finding(SEALS, _first_broken_seal(session))
    if keyring is not None:
        yield Finding(SIGNATURES, seals.first_unsigned(session, keyring))
    if published:
        yield Finding(PUBLISHED, _first_missing(session, published))


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
        version = kept.version if kept else business_days.SEAL_VERSION
        found = business_days.compute_seal(session, day, previous=previous, version=version)
        if kept != found:
            return f"{day}: sealed with {kept and kept.postings} postings, found {found.postings} or other content"
        previous = found.chain
    if expected is not None and (open_day := programme.get(session).open_day) != expected:
        return f"{open_day}: this day is open, though {expected} follows the last one that was closed"
    return None


def _first_missing(session: Session, published: Sequence[Published]) -> str | None:
    sealed = {day for day, is_sealed in business_days.closed_days(session) if is_sealed}
    for day, chain in sorted((each.day, each.chain) for each in published):
        if day not in sealed:
            return f"{day}: published with the chain {chain.hex()}, not sealed in these books"
        kept = business_days.find_seal(session, day)
        if kept is None or kept.chain != chain:
            return f"{day}: published with the chain {chain.hex()}, these books have {kept and kept.chain.hex()}"
    return None
