-- Merge the member r.member_id into r.original_id: lots, pending points and debts move over with their issuers, dates
-- and origins, the emptied wallet is closed for good. Two transactions, one in each wallet; the second's ids stand in
-- r.meta. Refusals: member_not_found, same_member, holds_open, and those of lock.
CREATE OR REPLACE FUNCTION coalition.ledger_merge(r coalition.request) RETURNS coalition.outcome
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    o       coalition.outcome;
    away    coalition.txn;
    here    coalition.txn;
    into_   coalition.request := r;
    from_id uuid := r.member_id;
    l       coalition.lot;
    debt    coalition.debt;
    lot_id  uuid;
    n       int := 0;
BEGIN
    IF NOT coalition.ledger_claim(r) THEN
        RETURN coalition.ledger_answered(r);
    END IF;
    IF r.member_id = r.original_id THEN
        RETURN coalition.ledger_store_refusal(r, 'same_member', '{}');
    END IF;
    -- Two wallets at once: in the order of their ids, so that two merges can't wait for each other.
    PERFORM w.member_id FROM coalition.wallet w WHERE w.member_id = least(r.member_id, r.original_id) FOR UPDATE;
    PERFORM w.member_id FROM coalition.wallet w WHERE w.member_id = greatest(r.member_id, r.original_id) FOR UPDATE;
    o := coalition.ledger_lock(r, true);
    IF o.refusal IS NOT NULL THEN
        RETURN coalition.ledger_refuse(r, o.refusal, o.detail);
    END IF;
    away := o.txn;
    into_.member_id := r.original_id;
    into_.txn_id := (r.meta ->> 'txn_id')::uuid;
    o := coalition.ledger_lock(into_, true);
    IF o.refusal IS NOT NULL THEN
        RETURN coalition.ledger_refuse(r, o.refusal, o.detail);
    END IF;
    here := o.txn;
    IF away.held_after > 0 THEN
        RETURN coalition.ledger_refuse(r, 'holds_open', jsonb_build_object('held', away.held_after));
    END IF;
    away.points := away.available_after + away.pending_after;
    here.points := away.points;
    here.available_after := here.available_after + away.available_after;
    here.pending_after := here.pending_after + away.pending_after;
    here.debt_after := here.debt_after + away.debt_after;
    away.available_after := 0; away.pending_after := 0; away.debt_after := 0;
    away.meta := jsonb_build_object('merged_into', r.original_id);
    here.meta := jsonb_build_object('merged_from', r.member_id);
    here.reference := 'into-' || away.reference;
    PERFORM coalition.ledger_write_new(away);
    PERFORM coalition.ledger_write_new(here);
    FOR l IN SELECT * FROM coalition.lot x
             WHERE x.member_id = from_id AND x.remaining > 0 ORDER BY x.expires_on, x.lot_id LOOP
        n := n + 1;
        lot_id := coalition.new_id();
        INSERT INTO coalition.posting
            (member_id, txn_id, seq, debit, credit, points, lot_id, issuer_id, partner_id, business_date, issued_on)
        VALUES (away.member_id, away.txn_id, n,
                CASE WHEN l.is_unfunded THEN 'unfunded' WHEN l.vests_at IS NULL THEN 'wallet'
                     ELSE 'pending' END::coalition.account, 'merge', l.remaining,
                l.lot_id, l.issuer_id, r.partner_id, away.business_date, l.issued_on);
        INSERT INTO coalition.lot
            (member_id, lot_id, issuer_id, issued_on, expires_on, issued, remaining, is_open, held, vests_at, txn_id,
             origin_id, is_grace, campaign, rule, is_unfunded)
        VALUES (here.member_id, lot_id, l.issuer_id, l.issued_on, l.expires_on, l.remaining, l.remaining,
                l.vests_at IS NULL, 0, l.vests_at, l.txn_id, coalesce(l.origin_id, l.lot_id), l.is_grace, l.campaign,
                l.rule, l.is_unfunded);
        INSERT INTO coalition.posting
            (member_id, txn_id, seq, debit, credit, points, lot_id, issuer_id, partner_id, business_date, issued_on)
        VALUES (here.member_id, here.txn_id, n, 'merge',
                CASE WHEN l.is_unfunded THEN 'unfunded' WHEN l.vests_at IS NULL THEN 'wallet'
                     ELSE 'pending' END::coalition.account,
                l.remaining, lot_id, l.issuer_id, r.partner_id, here.business_date, l.issued_on);
    END LOOP;
    UPDATE coalition.lot x SET remaining = 0, is_open = false, vests_at = NULL, is_unfunded = false
    WHERE x.member_id = from_id AND x.remaining > 0;
    FOR debt IN SELECT * FROM coalition.debt d WHERE d.member_id = from_id LOOP
        INSERT INTO coalition.debt
            (member_id, txn_id, partner_id, points, debt_repaid)
        VALUES (here.member_id, debt.txn_id, debt.partner_id, debt.points, debt.debt_repaid);
    END LOOP;
    DELETE FROM coalition.debt d WHERE d.member_id = from_id;
    UPDATE coalition.wallet w SET state = 'merged', merged_into = here.member_id WHERE w.member_id = from_id;
    PERFORM coalition.ledger_finish(here, (r.meta ->> 'event_id')::uuid);
    RETURN coalition.ledger_finish(away, r.event_id);
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_merge FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.ledger_merge TO coalition_service;
