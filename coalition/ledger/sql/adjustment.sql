-- Correct a wallet by hand: r.points in a new lot the partner stands behind, or (meta.direction = debit) out of the
-- wallet, first-expiring first. Who asked, who approved and why stand in r.meta. Refusals: insufficient_points, and
-- those of lock.
CREATE OR REPLACE FUNCTION coalition.ledger_adjust(r coalition.request) RETURNS coalition.outcome
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    o         coalition.outcome;
    t         coalition.txn;
    spendable bigint;
BEGIN
    IF NOT coalition.ledger_claim(r) THEN
        RETURN coalition.ledger_answered(r);
    END IF;
    o := coalition.ledger_lock(r, true);
    IF o.refusal IS NOT NULL THEN
        RETURN coalition.ledger_refuse(r, o.refusal, o.detail);
    END IF;
    t := o.txn;
    t.meta := r.meta;
    spendable := coalition.ledger_spendable(t);
    IF r.meta ->> 'direction' = 'credit' THEN
        t.available_after := t.available_after + t.points;
    ELSIF spendable < t.points THEN
        RETURN coalition.ledger_refuse(r, 'insufficient_points', jsonb_build_object(
            'available', spendable, 'requested', r.points));
    ELSE
        t.expires_on := NULL;
        t.available_after := t.available_after - t.points;
    END IF;
    IF NOT coalition.ledger_write(t) THEN
        RETURN coalition.ledger_known_reference(r);
    END IF;
    IF r.meta ->> 'direction' = 'credit' THEN
        INSERT INTO coalition.lot
            (member_id, lot_id, issuer_id, issued_on, expires_on, issued, remaining, is_open, held, vests_at, txn_id)
        VALUES (t.member_id, t.txn_id, t.partner_id, t.business_date, t.expires_on, t.points,
                t.points, true, 0, NULL, t.txn_id);
        INSERT INTO coalition.posting
            (member_id, txn_id, seq, debit, credit, points, lot_id, issuer_id, partner_id, business_date, issued_on)
        VALUES (t.member_id, t.txn_id, 1, 'adjustment', 'wallet', t.points, t.txn_id,
                t.partner_id, t.partner_id, t.business_date, t.business_date);
    ELSE
        PERFORM coalition.ledger_take_all(t, t.points, 'adjustment');
    END IF;
    RETURN coalition.ledger_finish(t, r.event_id);
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_adjust FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.ledger_adjust TO coalition_service;
