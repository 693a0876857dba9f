SET LOCAL check_function_bodies = off;

DROP FUNCTION coalition.flow_sizes_on(date);

DROP FUNCTION coalition.flow_lines_on(date, text[]);

CREATE OR REPLACE FUNCTION coalition.flow_lines_on(p_day date)
 RETURNS TABLE(kind text, issuer_id uuid, partner_id uuid, issued_on date, points bigint, txn_id uuid, seq integer, reference text, concerns date, location_id uuid)
 LANGUAGE plpgsql
 STABLE
AS $function$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT k.kind, p.issuer_id, p.partner_id, p.issued_on, k.points, p.txn_id, p.seq, t.reference,
           t.original_business_date, CASE WHEN p.partner_id = t.partner_id THEN t.location_id END
    FROM coalition.posting p
    JOIN coalition.txn t USING (member_id, txn_id, business_date)  -- found by the day as well
    CROSS JOIN LATERAL (VALUES
        ('redemption', CASE WHEN p.debit = 'redemption' THEN -p.points
                            WHEN p.credit IN ('redemption', 'debt') THEN p.points END),
        ('issue', CASE WHEN p.debit IN ('issuance', 'adjustment') AND p.credit <> 'unfunded'
                         OR p.debit = 'unfunded' AND p.credit IN ('wallet', 'pending') THEN p.points
                       WHEN p.credit IN ('issuance', 'adjustment') AND p.debit <> 'unfunded' THEN -p.points END),
        ('breakage', CASE WHEN p.credit = 'breakage' AND p.debit <> 'unfunded' THEN p.points END)
    ) k (kind, points)
    WHERE p.business_date = p_day AND k.points IS NOT NULL;
END $function$;
REVOKE EXECUTE ON FUNCTION coalition.flow_lines_on(date) FROM PUBLIC, coalition_service, coalition_tenant, coalition_reports;
GRANT EXECUTE ON FUNCTION coalition.flow_lines_on(date) TO coalition_service;
