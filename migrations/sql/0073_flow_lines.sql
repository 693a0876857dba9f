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
    RETURN QUERY SELECT k.kind, p.issuer_id, p.partner_id, p.issued_on, k.points, p.txn_id, p.seq, t.reference,
           t.original_business_date, CASE WHEN p.partner_id = t.partner_id THEN t.location_id END
    FROM coalition.posting p
    CROSS JOIN LATERAL (VALUES
        ('redemption', CASE WHEN p.debit = 'redemption' THEN -p.points
                            WHEN p.credit IN ('redemption', 'debt') THEN p.points END),
        ('issue', CASE WHEN p.debit IN ('issuance', 'adjustment') AND p.credit <> 'unfunded'
                         OR p.debit = 'unfunded' AND p.credit IN ('wallet', 'pending') THEN p.points
                       WHEN p.credit IN ('issuance', 'adjustment') AND p.debit <> 'unfunded' THEN -p.points END),
        ('breakage', CASE WHEN p.credit = 'breakage' AND p.debit <> 'unfunded' THEN p.points END)
    ) k (kind, points)
    JOIN coalition.txn t USING (member_id, txn_id, business_date)  -- found by the day as well
    WHERE p.business_date = p_day AND k.points IS NOT NULL AND (p_kinds IS NULL OR k.kind = ANY (p_kinds));
END $$;
REVOKE EXECUTE ON FUNCTION coalition.flow_lines_on FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.flow_lines_on TO coalition_service;
