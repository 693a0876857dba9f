-- Make the pending points of the lot r.original_id available, once its time has come; debts are repaid first. Of kind
-- `fund` it takes a lot that was unfunded: that it was issued counts from now on, where its issuer earned it in this
-- wallet at the earn's location, and it vests if its time has come.
-- Refusals: nothing_due, and those of lock.
CREATE OR REPLACE FUNCTION coalition.ledger_vest(r coalition.request) RETURNS coalition.outcome
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    o coalition.outcome;
    t coalition.txn;
    l coalition.lot;
    vested bigint;
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
    WHERE x.member_id = r.member_id AND x.lot_id = r.original_id
      AND CASE r.kind WHEN 'fund' THEN x.is_unfunded AND x.expires_on > t.business_date
                      ELSE NOT x.is_unfunded AND x.vests_at <= t.booked_at END;
    IF NOT FOUND THEN
        RETURN (false, 'nothing_due', '{}', NULL)::coalition.outcome;
    END IF;
    t.points := l.remaining;
    t.expires_on := l.expires_on;
    IF l.is_unfunded THEN
        t.location_id := (SELECT x.location_id FROM coalition.txn x
                          WHERE x.member_id = l.member_id AND x.txn_id = l.txn_id AND x.partner_id = t.partner_id);
    END IF;
    vested := CASE WHEN l.vests_at <= t.booked_at THEN t.points ELSE 0 END;
    t.debt_repaid := least(t.debt_after, vested);
    t.available_after := t.available_after + vested - t.debt_repaid;
    t.pending_after := t.pending_after - vested;
    t.debt_after := t.debt_after - t.debt_repaid;
    PERFORM coalition.ledger_write_new(t);
    UPDATE coalition.lot x SET remaining = x.remaining - t.debt_repaid, is_open = vested > t.debt_repaid,
                                vests_at = CASE WHEN vested = 0 THEN x.vests_at END, is_unfunded = false
    WHERE x.member_id = l.member_id AND x.lot_id = l.lot_id;
    INSERT INTO coalition.posting
        (member_id, txn_id, seq, debit, credit, points, lot_id, issuer_id, partner_id, business_date, issued_on)
    VALUES (t.member_id, t.txn_id, 1,
            CASE WHEN l.is_unfunded THEN 'unfunded' ELSE 'pending' END::coalition.account,
            CASE WHEN vested > 0 THEN 'wallet' ELSE 'pending' END::coalition.account, t.points, l.lot_id, l.issuer_id,
            t.partner_id, t.business_date, l.issued_on);
    IF t.debt_repaid > 0 THEN
        PERFORM coalition.ledger_repay_debt(t);
    END IF;
    RETURN coalition.ledger_finish(t, r.event_id);
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_vest FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.ledger_vest TO coalition_service;
