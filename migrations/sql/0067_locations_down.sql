DROP TABLE settlement.location_share;
ALTER TABLE settlement.line DROP COLUMN location_id;
ALTER TYPE coalition.request DROP ATTRIBUTE location_id, DROP ATTRIBUTE location_code;
ALTER TABLE coalition.txn DROP COLUMN location_id;

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
