-- What a partner posted on some days, as a file of its own would have it: a captured hold is a burn, and an earn that
-- was taken back is a clawback, whether by its reversal or without the receipt. What was no longer there to take was
-- taken back as well. The original may be another member's, which was merged since.
CREATE OR REPLACE FUNCTION coalition.posted_by(p_partner_id uuid, p_first date, p_last date)
RETURNS TABLE (
    txn_id uuid, kind text, reference text, day date, points bigint, amount_minor bigint, currency text, member_id uuid
) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY WITH posted AS MATERIALIZED (
        SELECT t.txn_id, t.kind, t.reference, t.business_date, t.points + t.shortfall AS points, t.amount_minor,
               t.currency, t.member_id, t.reverses_txn_id
        FROM coalition.txn t
        WHERE t.partner_id = p_partner_id AND t.business_date BETWEEN p_first AND p_last
          AND t.kind IN ('earn', 'burn', 'capture', 'reversal', 'clawback')
    ), earned AS MATERIALIZED (
        SELECT t.txn_id FROM coalition.txn t
        WHERE t.kind = 'earn' AND t.txn_id IN (
            SELECT p.reverses_txn_id FROM posted p WHERE p.reverses_txn_id IS NOT NULL)
    )
    SELECT p.txn_id,
           CASE WHEN e.txn_id IS NOT NULL THEN 'clawback' WHEN p.kind = 'capture' THEN 'burn' ELSE p.kind::text END,
           p.reference, p.business_date, p.points, p.amount_minor, p.currency, p.member_id
    FROM posted p LEFT JOIN earned e ON e.txn_id = p.reverses_txn_id;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.posted_by FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.posted_by TO coalition_service;

-- Those of the members that there are, and whether they were erased.
CREATE OR REPLACE FUNCTION coalition.known_members(p_member_ids uuid[])
RETURNS TABLE (member_id uuid, is_erased boolean) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT m.member_id, m.erased_at IS NOT NULL
    FROM coalition.member m WHERE m.member_id = ANY (p_member_ids);
END $$;
REVOKE EXECUTE ON FUNCTION coalition.known_members FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.known_members TO coalition_service;
