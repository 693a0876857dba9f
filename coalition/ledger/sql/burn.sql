-- Spend points, first-expiring lots first, across issuers; or (kind hold) set them aside until due_at. Points that have
-- expired on its own day are passed over.
-- Refusals: insufficient_points, hold_out_of_range, and those of lock.
CREATE OR REPLACE FUNCTION coalition.ledger_burn(r coalition.request) RETURNS coalition.outcome
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    o         coalition.outcome;
    t         coalition.txn;
    spendable bigint;
BEGIN
    IF NOT coalition.ledger_claim(r) THEN
        RETURN coalition.ledger_answered(r);
    END IF;
    o := coalition.ledger_lock(r);
    IF o.refusal IS NOT NULL THEN
        RETURN coalition.ledger_refuse(r, o.refusal, o.detail);
    END IF;
    t := o.txn;
    spendable := coalition.ledger_spendable(t);
    IF spendable < r.points THEN
        RETURN coalition.ledger_refuse(r, 'insufficient_points', jsonb_build_object(
            'available', spendable, 'requested', r.points));
    END IF;
    t.available_after := t.available_after - r.points;
    IF t.kind = 'hold' THEN
        IF r.due_at <= t.booked_at OR r.due_at > t.booked_at + interval '31 days' THEN
            RETURN coalition.ledger_refuse(r, 'hold_out_of_range', '{}');
        END IF;
        t.held_after := t.held_after + r.points;
        t.hold_id := t.txn_id;
        t.due_at := r.due_at;
    END IF;

    IF NOT coalition.ledger_write(t) THEN
        RETURN coalition.ledger_known_reference(r);
    END IF;
    IF t.kind = 'hold' THEN
        INSERT INTO coalition.hold
            (member_id, hold_id, partner_id, points, captured, status, expires_at)
        VALUES (t.member_id, t.txn_id, t.partner_id, t.points, 0, 'open', t.due_at);
        PERFORM coalition.ledger_take_all(t, r.points, 'hold');
    ELSE
        PERFORM coalition.ledger_take_all(t, r.points, 'redemption');
    END IF;
    RETURN coalition.ledger_finish(t, r.event_id);
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_burn FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.ledger_burn TO coalition_service;
