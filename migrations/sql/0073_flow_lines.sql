-- The single postings behind coalition.flows_on; a posting that repays a debt may be two movements. A query that
-- PostgreSQL takes up into the one that asks it: what nobody wants of a day is not even read.
CREATE OR REPLACE FUNCTION coalition.movements_on(p_day date)
RETURNS TABLE (
    kind text, issuer_id uuid, partner_id uuid, issued_on date, points bigint, member_id uuid, txn_id uuid, seq int
) LANGUAGE sql STABLE AS $$
    SELECT 'redemption', p.issuer_id, p.partner_id, p.issued_on,
           CASE WHEN p.debit = 'redemption' THEN -p.points ELSE p.points END, p.member_id, p.txn_id, p.seq
    FROM coalition.posting p
    WHERE p.business_date = p_day AND (p.debit = 'redemption' OR p.credit IN ('redemption', 'debt'))
    UNION ALL
    SELECT 'issue', p.issuer_id, p.partner_id, p.issued_on,
           CASE WHEN p.debit IN ('issuance', 'adjustment', 'unfunded') THEN p.points ELSE -p.points END, p.member_id,
           p.txn_id, p.seq
    FROM coalition.posting p
    WHERE p.business_date = p_day
      AND (p.debit IN ('issuance', 'adjustment') AND p.credit <> 'unfunded'
           OR p.debit = 'unfunded' AND p.credit IN ('wallet', 'pending')
           OR p.credit IN ('issuance', 'adjustment') AND p.debit <> 'unfunded')
    UNION ALL
    SELECT 'breakage', p.issuer_id, p.partner_id, p.issued_on, p.points, p.member_id, p.txn_id, p.seq
    FROM coalition.posting p
    WHERE p.business_date = p_day AND p.credit = 'breakage' AND p.debit <> 'unfunded'
$$;
REVOKE EXECUTE ON FUNCTION coalition.movements_on FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.movements_on TO coalition_service;

-- How many postings there are behind coalition.flows_on of each size: postings of a flow with the same points have the
-- same price.
CREATE OR REPLACE FUNCTION coalition.flow_sizes_on(p_day date)
RETURNS TABLE (kind text, issuer_id uuid, partner_id uuid, issued_on date, points bigint, postings bigint)
LANGUAGE sql STABLE AS $$
    SELECT m.kind, m.issuer_id, m.partner_id, m.issued_on, m.points, count(*)
    FROM coalition.movements_on(p_day) m GROUP BY 1, 2, 3, 4, 5
$$;
REVOKE EXECUTE ON FUNCTION coalition.flow_sizes_on FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.flow_sizes_on TO coalition_service;

-- The single postings behind coalition.flows_on, each with its receipt's reference, the day it concerns, and the
-- partner's location where it was posted: none of a debt that was repaid to another partner than the one that posted.
-- Taken up into the query that asks it, as coalition.movements_on is.
CREATE OR REPLACE FUNCTION coalition.flow_lines_on(p_day date)
RETURNS TABLE (
    kind text, issuer_id uuid, partner_id uuid, issued_on date, points bigint, txn_id uuid, seq int, reference text,
    concerns date, location_id uuid
) LANGUAGE sql STABLE AS $$
    SELECT m.kind, m.issuer_id, m.partner_id, m.issued_on, m.points, m.txn_id, m.seq, t.reference,
           t.original_business_date, CASE WHEN m.partner_id = t.partner_id THEN t.location_id END
    FROM coalition.movements_on(p_day) m
    JOIN coalition.txn t ON t.member_id = m.member_id AND t.txn_id = m.txn_id AND t.business_date = p_day
$$;
REVOKE EXECUTE ON FUNCTION coalition.flow_lines_on FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.flow_lines_on TO coalition_service;
