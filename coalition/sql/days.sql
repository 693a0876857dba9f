-- Which business day an instant lies in, in the programme's zone.
CREATE OR REPLACE FUNCTION coalition.day_in(p_time_zone text, p_at timestamptz)
RETURNS date LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT (p_at AT TIME ZONE p_time_zone)::date
$$;
REVOKE EXECUTE ON FUNCTION coalition.day_in FROM PUBLIC;

-- The lock that closing a day takes exclusively, and every posting shared.
CREATE OR REPLACE FUNCTION coalition.day_gate() RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT 7205759403792793600
$$;
REVOKE EXECUTE ON FUNCTION coalition.day_gate FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.day_gate TO coalition_service;

-- Close the open day if it is p_day: when this has committed, nothing can land in p_day any more. Returns whether it
-- did.
CREATE OR REPLACE FUNCTION coalition.ledger_close_day(p_day date, p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(coalition.day_gate());
    UPDATE coalition.programme p SET open_day = p_day + 1 WHERE p.open_day = p_day;
    IF FOUND THEN
        INSERT INTO coalition.sealed_day (day, closed_at) VALUES (p_day, p_now);
    END IF;
    RETURN FOUND;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_close_day FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.ledger_close_day TO coalition_service;

-- Close every business day that is over at p_now, the oldest first, and return them. In a demo coalition its test clock
-- says which are. Nothing can land in them any more once this has committed.
CREATE OR REPLACE FUNCTION coalition.close_days_over(p_now timestamptz) RETURNS SETOF date
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    p coalition.programme;
BEGIN
    SELECT * INTO p FROM coalition.programme;
    IF NOT FOUND OR (coalesce(p.test_now, p_now) AT TIME ZONE p.time_zone)::date <= p.open_day THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(coalition.day_gate());
    SELECT * INTO STRICT p FROM coalition.programme FOR UPDATE;  -- somebody else may have closed it while we waited
    WHILE (coalesce(p.test_now, p_now) AT TIME ZONE p.time_zone)::date > p.open_day LOOP
        INSERT INTO coalition.sealed_day (day, closed_at) VALUES (p.open_day, p_now);
        RETURN NEXT p.open_day;
        p.open_day := p.open_day + 1;
    END LOOP;
    UPDATE coalition.programme SET open_day = p.open_day;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.close_days_over FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.close_days_over TO coalition_service;

-- Seal a closed day, once.
CREATE OR REPLACE FUNCTION coalition.ledger_seal_day(
    p_day date, p_now timestamptz, p_version int, p_postings bigint, p_totals jsonb, p_digest bytea, p_chain bytea
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE coalition.sealed_day s
    SET sealed_at = p_now, version = p_version, postings = p_postings, totals = p_totals, digest = p_digest,
        chain = p_chain
    WHERE s.day = p_day AND s.sealed_at IS NULL;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM brin_summarize_new_values('coalition.posting_day'), brin_summarize_new_values('coalition.txn_day');
    RETURN true;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_seal_day FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.ledger_seal_day TO coalition_service;

-- As it was, but the days the clock passes are closed with it: what is posted next is posted into its own day.
CREATE OR REPLACE FUNCTION coalition.set_test_clock(p_now timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    programme coalition.programme;
BEGIN
    -- The gate before the row, as in closing a day, so that the two can't wait for each other.
    IF (SELECT p.test_now IS NULL OR coalition.day_in(p.time_zone, p_now) > p.open_day FROM coalition.programme p) THEN
        PERFORM pg_advisory_xact_lock(coalition.day_gate());
    END IF;
    SELECT * INTO STRICT programme FROM coalition.programme FOR UPDATE;
    IF programme.test_now IS NULL THEN
        PERFORM t.txn_id FROM coalition.txn t LIMIT 1;
        IF FOUND OR EXISTS (SELECT FROM coalition.sealed_day) THEN
            RETURN 'live';
        END IF;
        UPDATE coalition.programme SET test_now = p_now, open_day = (p_now AT TIME ZONE time_zone)::date;
    ELSIF p_now < programme.test_now THEN
        RETURN 'backwards';
    ELSE
        UPDATE coalition.programme SET test_now = p_now;
        PERFORM coalition.close_days_over(clock_timestamp());  -- closed_at is by the true clock
    END IF;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.set_test_clock FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.set_test_clock TO coalition_service;

-- What moved on a day where money may follow, added up: points of an issuer's lots, by the partner that posted and the
-- business day they were issued on. `redemption`: burned, captured, or taken to repay a debt there, less given back;
-- `issue`: issued, by hand too, less taken back; `breakage`: expired. What is unfunded counts as issued once it is
-- funded, and as nothing before.
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
        ('issue', CASE WHEN g.debit IN ('issuance', 'adjustment') AND g.credit <> 'unfunded'
                         OR g.debit = 'unfunded' AND g.credit IN ('wallet', 'pending') THEN g.points
                       WHEN g.credit IN ('issuance', 'adjustment') AND g.debit <> 'unfunded' THEN -g.points END),
        ('breakage', CASE WHEN g.credit = 'breakage' AND g.debit <> 'unfunded' THEN g.points END)
    ) k (kind, points)
    WHERE k.points IS NOT NULL GROUP BY 1, 2, 3, 4;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.flows_on FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.flows_on TO coalition_service, coalition_reports;

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
