-- Make the pending points of the lot r.original_id available, once its time has come; debts are repaid first.
-- Refusals: nothing_due, and those of lock.
CREATE OR REPLACE FUNCTION coalition.ledger_vest(r coalition.request) RETURNS coalition.outcome
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    o coalition.outcome;
    t coalition.txn;
    l coalition.lot;
BEGIN
    IF NOT coalition.ledger_claim(r) THEN
        RETURN coalition.ledger_answered(r);
    END IF;
    o := coalition.ledger_lock(r, true);
    IF o.refusal IS NOT NULL THEN
        RETURN o;
    END IF;
    t := o.txn;
    SELECT * INTO l FROM coalition.lot x
    WHERE x.member_id = r.member_id AND x.lot_id = r.original_id AND x.vests_at <= t.booked_at;
    IF NOT FOUND THEN
        RETURN (false, 'nothing_due', '{}', NULL)::coalition.outcome;
    END IF;
    t.points := l.remaining;
    t.expires_on := l.expires_on;
    t.debt_repaid := least(t.debt_after, t.points);
    t.available_after := t.available_after + t.points - t.debt_repaid;
    t.pending_after := t.pending_after - t.points;
    t.debt_after := t.debt_after - t.debt_repaid;
    PERFORM coalition.ledger_write_new(t);
    UPDATE coalition.lot x SET remaining = x.remaining - t.debt_repaid, is_open = t.points > t.debt_repaid,
                                vests_at = NULL
    WHERE x.member_id = l.member_id AND x.lot_id = l.lot_id;
    INSERT INTO coalition.posting
        (member_id, txn_id, seq, debit, credit, points, lot_id, issuer_id, partner_id, business_date, issued_on)
    VALUES (t.member_id, t.txn_id, 1, 'pending', 'wallet', t.points, l.lot_id, l.issuer_id,
            t.partner_id, t.business_date, l.issued_on);
    IF t.debt_repaid > 0 THEN
        PERFORM coalition.ledger_repay_debt(t);
    END IF;
    RETURN coalition.ledger_finish(t, r.event_id);
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_vest FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.ledger_vest TO coalition_service;
