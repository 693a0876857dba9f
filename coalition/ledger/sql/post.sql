-- Whatever is asked for: one door for a batch of many kinds.
CREATE OR REPLACE FUNCTION coalition.ledger_post(r coalition.request) RETURNS coalition.outcome
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    CASE r.kind
        WHEN 'earn' THEN RETURN coalition.ledger_earn(r);
        WHEN 'burn', 'hold' THEN RETURN coalition.ledger_burn(r);
        WHEN 'capture', 'void', 'lapse' THEN RETURN coalition.ledger_end_hold(r);
        WHEN 'reversal' THEN RETURN coalition.ledger_reverse(r);
        WHEN 'clawback' THEN RETURN coalition.ledger_claw_back(r);
        WHEN 'adjustment' THEN RETURN coalition.ledger_adjust(r);
        WHEN 'merge' THEN RETURN coalition.ledger_merge(r);
        WHEN 'vest', 'fund' THEN RETURN coalition.ledger_vest(r);
        -- A day is carried by its midnight in UTC, whatever zone the session shows times in.
        WHEN 'expiry' THEN RETURN coalition.ledger_expire(r, (r.due_at AT TIME ZONE 'UTC')::date);
    END CASE;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_post FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.ledger_post TO coalition_service;
