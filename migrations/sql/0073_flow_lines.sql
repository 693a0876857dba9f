-- How many postings there are behind coalition.flows_on of each size: postings of a flow with the same points have the
-- same price.
CREATE OR REPLACE FUNCTION coalition.flow_sizes_on(p_day date)
RETURNS TABLE (kind text, issuer_id uuid, partner_id uuid, issued_on date, points bigint, postings bigint)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT k.kind, g.issuer_id, g.partner_id, g.issued_on, k.points, sum(g.postings)::bigint
    FROM (
        SELECT p.debit, p.credit, p.issuer_id, p.partner_id, p.issued_on, p.points, count(*) AS postings
        FROM coalition.posting p WHERE p.business_date = p_day GROUP BY 1, 2, 3, 4, 5, 6
    ) g
    CROSS JOIN LATERAL (VALUES
        ('redemption', CASE WHEN g.debit = 'redemption' THEN -g.points
                            WHEN g.credit IN ('redemption', 'debt') THEN g.points END),
        ('issue', CASE WHEN g.debit IN ('issuance', 'adjustment') AND g.credit <> 'unfunded'
                         OR g.debit = 'unfunded' AND g.credit IN ('wallet', 'pending') THEN g.points
                       WHEN g.credit IN ('issuance', 'adjustment') AND g.debit <> 'unfunded' THEN -g.points END),
        ('breakage', CASE WHEN g.credit = 'breakage' AND g.debit <> 'unfunded' THEN g.points END)
    ) k (kind, points)
    WHERE k.points IS NOT NULL GROUP BY 1, 2, 3, 4, 5;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.flow_sizes_on FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.flow_sizes_on TO coalition_service;

-- The single postings behind coalition.flows_on of the kinds that are asked for, each with its receipt's reference, the
-- day it concerns, and the partner's location where it was posted: none of a debt that was repaid to another partner
-- than the one that posted. A posting that repays a debt may be two of them.
-- The version before names no kinds.
DROP FUNCTION coalition.flow_lines_on(date);
CREATE OR REPLACE FUNCTION coalition.flow_lines_on(p_day date, p_kinds text[] DEFAULT NULL)
RETURNS TABLE (
    kind text, issuer_id uuid, partner_id uuid, issued_on date, points bigint, txn_id uuid, seq int, reference text,
    concerns date, location_id uuid
) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT m.kind, m.issuer_id, m.partner_id, m.issued_on, m.points, m.txn_id, m.seq, t.reference,
           t.original_business_date, CASE WHEN m.partner_id = t.partner_id THEN t.location_id END
    FROM (
        SELECT 'redemption' AS kind, CASE WHEN p.debit = 'redemption' THEN -p.points ELSE p.points END AS points,
               p.issuer_id, p.partner_id, p.issued_on, p.member_id, p.txn_id, p.seq
        FROM coalition.posting p
        WHERE p.business_date = p_day AND (p.debit = 'redemption' OR p.credit IN ('redemption', 'debt'))
          AND (p_kinds IS NULL OR 'redemption' = ANY (p_kinds))
        UNION ALL
        SELECT 'issue', CASE WHEN p.debit IN ('issuance', 'adjustment', 'unfunded') THEN p.points ELSE -p.points END,
               p.issuer_id, p.partner_id, p.issued_on, p.member_id, p.txn_id, p.seq
        FROM coalition.posting p
        WHERE p.business_date = p_day
          AND (p.debit IN ('issuance', 'adjustment') AND p.credit <> 'unfunded'
               OR p.debit = 'unfunded' AND p.credit IN ('wallet', 'pending')
               OR p.credit IN ('issuance', 'adjustment') AND p.debit <> 'unfunded')
          AND (p_kinds IS NULL OR 'issue' = ANY (p_kinds))
        UNION ALL
        SELECT 'breakage', p.points, p.issuer_id, p.partner_id, p.issued_on, p.member_id, p.txn_id, p.seq
        FROM coalition.posting p
        WHERE p.business_date = p_day AND p.credit = 'breakage' AND p.debit <> 'unfunded'
          AND (p_kinds IS NULL OR 'breakage' = ANY (p_kinds))
    ) m
    JOIN coalition.txn t ON t.member_id = m.member_id AND t.txn_id = m.txn_id AND t.business_date = p_day;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.flow_lines_on FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.flow_lines_on TO coalition_service;
