-- Expire what is free in the member's lots of one issuer (r.partner_id) that can't be spent on p_day any more, and what
-- was never funded.
-- Refusals: nothing_due, and those of lock.
CREATE OR REPLACE FUNCTION coalition.ledger_expire(r coalition.request, p_day date) RETURNS coalition.outcome
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    o coalition.outcome;
    t coalition.txn;
    unfunded bigint;
BEGIN
    IF NOT coalition.ledger_claim(r) THEN
        RETURN coalition.ledger_answered(r);
    END IF;
    o := coalition.ledger_lock(r, true);
    IF o.refusal IS NOT NULL THEN
        RETURN o;
    END IF;
    t := o.txn;
    SELECT sum(l.remaining - l.held), coalesce(sum(l.remaining) FILTER (WHERE l.is_unfunded), 0)
    INTO t.points, unfunded FROM coalition.lot l
    WHERE l.member_id = r.member_id AND (l.is_open OR l.is_unfunded) AND l.issuer_id = r.partner_id
      AND l.expires_on <= p_day;
    IF t.points IS NULL THEN
        RETURN (false, 'nothing_due', '{}', NULL)::coalition.outcome;
    END IF;
    t.available_after := t.available_after - (t.points - unfunded);
    t.pending_after := t.pending_after - unfunded;
    PERFORM coalition.ledger_write_new(t);
    INSERT INTO coalition.posting
        (member_id, txn_id, seq, debit, credit, points, lot_id, issuer_id, partner_id, business_date, issued_on)
    SELECT l.member_id, t.txn_id, row_number() OVER (ORDER BY l.expires_on, l.lot_id),
           CASE WHEN l.is_unfunded THEN 'unfunded' ELSE 'wallet' END::coalition.account, 'breakage',
           l.remaining - l.held, l.lot_id, l.issuer_id, t.partner_id, t.business_date, l.issued_on
    FROM coalition.lot l
    WHERE l.member_id = r.member_id AND (l.is_open OR l.is_unfunded) AND l.issuer_id = r.partner_id
      AND l.expires_on <= p_day;
    UPDATE coalition.lot l SET remaining = l.held, is_open = false, vests_at = NULL, is_unfunded = false
    WHERE l.member_id = r.member_id AND (l.is_open OR l.is_unfunded) AND l.issuer_id = r.partner_id
      AND l.expires_on <= p_day;
    RETURN coalition.ledger_finish(t, r.event_id);
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_expire FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.ledger_expire TO coalition_service;

-- From which day on members are not warned yet that points expire, and from now on are up to p_day; NULL when they are
-- warned already. What is warned of commits with this, so nobody is warned twice.
CREATE OR REPLACE FUNCTION coalition.claim_warnings(p_day date)
RETURNS date LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    before date;
BEGIN
    SELECT coalesce(p.warned_through, p_day - 1) INTO STRICT before FROM coalition.programme p FOR UPDATE;
    IF before >= p_day THEN
        RETURN NULL;
    END IF;
    UPDATE coalition.programme SET warned_through = p_day;
    RETURN before;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.claim_warnings FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.claim_warnings TO coalition_service;
