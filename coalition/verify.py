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
        SELECT 'member ' || member_id || ': wallet ' || concat_ws('/', w.available, w.held, w.pending, w.debt)
               || ', lots and debts ' || concat_ws('/', coalesce(l.free, 0), coalesce(l.held, 0),
                                                   coalesce(l.pending, 0), coalesce(d.debt, 0))
               || ', open holds ' || coalesce(h.held, 0) || ' (available/held/pending/debt)'
        FROM coalition.wallet w
        LEFT JOIN (SELECT member_id, sum(held) AS held,
                          sum(CASE WHEN vests_at IS NULL THEN remaining - held ELSE 0 END) AS free,
                          sum(CASE WHEN vests_at IS NULL THEN 0 ELSE remaining END) AS pending
                   FROM coalition.lot GROUP BY 1) l USING (member_id)
        LEFT JOIN (SELECT member_id, sum(points - debt_repaid) AS debt FROM coalition.debt GROUP BY 1) d
            USING (member_id)
        LEFT JOIN (SELECT member_id, sum(points) AS held FROM coalition.hold WHERE status = 'open' GROUP BY 1) h
            USING (member_id)
        WHERE (w.available, w.held, w.pending, w.debt) <> (coalesce(l.free, 0), coalesce(l.held, 0),
              coalesce(l.pending, 0), coalesce(d.debt, 0)) OR w.held <> coalesce(h.held, 0)
        ORDER BY member_id
    """,
    "a lot holds what was issued less what its postings took": """
        SELECT 'lot ' || l.lot_id || ': issued ' || l.issued || ', remaining ' || l.remaining || ', held ' || l.held
               || ', postings say ' || concat_ws('/', p.issued, coalesce(p.points, 0), coalesce(p.held, 0))
        FROM coalition.lot l
        LEFT JOIN (SELECT member_id, lot_id,
                          sum(points * ((credit IN ('wallet', 'hold', 'pending', 'unfunded'))::int
                                        - (debit IN ('wallet', 'hold', 'pending', 'unfunded'))::int)) AS points,
                          sum(points * ((credit = 'hold')::int - (debit = 'hold')::int)) AS held,
                          sum(points * ((credit = 'unfunded')::int - (debit = 'unfunded')::int)) AS unfunded,
                          sum(points) FILTER (WHERE debit IN ('issuance', 'adjustment', 'merge')) AS issued
                   FROM coalition.posting GROUP BY 1, 2) p USING (member_id, lot_id)
        WHERE l.remaining <> coalesce(p.points, 0) OR l.held <> coalesce(p.held, 0)
           OR coalesce(p.unfunded, 0) <> CASE WHEN l.is_unfunded THEN l.remaining ELSE 0 END
           OR l.issued <> coalesce(p.issued, l.issued)  -- none: given back to whom the member was merged into
        ORDER BY l.lot_id
    """,
    "a lot's fields agree with each other and with its earn": """
        WITH graced AS (
            -- What came back after its expiry became a lot of its own: of which lot, and until when it lives.
            SELECT DISTINCT coalesce(l.origin_id, l.lot_id) AS origin_id, t.expires_on
            FROM coalition.txn t
            JOIN coalition.posting p ON p.member_id = t.member_id AND p.txn_id = t.txn_id AND p.debit = 'redemption'
            JOIN coalition.lot l ON l.member_id = p.member_id AND l.lot_id = p.lot_id
            WHERE t.kind = 'reversal' AND t.expires_on IS NOT NULL
        ), issued AS (
            -- What each lot was issued as: the award of its number, or all of a transaction that names none.
            SELECT p.lot_id, p.member_id, t.txn_id, t.business_date, p.points,
                   coalesce((a ->> 'points')::bigint, t.points) AS awarded,
                   coalesce((a ->> 'issuer_id')::uuid, t.partner_id) AS issuer_id,
                   coalesce((a ->> 'expires_on')::date, t.expires_on) AS expires_on,
                   coalesce((a ->> 'vests_at')::timestamptz, t.due_at) AS vests_at, t.booked_at,
                   a ->> 'campaign' AS campaign, a ->> 'rule' AS rule
            FROM coalition.posting p JOIN coalition.txn t ON t.member_id = p.member_id AND t.txn_id = p.txn_id
            CROSS JOIN LATERAL (SELECT CASE WHEN t.kind = 'earn' THEN t.meta -> 'awards' -> (p.seq - 1) END AS a) s
            WHERE p.debit = 'issuance' AND t.kind = 'earn' OR p.debit = 'adjustment' AND t.kind = 'adjustment'
        )
        SELECT 'lot ' || l.lot_id
               || ': its dates, its issuer, its award, its origin or whether it is open don''t fit'
        FROM coalition.lot l
        LEFT JOIN issued i ON i.lot_id = coalesce(l.origin_id, l.lot_id)
        LEFT JOIN graced g ON g.origin_id = l.origin_id AND g.expires_on = l.expires_on
        WHERE l.issued <= 0 OR l.held < 0 OR l.remaining NOT BETWEEN l.held AND l.issued
           OR l.is_open <> (l.remaining > l.held AND l.vests_at IS NULL)
           OR (l.txn_id, l.issuer_id, l.issued_on, l.campaign, l.rule)
              IS DISTINCT FROM (i.txn_id, i.issuer_id, i.business_date, i.campaign, i.rule)
           OR i.points <> i.awarded OR l.is_unfunded AND l.vests_at IS NULL
           OR l.vests_at IS NOT NULL AND l.vests_at IS DISTINCT FROM
              coalesce(i.vests_at, i.booked_at)
           OR (l.origin_id IS NULL AND l.member_id <> i.member_id)
           OR l.is_grace AND l.expires_on = i.expires_on
           -- Before, what came back after its expiry kept the whole lot alive, for at most ten years from that day.
           OR (l.expires_on <> i.expires_on AND NOT (l.is_grace AND g.origin_id IS NOT NULL) AND NOT EXISTS (
                   SELECT 1 FROM coalition.posting p
                   JOIN coalition.txn r ON r.member_id = p.member_id AND r.txn_id = p.txn_id AND r.expires_on IS NULL
                   WHERE p.member_id = l.member_id AND p.lot_id = l.lot_id AND p.debit = 'redemption'
                     AND p.business_date >= i.expires_on
                     AND l.expires_on BETWEEN p.business_date + 1 AND p.business_date + 3650))
        ORDER BY l.lot_id
    """,
    "every posting stands on its lot and its transaction": """
        SELECT 'posting ' || p.txn_id || '/' || p.seq || ': its lot, issuer or transaction is missing or another'
        FROM coalition.posting p
        LEFT JOIN coalition.lot l ON l.member_id = p.member_id AND l.lot_id = p.lot_id
        LEFT JOIN coalition.txn t ON t.member_id = p.member_id AND t.txn_id = p.txn_id
        WHERE l.issuer_id IS DISTINCT FROM p.issuer_id OR l.issued_on IS DISTINCT FROM p.issued_on
           OR p.points <= 0 OR p.debit = p.credit OR p.seq <= 0
           OR (t.member_id, t.business_date) IS DISTINCT FROM (p.member_id, p.business_date)
           OR (t.partner_id <> p.partner_id AND (p.credit <> 'debt' OR t.kind IN ('reversal', 'clawback')))
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
              LEFT JOIN (SELECT member_id, txn_id,
                                sum(points * ((credit = 'wallet')::int - (debit = 'wallet')::int)) AS available,
                                sum(points * ((credit = 'hold')::int - (debit = 'hold')::int)) AS held,
                                sum(points * ((credit IN ('pending', 'unfunded'))::int
                                              - (debit IN ('pending', 'unfunded'))::int)) AS pending
                         FROM coalition.posting GROUP BY 1, 2) p USING (member_id, txn_id)
              WINDOW w AS (PARTITION BY t.member_id ORDER BY t.member_seq)) s
        WHERE member_seq <> n OR (available_after, held_after, pending_after) <> (available, held, pending)
        ORDER BY txn_id
    """,
    "a transaction's points are what its postings moved": """
        SELECT 'transaction ' || t.txn_id || ': points ' || t.points || ' and repaid ' || t.debt_repaid || ', postings '
               || coalesce(p.points, 0) || ' and ' || coalesce(p.debt_repaid, 0)
        FROM coalition.txn t
        LEFT JOIN (SELECT p.member_id, p.txn_id, sum(p.points) FILTER (WHERE p.credit = 'debt') AS debt_repaid,
                          sum(p.points) FILTER (WHERE p.credit <> 'debt'
                                                AND NOT (t.kind = 'capture' AND p.credit = 'wallet')) AS points
                   FROM coalition.posting p JOIN coalition.txn t USING (member_id, txn_id)
                   GROUP BY 1, 2) p USING (member_id, txn_id)
        WHERE t.points <> coalesce(p.points, 0) OR t.debt_repaid <> coalesce(p.debt_repaid, 0)
           OR t.points < 0 OR t.shortfall < 0 OR t.amount_minor < 0 OR length(t.reference) NOT BETWEEN 1 AND 64
        ORDER BY t.txn_id
    """,
    "a wallet stands where its last transaction left it": """
        SELECT 'member ' || w.member_id || ': wallet '
               || concat_ws('/', w.version, w.available, w.held, w.pending, w.debt)
               || ', last transaction ' || concat_ws('/', t.member_seq, t.available_after, t.held_after,
                                                     t.pending_after, t.debt_after)
        FROM coalition.wallet w
        LEFT JOIN (SELECT DISTINCT ON (member_id) * FROM coalition.txn ORDER BY member_id, member_seq DESC) t
            USING (member_id)
        WHERE (w.version, w.available, w.held, w.pending, w.debt)
              <> (coalesce(t.member_seq, 0), coalesce(t.available_after, 0), coalesce(t.held_after, 0),
                  coalesce(t.pending_after, 0), coalesce(t.debt_after, 0))
        ORDER BY w.member_id
    """,
    "per issuer, issued = outstanding + burned + expired + reversed": """
        SELECT 'issuer ' || issuer_id || ': lots hold ' || coalesce(l.remaining, 0) || ', postings leave '
               || coalesce(p.points, 0) || ', merges lost ' || coalesce(p.lost, 0)
        FROM (SELECT issuer_id, sum(remaining) AS remaining FROM coalition.lot GROUP BY 1) l
        FULL JOIN (SELECT issuer_id,
                          sum(points * ((credit IN ('wallet', 'hold', 'pending', 'unfunded'))::int
                                        - (debit IN ('wallet', 'hold', 'pending', 'unfunded'))::int)) AS points,
                          sum(points * ((credit = 'merge')::int - (debit = 'merge')::int)) AS lost
                   FROM coalition.posting GROUP BY 1) p USING (issuer_id)
        WHERE coalesce(l.remaining, 0) <> coalesce(p.points, 0) OR p.lost <> 0 ORDER BY issuer_id
    """,
    "no reversals exceed their original": """
        WITH r AS MATERIALIZED (
            SELECT x.reverses_txn_id, x.points, x.debt_repaid, x.shortfall FROM coalition.txn x
            WHERE x.reverses_txn_id IS NOT NULL
        )
        SELECT 'transaction ' || o.txn_id || ': points ' || o.points || ', reversed '
               || sum(r.points + r.debt_repaid + r.shortfall)
        FROM r JOIN coalition.txn o ON o.txn_id = r.reverses_txn_id
        GROUP BY o.txn_id, o.points HAVING sum(r.points + r.debt_repaid + r.shortfall) > o.points ORDER BY o.txn_id
    """,
    "a reversal of awards takes back from each no more than it was": """
        WITH r AS MATERIALIZED (
            SELECT x.txn_id, x.reverses_txn_id, x.points, x.shortfall, x.meta FROM coalition.txn x
            WHERE x.kind = 'reversal'
        ), o AS MATERIALIZED (
            SELECT x.txn_id, x.partner_id, x.meta FROM coalition.txn x
            WHERE x.txn_id IN (SELECT r.reverses_txn_id FROM r)
        ), taken AS (
            SELECT r.txn_id, r.reverses_txn_id, r.points, r.shortfall, (a ->> 'award')::int AS award,
                   (a ->> 'issuer_id')::uuid AS issuer_id, (a ->> 'points')::bigint AS of_award,
                   (a ->> 'shortfall')::bigint AS lost
            FROM r CROSS JOIN LATERAL jsonb_array_elements(r.meta -> 'awards') a
        )
        SELECT 'transaction ' || min(coalesce(o.txn_id, r.txn_id)::text) || ', award ' || coalesce(t.award, 0)
               || ': took back ' || coalesce(sum(t.of_award), 0)
        FROM r
        LEFT JOIN o ON o.txn_id = r.reverses_txn_id
        LEFT JOIN taken t ON t.txn_id = r.txn_id
        WHERE t.award IS NOT NULL OR o.meta ? 'awards' AND r.points + r.shortfall > 0
        GROUP BY r.reverses_txn_id, t.award, o.meta, o.partner_id
        HAVING bool_or(t.award IS NULL OR t.of_award <= 0 OR t.lost NOT BETWEEN 0 AND t.of_award
                       OR t.issuer_id IS DISTINCT FROM
                          coalesce((o.meta -> 'awards' -> (t.award - 1) ->> 'issuer_id')::uuid, o.partner_id))
            OR (sum(t.of_award) <= (o.meta -> 'awards' -> (t.award - 1) ->> 'points')::bigint) IS NOT TRUE
        UNION ALL
        SELECT 'transaction ' || t.txn_id || ': its awards gave ' || sum(t.of_award) || ', shortfall '
               || sum(t.lost)
        FROM taken t GROUP BY t.txn_id, t.points, t.shortfall
        HAVING (sum(t.of_award), sum(t.lost)) <> (t.points + t.shortfall, t.shortfall)
        ORDER BY 1
    """,
    "no issuer's points are taken back but what it issued to a member and those merged into it": """
        WITH living AS MATERIALIZED (
            SELECT m.member_id, m.living_id FROM coalition.merged_members() m
        ), moved AS (
            SELECT p.member_id, p.issuer_id,
                   CASE WHEN p.debit IN ('issuance', 'adjustment') THEN p.points ELSE 0 END AS issued,
                   CASE WHEN p.credit = 'issuance' THEN p.points ELSE 0 END AS taken
            FROM coalition.posting p WHERE p.debit IN ('issuance', 'adjustment') OR p.credit = 'issuance'
            UNION ALL
            SELECT t.member_id, t.partner_id, 0, t.debt_repaid + t.shortfall
            FROM coalition.txn t WHERE t.kind IN ('reversal', 'clawback') AND (t.meta ? 'awards') IS NOT TRUE
            UNION ALL
            SELECT t.member_id, (a ->> 'issuer_id')::uuid, 0, (a ->> 'shortfall')::bigint
            FROM coalition.txn t CROSS JOIN LATERAL jsonb_array_elements(t.meta -> 'awards') a
            WHERE t.kind = 'reversal'
        )
        SELECT 'member ' || m.living_id || ': issuer ' || m.issuer_id || ' issued ' || sum(m.issued)
               || ' and took back ' || sum(m.taken)
        FROM (SELECT coalesce(l.living_id, m.member_id) AS living_id, m.issuer_id, m.issued, m.taken
              FROM moved m LEFT JOIN living l USING (member_id)) m
        GROUP BY m.living_id, m.issuer_id
        HAVING sum(m.taken) > sum(m.issued) ORDER BY 1
    """,
    "a hold is what its transactions say": """
        SELECT 'hold ' || coalesce(h.hold_id, t.txn_id) || ': ' || coalesce(h.status::text, 'missing')
        FROM coalition.hold h
        FULL JOIN (SELECT txn_id, member_id, partner_id, points, due_at FROM coalition.txn WHERE kind = 'hold') t
            ON t.txn_id = h.hold_id AND t.member_id = h.member_id
        LEFT JOIN coalition.txn e ON e.hold_id = h.hold_id AND e.member_id = h.member_id AND e.kind <> 'hold'
        WHERE h.hold_id IS NULL OR t.txn_id IS NULL
           OR (h.partner_id, h.points, h.expires_at) <> (t.partner_id, t.points, t.due_at)
           OR h.status::text <> CASE WHEN e.kind = 'capture' THEN 'captured' WHEN e.kind = 'void' THEN 'voided'
                                WHEN e.kind = 'lapse' THEN 'lapsed' ELSE 'open' END
           OR h.captured <> CASE WHEN e.kind = 'capture' THEN e.points ELSE 0 END
    """,
    "a debt is the shortfall of its return": """
        WITH d AS MATERIALIZED (
            SELECT x.txn_id, x.points, x.partner_id FROM coalition.debt x
        ), t AS MATERIALIZED (
            SELECT x.txn_id, x.partner_id, x.shortfall, x.meta FROM coalition.txn x
            WHERE x.txn_id IN (SELECT d.txn_id FROM d)
        )
        SELECT 'debt ' || d.txn_id || ': points ' || d.points || ', partner ' || d.partner_id
        FROM d LEFT JOIN t ON t.txn_id = d.txn_id
        WHERE d.points IS DISTINCT FROM CASE WHEN t.meta ? 'awards' THEN (
                  SELECT sum((a ->> 'shortfall')::bigint) FROM jsonb_array_elements(t.meta -> 'awards') a
                  WHERE (a ->> 'issuer_id')::uuid = d.partner_id) WHEN t.partner_id = d.partner_id THEN t.shortfall END
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
           OR e.type <> 'points.' || CASE WHEN t.kind = 'earn' THEN 'earned' WHEN t.kind = 'burn' THEN 'burned'
                WHEN t.kind = 'hold' THEN 'held' WHEN t.kind = 'capture' THEN 'captured'
                WHEN t.kind = 'void' THEN 'released' WHEN t.kind = 'lapse' THEN 'lapsed'
                WHEN t.kind = 'vest' THEN 'vested' WHEN t.kind = 'expiry' THEN 'expired'
                WHEN t.kind = 'fund' THEN 'funded'
                WHEN t.kind = 'adjustment' THEN 'adjusted' WHEN t.kind = 'merge' THEN 'merged' ELSE 'reversed' END
           OR ((e.data ->> 'points')::bigint, (e.data ->> 'available_after')::bigint, (e.data ->> 'member_seq')::bigint,
               (e.data ->> 'member_id')::uuid, (e.data ->> 'partner_id')::uuid, e.data ->> 'reference',
               (e.data ->> 'effective_at')::timestamptz, (e.data ->> 'business_date')::date)
              IS DISTINCT FROM (t.points, t.available_after, t.member_seq, t.member_id, t.partner_id, t.reference,
                                t.effective_at, t.business_date)
           -- What only some kinds of events carry, as far as this one does.
           OR (e.data ? 'debt_repaid' AND (e.data ->> 'debt_repaid')::bigint IS DISTINCT FROM t.debt_repaid)
           OR (e.data ? 'shortfall' AND (e.data ->> 'shortfall')::bigint IS DISTINCT FROM t.shortfall)
           OR (e.data ? 'held_after' AND (e.data ->> 'held_after')::bigint IS DISTINCT FROM t.held_after)
           OR (e.data ? 'kind' AND e.data ->> 'kind' IS DISTINCT FROM t.kind::text)
           OR (e.data ? 'hold_id' AND (e.data ->> 'hold_id')::uuid IS DISTINCT FROM t.hold_id)
           OR (e.data ? 'expires_at' AND (e.data ->> 'expires_at')::timestamptz IS DISTINCT FROM t.due_at)
           OR (e.data ? 'vests_at' AND (e.data ->> 'vests_at')::timestamptz IS DISTINCT FROM t.due_at)
           OR (e.data ? 'expires_on' AND (e.data ->> 'expires_on')::date IS DISTINCT FROM t.expires_on)
           OR (e.data ->> 'location')::uuid IS DISTINCT FROM t.location_id
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
    # Everything is read, so nothing is looked up row by row: where statistics are old the planner may think otherwise,
    # and of a few thousand lots come to ten minutes.
    session.execute(text(f"SET LOCAL work_mem = '{WORK_MEMORY_MB}MB'"))
    session.execute(text("SET LOCAL enable_nestloop = off"))
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
