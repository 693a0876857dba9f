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
               CASE WHEN t.uncovered <> 0 AND t.kind NOT IN ('reversal', 'clawback') THEN 'what it left uncovered' END,
               CASE WHEN t.repaid <> 0 AND t.kind NOT IN ('earn', 'vest', 'reversal', 'clawback')
                    THEN 'what it repaid' END,
               CASE WHEN t.expires_on IS NULL AND t.kind IN ('earn', 'vest') THEN 'its expiry' END) AS said
        FROM coalition.txn t CROSS JOIN coalition.programme g
        WHERE t.original_business_date <> (t.effective_at AT TIME ZONE g.time_zone)::date
           OR (t.reverses_txn_id IS NULL) = (t.kind = 'reversal')
           OR (t.hold_id IS NULL) = (t.kind IN ('hold', 'capture', 'void', 'lapse'))
           OR (t.kind = 'hold' AND t.hold_id <> t.txn_id)
           OR (t.due_at IS NULL AND t.kind = 'hold') OR (t.due_at IS NOT NULL AND t.kind NOT IN ('earn', 'hold'))
           OR (t.uncovered <> 0 AND t.kind NOT IN ('reversal', 'clawback'))
           OR (t.repaid <> 0 AND t.kind NOT IN ('earn', 'vest', 'reversal', 'clawback'))
           OR (t.expires_on IS NULL AND t.kind IN ('earn', 'vest'))
        ORDER BY t.txn_id
    """,
    "an amount earned what its rate says": """
        SELECT 'transaction ' || t.txn_id || ': ' || concat_ws(' ', t.amount_minor, t.currency, 'at', t.points_per_unit,
               'for', t.minor_per_unit, 'and', t.points + t.repaid * (t.kind = 'clawback')::int + t.uncovered, 'points')
        FROM coalition.txn t
        WHERE (t.amount_minor IS NULL) <> (t.currency IS NULL)
           OR (t.points_per_unit IS NULL) <> (t.minor_per_unit IS NULL)
           OR (t.kind IN ('earn', 'clawback') AND (t.amount_minor IS NULL) <> (t.points_per_unit IS NULL))
           OR (t.kind NOT IN ('earn', 'clawback') AND t.points_per_unit IS NOT NULL)
           OR (t.kind = 'earn'
               AND t.points <> coalition.points_for(t.amount_minor, t.points_per_unit, t.minor_per_unit))
           OR (t.kind = 'clawback' AND t.points + t.repaid + t.uncovered
                                       > coalition.points_for(t.amount_minor, t.points_per_unit, t.minor_per_unit))
        ORDER BY t.txn_id
    """,
    "a reversal is of a transaction of its partner, in its currency, and of no more than its amount": """
        SELECT 'transaction ' || coalesce(o.txn_id, r.reverses_txn_id) || ': reversed by ' || min(r.txn_id::text)
        FROM coalition.txn r LEFT JOIN coalition.txn o ON o.txn_id = r.reverses_txn_id
        WHERE r.reverses_txn_id IS NOT NULL
        GROUP BY o.txn_id, r.reverses_txn_id, o.kind, o.amount_minor
        HAVING o.txn_id IS NULL OR o.kind NOT IN ('earn', 'burn', 'capture')
            OR bool_or(r.partner_id <> o.partner_id
                       OR (r.currency IS NOT NULL AND r.currency IS DISTINCT FROM o.currency))
            OR coalesce(sum(r.amount_minor), 0) > coalesce(o.amount_minor, 0)
        ORDER BY 1
    """,
    "what is owed moves with what is repaid and left uncovered": """
        SELECT 'transaction ' || txn_id || ': owed ' || owed_after || ' after it, ' || before || ' before'
        FROM (SELECT t.txn_id, t.kind, t.meta, t.owed_after, t.repaid, coalesce(d.points, 0) AS debt,
                     coalesce(lag(t.owed_after) OVER (PARTITION BY t.member_id ORDER BY t.member_seq), 0) AS before
              FROM coalition.txn t LEFT JOIN coalition.debt d ON d.txn_id = t.txn_id) s
        WHERE CASE WHEN kind <> 'merge' THEN owed_after <> before + debt - repaid * (kind IN ('earn', 'vest'))::int
                   WHEN meta ? 'merged_into' THEN owed_after <> 0
                   ELSE owed_after < before END
        ORDER BY txn_id
    """,
    "a partner was repaid what its debts say": """
        SELECT 'partner ' || coalesce(d.partner_id, p.partner_id) || ': debts say ' || coalesce(d.repaid, 0)
               || ' points were repaid, postings ' || coalesce(p.repaid, 0)
        FROM (SELECT partner_id, sum(repaid) AS repaid FROM coalition.debt GROUP BY 1) d
        FULL JOIN (SELECT p.partner_id, sum(p.points) AS repaid
                   FROM coalition.posting p JOIN coalition.txn t ON t.txn_id = p.txn_id
                   WHERE p.credit = 'recovery' AND t.kind IN ('earn', 'vest') GROUP BY 1) p USING (partner_id)
        WHERE coalesce(d.repaid, 0) <> coalesce(p.repaid, 0) ORDER BY 1
    """,
    "points are pending only until their earn says": """
        SELECT 'lot ' || l.lot_id || ': pending until ' || l.vests_at
        FROM coalition.lot l LEFT JOIN coalition.txn t ON t.txn_id = l.lot_id
        WHERE l.vests_at IS NOT NULL AND (l.remaining = 0 OR (t.txn_id IS NOT NULL AND t.due_at IS NULL))
        ORDER BY l.lot_id
    """,
    "every member has a wallet": """
        SELECT 'member ' || member_id || ': no wallet'
        FROM (SELECT member_id FROM coalition.member UNION SELECT member_id FROM coalition.lot) m
        LEFT JOIN coalition.wallet w USING (member_id) WHERE w.member_id IS NULL ORDER BY 1
    """,
}
