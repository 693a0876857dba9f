-- Take back what r.amount_minor earned at this partner when nobody knows with which purchase: from the partner's own
-- lots, the last issued first, at most what it issued to the member and has not taken back.
-- Refusals: no_earning_rate, points_spent, and those of lock.
CREATE OR REPLACE FUNCTION coalition.ledger_claw_back(r coalition.request) RETURNS coalition.outcome
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    o    coalition.outcome;
    t    coalition.txn;
    rate coalition.earning_rate;
BEGIN
    IF NOT coalition.ledger_claim(r) THEN
        RETURN coalition.ledger_answered(r);
    END IF;
    o := coalition.ledger_lock(r, true);
    IF o.refusal IS NOT NULL THEN
        RETURN coalition.ledger_refuse(r, o.refusal, o.detail);
    END IF;
    t := o.txn;
    o := coalition.ledger_known_reference(r);
    IF o.replayed IS NOT NULL THEN
        RETURN o;
    END IF;
    SELECT * INTO rate FROM coalition.earning_rate e
    WHERE e.partner_id = r.partner_id AND e.valid @> t.original_business_date AND e.currency = r.currency;
    IF NOT FOUND THEN
        RETURN coalition.ledger_store_refusal(r, 'no_earning_rate', jsonb_build_object(
            'day', t.original_business_date, 'currency', r.currency));
    END IF;
    t.points_per_unit := rate.points_per_unit;
    t.minor_per_unit := rate.minor_per_unit;
    t.points := least(coalition.points_for(r.amount_minor, rate.points_per_unit, rate.minor_per_unit),
                      coalition.ledger_reclaimable(t.member_id, t.partner_id));
    o := coalition.ledger_take_back(t, ARRAY[(NULL, t.partner_id, NULL, t.points)::coalition.taking],
                                    coalesce((r.meta ->> 'may_owe')::boolean, true));
    IF o.refusal IS NOT NULL THEN
        RETURN coalition.ledger_store_refusal(r, o.refusal, o.detail);
    END IF;
    t := o.txn;
    PERFORM coalition.ledger_write_new(t);
    RETURN coalition.ledger_finish(t, r.event_id);
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_claw_back FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.ledger_claw_back TO coalition_service;
