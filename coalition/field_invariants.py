"""Invariants of `ledger verify` within a transaction, or between it and what it names: these wait for no seal."""

from __future__ import annotations

# Each statement returns the rows that break its invariant, in an order where one is the first.
STATEMENTS: dict[str, str] = {
    "a transaction has what its kind has, on the day of its purchase": """
        SELECT 'transaction ' || t.txn_id || ', ' || t.kind || ': ' || concat_ws(', ',
               CASE WHEN t.original_business_date <> (t.effective_at AT TIME ZONE g.time_zone)::date
                    THEN 'its day is not that of its time' END,
               CASE WHEN (t.reverses_txn_id IS NULL) = (t.kind = 'reversal') THEN 'what it reverses' END,
               CASE WHEN (t.hold_id IS NULL) = (t.kind IN ('hold', 'capture', 'void', 'lapse'))
                      OR (t.kind = 'hold' AND t.hold_id <> t.txn_id) THEN 'its hold' END,
               CASE WHEN t.due_at IS NULL AND t.kind = 'hold' OR t.due_at IS NOT NULL AND t.kind NOT IN ('earn', 'hold')
                    THEN 'when it is due' END,
               CASE WHEN t.shortfall <> 0 AND t.kind NOT IN ('reversal', 'clawback') THEN 'a shortfall' END,
               CASE WHEN t.debt_repaid <> 0 AND t.kind NOT IN ('earn', 'vest', 'fund', 'reversal', 'clawback')
                    THEN 'what it debt_repaid' END,
               CASE WHEN t.expires_on IS NULL AND t.kind IN ('earn', 'vest', 'fund') THEN 'its expiry' END) AS said
        FROM coalition.txn t CROSS JOIN coalition.programme g
        WHERE t.original_business_date <> (t.effective_at AT TIME ZONE g.time_zone)::date
           OR (t.reverses_txn_id IS NULL) = (t.kind = 'reversal')
           OR (t.hold_id IS NULL) = (t.kind IN ('hold', 'capture', 'void', 'lapse'))
           OR (t.kind = 'hold' AND t.hold_id <> t.txn_id)
           OR (t.due_at IS NULL AND t.kind = 'hold') OR (t.due_at IS NOT NULL AND t.kind NOT IN ('earn', 'hold'))
           OR (t.shortfall <> 0 AND t.kind NOT IN ('reversal', 'clawback'))
           OR (t.debt_repaid <> 0 AND t.kind NOT IN ('earn', 'vest', 'fund', 'reversal', 'clawback'))
           OR (t.expires_on IS NULL AND t.kind IN ('earn', 'vest', 'fund'))
        ORDER BY t.txn_id
    """,
    "an amount earned what its rate says": """
        SELECT 'transaction ' || t.txn_id || ': ' || concat_ws(' ', t.amount_minor, t.currency, 'at', t.points_per_unit,
               'for', t.minor_per_unit, 'and',
               t.points + t.debt_repaid * (t.kind = 'clawback')::int + t.shortfall, 'points')
        FROM coalition.txn t
        WHERE (t.amount_minor IS NULL) <> (t.currency IS NULL)
           OR (t.points_per_unit IS NULL) <> (t.minor_per_unit IS NULL)
           OR (t.kind IN ('earn', 'clawback') AND (t.amount_minor IS NULL) <> (t.points_per_unit IS NULL))
           OR (t.kind NOT IN ('earn', 'clawback') AND t.points_per_unit IS NOT NULL)
           OR (t.kind = 'earn'
               AND t.points <> coalition.points_for(t.amount_minor, t.points_per_unit, t.minor_per_unit))
           OR (t.kind = 'clawback' AND t.points + t.debt_repaid + t.shortfall
                                       > coalition.points_for(t.amount_minor, t.points_per_unit, t.minor_per_unit))
        ORDER BY t.txn_id
    """,
    "a reversal is of a transaction of its partner, in its currency, and of no more than its amount": """
        WITH r AS MATERIALIZED (
            SELECT x.txn_id, x.reverses_txn_id, x.partner_id, x.currency, x.amount_minor FROM coalition.txn x
            WHERE x.reverses_txn_id IS NOT NULL
        ), o AS MATERIALIZED (
            SELECT x.txn_id, x.kind, x.partner_id, x.currency, x.amount_minor FROM coalition.txn x
            WHERE x.txn_id IN (SELECT r.reverses_txn_id FROM r)
        )
        SELECT 'transaction ' || coalesce(o.txn_id, r.reverses_txn_id) || ': reversed by ' || min(r.txn_id::text)
        FROM r LEFT JOIN o ON o.txn_id = r.reverses_txn_id
        GROUP BY o.txn_id, r.reverses_txn_id, o.kind, o.amount_minor
        HAVING o.txn_id IS NULL OR o.kind NOT IN ('earn', 'burn', 'capture')
            OR bool_or(r.partner_id <> o.partner_id
                       OR (r.currency IS NOT NULL AND r.currency IS DISTINCT FROM o.currency))
            OR coalesce(sum(r.amount_minor), 0) > coalesce(o.amount_minor, 0)
        ORDER BY 1
    """,
    "a debt moves with what is repaid and with a shortfall": """
        WITH d AS MATERIALIZED (
            SELECT x.txn_id, sum(x.points) AS points FROM coalition.debt x GROUP BY 1
        )
        SELECT 'transaction ' || txn_id || ': debt ' || debt_after || ' after it, ' || before || ' before'
        FROM (SELECT t.txn_id, t.kind, t.meta, t.debt_after, t.debt_repaid, coalesce(d.points, 0) AS debt,
                     coalesce(lag(t.debt_after) OVER (PARTITION BY t.member_id ORDER BY t.member_seq), 0) AS before
              FROM coalition.txn t
              LEFT JOIN d USING (txn_id)) s
        WHERE CASE WHEN kind <> 'merge'
                   THEN debt_after <> before + debt - debt_repaid * (kind IN ('earn', 'vest', 'fund'))::int
                   WHEN meta ? 'merged_into' THEN debt_after <> 0
                   ELSE debt_after < before END
        ORDER BY txn_id
    """,
    "a partner was repaid what its debts say": """
        SELECT 'partner ' || coalesce(d.partner_id, p.partner_id) || ': debts say ' || coalesce(d.debt_repaid, 0)
               || ' points were repaid, postings ' || coalesce(p.debt_repaid, 0)
        FROM (SELECT partner_id, sum(debt_repaid) AS debt_repaid FROM coalition.debt GROUP BY 1) d
        FULL JOIN (SELECT p.partner_id, sum(p.points) AS debt_repaid
                   FROM coalition.posting p JOIN coalition.txn t ON t.member_id = p.member_id AND t.txn_id = p.txn_id
                   WHERE p.credit = 'debt' AND t.kind IN ('earn', 'vest', 'fund') GROUP BY 1) p USING (partner_id)
        WHERE coalesce(d.debt_repaid, 0) <> coalesce(p.debt_repaid, 0) ORDER BY 1
    """,
    "points are pending only until their earn says": """
        SELECT 'lot ' || lot_id || ': pending until ' || vests_at
        FROM coalition.lot WHERE vests_at IS NOT NULL AND remaining = 0 ORDER BY lot_id
    """,
    "an earn notes what of it was not funded": """
        SELECT 'transaction ' || t.txn_id || ': notes ' || coalesce(t.meta ->> 'unfunded', '0')
               || ' points as unfunded, postings say ' || coalesce(p.points, 0)
        FROM coalition.txn t
        LEFT JOIN (SELECT p.member_id, p.txn_id, sum(p.points) AS points FROM coalition.posting p
                   WHERE p.debit = 'issuance' AND p.credit = 'unfunded' GROUP BY 1, 2) p USING (member_id, txn_id)
        WHERE t.kind = 'earn' AND coalesce((t.meta ->> 'unfunded')::bigint, 0) <> coalesce(p.points, 0)
        ORDER BY t.txn_id
    """,
    # Returns once numbered what they repaid from 1,001 on, and what they took from 2. Two numbers that are swapped, and
    # an adjustment's reason and people, only the seal tells.
    "a transaction's postings are numbered without gaps": """
        SELECT 'posting ' || txn_id || '/' || max(seq) || ': ' || count(*) || ' postings from number ' || min(seq)
        FROM coalition.posting p JOIN coalition.txn t USING (member_id, txn_id)
        GROUP BY member_id, txn_id, t.kind, p.seq > 1000
        HAVING max(seq) - min(seq) + 1 <> count(*)
            OR min(seq) - 1000 * (p.seq > 1000)::int
               NOT BETWEEN 1 AND CASE WHEN t.kind IN ('reversal', 'clawback') THEN 2 ELSE 1 END
        ORDER BY txn_id
    """,
    "what is noted beside a transaction is what its kind notes": """
        WITH merged AS MATERIALIZED (
            SELECT w.member_id, w.merged_into FROM coalition.wallet w WHERE w.merged_into IS NOT NULL
        )
        SELECT 'transaction ' || t.txn_id || ', ' || t.kind || ': ' || coalesce(t.meta::text, 'nothing noted')
        FROM coalition.txn t
        WHERE (t.meta IS NOT NULL OR t.kind IN ('adjustment', 'merge'))
          AND CASE
              WHEN t.kind = 'adjustment' THEN t.meta - '{direction,reason,made_by,approved_by}'::text[] = '{}'
                  AND t.meta ->> 'direction' = CASE WHEN EXISTS (
                      SELECT 1 FROM coalition.posting p
                      WHERE p.member_id = t.member_id AND p.txn_id = t.txn_id AND p.debit = 'adjustment')
                      THEN 'credit' ELSE 'debit' END
              WHEN t.kind = 'merge' THEN t.meta - '{merged_into,merged_from}'::text[] = '{}'
                  AND (t.meta ? 'merged_into' OR EXISTS (
                      SELECT 1 FROM merged m
                      WHERE m.member_id = (t.meta ->> 'merged_from')::uuid AND m.merged_into = t.member_id))
              WHEN t.kind = 'earn' THEN t.meta - '{awards,unfunded}'::text[] = '{}'
                  AND (NOT t.meta ? 'awards' OR t.points = (
                      SELECT sum((a ->> 'points')::bigint) FROM jsonb_array_elements(t.meta -> 'awards') a))
              WHEN t.kind = 'capture' THEN t.meta = '{"whole": true}'
              WHEN t.kind = 'reversal' THEN t.meta - 'awards' IN ('{}', '{"whole": true}') END IS NOT TRUE
        ORDER BY t.txn_id
    """,
    "every member has a wallet": """
        SELECT 'member ' || member_id || ': no wallet'
        FROM (SELECT member_id FROM coalition.member UNION SELECT member_id FROM coalition.lot) m
        LEFT JOIN coalition.wallet w USING (member_id) WHERE w.member_id IS NULL ORDER BY 1
    """,
}
