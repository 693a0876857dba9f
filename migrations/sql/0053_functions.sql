-- What moved on a day where money may follow, added up: points of an issuer's lots, by the partner that posted and the
-- business day they were issued on. `redemption`: burned, captured, or taken to repay a debt there, less given back;
-- `issue`: issued, by hand too, less taken back; `breakage`: expired.
CREATE OR REPLACE FUNCTION coalition.flows_on(p_day date)
RETURNS TABLE (kind text, issuer_id uuid, partner_id uuid, issued_on date, points bigint)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT k.kind, g.issuer_id, g.partner_id, g.issued_on, sum(k.points)::bigint
    FROM (
        SELECT p.debit, p.credit, p.issuer_id, p.partner_id, p.issued_on, sum(p.points) AS points
        FROM coalition.posting p WHERE p.business_date = p_day GROUP BY 1, 2, 3, 4, 5
    ) g
    CROSS JOIN LATERAL (VALUES
        ('redemption', CASE WHEN g.debit = 'redemption' THEN -g.points
                            WHEN g.credit IN ('redemption', 'debt') THEN g.points END),
        ('issue', CASE WHEN g.debit IN ('issuance', 'adjustment') THEN g.points
                       WHEN g.credit IN ('issuance', 'adjustment') THEN -g.points END),
        ('breakage', CASE WHEN g.credit = 'breakage' THEN g.points END)
    ) k (kind, points)
    WHERE k.points IS NOT NULL GROUP BY 1, 2, 3, 4;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.flows_on FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.flows_on TO coalition_service, coalition_reports;

-- The single postings behind coalition.flows_on, each with its receipt's reference and the day it concerns.
CREATE OR REPLACE FUNCTION coalition.flow_lines_on(p_day date)
RETURNS TABLE (
    kind text, issuer_id uuid, partner_id uuid, issued_on date, points bigint, txn_id uuid, seq int, reference text,
    concerns date
) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT k.kind, p.issuer_id, p.partner_id, p.issued_on, k.points, p.txn_id, p.seq, t.reference,
           t.original_business_date
    FROM coalition.posting p
    JOIN coalition.txn t USING (member_id, txn_id, business_date)  -- found by the day as well
    CROSS JOIN LATERAL (VALUES
        ('redemption', CASE WHEN p.debit = 'redemption' THEN -p.points
                            WHEN p.credit IN ('redemption', 'debt') THEN p.points END),
        ('issue', CASE WHEN p.debit IN ('issuance', 'adjustment') THEN p.points
                       WHEN p.credit IN ('issuance', 'adjustment') THEN -p.points END),
        ('breakage', CASE WHEN p.credit = 'breakage' THEN p.points END)
    ) k (kind, points)
    WHERE p.business_date = p_day AND k.points IS NOT NULL;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.flow_lines_on FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.flow_lines_on TO coalition_service;
