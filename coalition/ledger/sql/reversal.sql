-- Reverse an earn, a burn or a capture of the same partner: r.points of it, or the points r.amount_minor of it earned,
-- or all that is left, which may be nothing. Never more in sum than the original, nor of earns than their issuers
-- issued and have not taken back; of several awards the last go first. Where it names no location, it is made where
-- the original was. Refusals: original_not_found, not_reversible, amount_not_comparable, more_than_reversible,
-- points_spent, and those of lock.
CREATE OR REPLACE FUNCTION coalition.ledger_reverse(r coalition.request) RETURNS coalition.outcome
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    o          coalition.outcome;
    t          coalition.txn;
    original   coalition.txn;
    before     bigint;           -- points of the original reversed already
    left_      bigint;           -- and those not yet
    left_minor bigint;           -- and of its amount
    takings    coalition.taking[];  -- of an earn: what is left of each award
BEGIN
    IF NOT coalition.ledger_claim(r) THEN
        RETURN coalition.ledger_answered(r);
    END IF;
    original := coalition.ledger_find(r.original_id);
    IF original.partner_id IS DISTINCT FROM r.partner_id THEN
        RETURN coalition.ledger_store_refusal(r, 'original_not_found', '{}');
    END IF;
    IF original.kind NOT IN ('earn', 'burn', 'capture') THEN
        RETURN coalition.ledger_store_refusal(r, 'not_reversible', jsonb_build_object('kind', original.kind));
    END IF;
    r.location_id := coalesce(r.location_id, original.location_id);
    FOR merges IN 0..1000 LOOP
        r.member_id := coalition.ledger_living_member(original.member_id);
        o := coalition.ledger_lock(r, true);
        EXIT WHEN o.refusal IS DISTINCT FROM 'member_merged';  -- while we waited for the wallet: follow it
    END LOOP;
    IF o.refusal IS NOT NULL THEN
        RETURN coalition.ledger_refuse(r, o.refusal, o.detail);
    END IF;
    t := o.txn;
    t.reverses_txn_id := r.original_id;
    o := coalition.ledger_known_reference(r);
    IF o.replayed IS NOT NULL THEN
        RETURN o;
    END IF;

    SELECT coalesce(sum(x.points + x.debt_repaid + x.shortfall), 0),
           original.amount_minor - coalesce(sum(x.amount_minor), 0)
    INTO before, left_minor FROM coalition.ledger_reversals(r.original_id) x;
    left_ := original.points - before;
    IF original.kind = 'earn' THEN
        takings := ARRAY(SELECT x FROM coalition.ledger_takings(t.member_id, original) x);
        left_ := (SELECT coalesce(sum(x.points), 0) FROM unnest(takings) x);
    END IF;
    IF r.amount_minor IS NOT NULL THEN
        IF original.amount_minor IS NULL OR original.currency <> r.currency THEN
            RETURN coalition.ledger_store_refusal(r, 'amount_not_comparable', '{}');
        END IF;
        IF r.amount_minor > left_minor THEN
            RETURN coalition.ledger_store_refusal(r, 'more_than_reversible', jsonb_build_object(
                'reversible_minor', left_minor, 'requested_minor', r.amount_minor));
        END IF;
        -- What this part of the purchase earned, at the purchase's own rate: parts that make up the whole take all of
        -- it.
        t.points := least(left_,
            coalition.points_for(left_minor, original.points_per_unit, original.minor_per_unit)
            - coalition.points_for(left_minor - r.amount_minor, original.points_per_unit, original.minor_per_unit));
    ELSIF r.points IS NULL THEN
        t.points := left_;
        t.amount_minor := left_minor;
        t.currency := original.currency;
        t.meta := '{"whole": true}';
    ELSIF r.points > left_ THEN
        RETURN coalition.ledger_store_refusal(r, 'more_than_reversible', jsonb_build_object(
            'reversible', left_, 'requested', r.points));
    END IF;

    IF original.kind = 'earn' THEN
        takings := ARRAY(
            SELECT (x.award, x.issuer_id, x.lot_id, greatest(0, least(x.points, t.points - x.before)))::coalition.taking
            FROM (SELECT u.*, sum(u.points) OVER (ORDER BY u.n) - u.points AS before
                  FROM unnest(takings) WITH ORDINALITY AS u (award, issuer_id, lot_id, points, n)) x ORDER BY x.n);
        o := coalition.ledger_take_back(t, takings, coalesce((r.meta ->> 'may_owe')::boolean, true));
        IF o.refusal IS NOT NULL THEN
            RETURN coalition.ledger_store_refusal(r, o.refusal, o.detail);
        END IF;
        t := o.txn;
    ELSE
        t.available_after := t.available_after + t.points;
        t.expires_on := coalition.ledger_restore(t, original, t.points, before);
    END IF;
    PERFORM coalition.ledger_write_new(t);
    RETURN coalition.ledger_finish(t, r.event_id);
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_reverse FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.ledger_reverse TO coalition_service;
