-- What a partner posted on some days, as a file of its own would have it: a captured hold is a burn, and a clawback
-- takes back what it moved and what was no longer there to take.
CREATE OR REPLACE FUNCTION coalition.posted_by(p_partner_id uuid, p_first date, p_last date)
RETURNS TABLE (
    txn_id uuid, kind text, reference text, day date, points bigint, amount_minor bigint, currency text, member_id uuid
) LANGUAGE sql STABLE AS $$
    SELECT t.txn_id, CASE t.kind WHEN 'capture' THEN 'burn' ELSE t.kind::text END, t.reference, t.business_date,
           t.points + CASE t.kind WHEN 'clawback' THEN t.shortfall ELSE 0 END, t.amount_minor, t.currency, t.member_id
    FROM coalition.txn t
    WHERE t.partner_id = p_partner_id AND t.business_date BETWEEN p_first AND p_last
      AND t.kind IN ('earn', 'burn', 'capture', 'reversal', 'clawback')
$$;
REVOKE EXECUTE ON FUNCTION coalition.posted_by FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.posted_by TO coalition_service;

-- Those of the members that there are, and whether they were erased.
CREATE OR REPLACE FUNCTION coalition.known_members(p_member_ids uuid[])
RETURNS TABLE (member_id uuid, is_erased boolean) LANGUAGE sql STABLE AS $$
    SELECT m.member_id, m.erased_at IS NOT NULL
    FROM coalition.member m JOIN unnest(p_member_ids) asked (member_id) ON asked.member_id = m.member_id
$$;
REVOKE EXECUTE ON FUNCTION coalition.known_members FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.known_members TO coalition_service;
