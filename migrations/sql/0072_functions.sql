-- Of the awards' issuers those whose points are unfunded now, and stay so until this has committed; their awards are
-- pending, from their earn on if they don't vest later, and their points are noted (docs/decisions/0036).
CREATE OR REPLACE FUNCTION coalition.ledger_unfunded(
    t coalition.txn, INOUT p_awards coalition.award[], OUT issuers uuid[], OUT noted jsonb
) LANGUAGE plpgsql AS $$
DECLARE
    asked uuid[] := ARRAY(SELECT x.issuer_id FROM unnest(p_awards) x);
BEGIN
    -- Who waits here for a mark that is being dropped finds it gone, though it was put back in the same breath: only
    -- a statement that begins after that sees it.
    FOR n IN 1..10 LOOP
        issuers := ARRAY(
            SELECT u.issuer_id FROM coalition.unfunded_issuer u
            WHERE u.issuer_id = ANY (asked) ORDER BY 1 FOR KEY SHARE);
        IF issuers = ARRAY(
            SELECT u.issuer_id FROM coalition.unfunded_issuer u WHERE u.issuer_id = ANY (asked) ORDER BY 1) THEN
            EXIT;
        ELSIF n = 10 THEN
            RAISE EXCEPTION 'issuers were marked as unfunded, and no more, too often' USING ERRCODE = '40001';
        END IF;
    END LOOP;
    IF issuers <> '{}' THEN
        p_awards := ARRAY(
            SELECT (x.points, x.issuer_id, x.expires_on,
                    CASE WHEN x.issuer_id = ANY (issuers) THEN coalesce(x.vests_at, t.booked_at) ELSE x.vests_at END,
                    x.campaign, x.rule)::coalition.award
            FROM unnest(p_awards) WITH ORDINALITY AS x (points, issuer_id, expires_on, vests_at, campaign, rule, n)
            ORDER BY x.n);
    END IF;
    SELECT jsonb_strip_nulls(jsonb_build_object('unfunded', nullif(sum(x.points), 0))) INTO noted
    FROM unnest(p_awards) x WHERE x.issuer_id = ANY (issuers);
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_unfunded FROM PUBLIC;

-- Issue points, plainly one award of the partner's: each is a lot of its issuer's, pending until it vests, and until it
-- is funded. Debts are repaid first. An amount beside awards says what of them a return of a part of the purchase takes
-- back.
-- Refusals: no_earning_rate, and those of check_awards and lock.
CREATE OR REPLACE FUNCTION coalition.ledger_earn(r coalition.request) RETURNS coalition.outcome
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    o         coalition.outcome;
    t         coalition.txn;
    rate      coalition.earning_rate;
    awards    coalition.award[];
    a         coalition.award;
    new_lot   uuid;
    part      bigint;
    spendable bigint;
    unfunded  uuid[] := '{}';  -- of the awards' issuers
    noted     jsonb;
BEGIN
    IF NOT coalition.ledger_claim(r) THEN
        RETURN coalition.ledger_answered(r);
    END IF;
    o := coalition.ledger_lock(r);
    IF o.refusal IS NOT NULL THEN
        RETURN coalition.ledger_refuse(r, o.refusal, o.detail);
    END IF;
    t := o.txn; t.due_at := r.due_at;

    IF r.meta IS NOT NULL THEN
        t.meta := jsonb_build_object('awards', r.meta -> 'awards');
    ELSIF r.amount_minor IS NOT NULL THEN
        SELECT * INTO rate FROM coalition.earning_rate e
        WHERE e.partner_id = r.partner_id AND e.valid @> t.original_business_date AND e.currency = r.currency;
        IF NOT FOUND THEN
            RETURN coalition.ledger_refuse(r, 'no_earning_rate', jsonb_build_object(
                'day', t.original_business_date, 'currency', r.currency));
        END IF;
        t.points_per_unit := rate.points_per_unit; t.minor_per_unit := rate.minor_per_unit;
        t.points := coalition.points_for(r.amount_minor, rate.points_per_unit, rate.minor_per_unit);
    END IF;
    spendable := t.points;
    IF r.meta IS NOT NULL OR r.due_at IS NOT NULL OR EXISTS (SELECT FROM coalition.unfunded_issuer) THEN
        awards := coalition.ledger_awards(r, t);
        o := coalition.ledger_check_awards(t, awards);
        IF o.refusal IS NOT NULL THEN
            RETURN coalition.ledger_refuse(r, o.refusal, o.detail);
        END IF;
        SELECT u.p_awards, u.issuers, u.noted INTO awards, unfunded, noted FROM coalition.ledger_unfunded(t, awards) u;
        t.meta := nullif(coalesce(t.meta, '{}') || noted, '{}');
        SELECT sum(x.points), coalesce(sum(x.points) FILTER (WHERE x.vests_at IS NULL), 0)
        INTO t.points, spendable FROM unnest(awards) x;
        t.pending_after := t.pending_after + t.points - spendable;
        IF r.meta IS NOT NULL AND r.amount_minor IS NOT NULL THEN
            t.points_per_unit := t.points; t.minor_per_unit := r.amount_minor;
        END IF;
    END IF;
    t.debt_repaid := least(t.debt_after, spendable);
    t.available_after := t.available_after + spendable - t.debt_repaid;
    t.debt_after := t.debt_after - t.debt_repaid;

    IF NOT coalition.ledger_write(t) THEN
        RETURN coalition.ledger_known_reference(r);
    END IF;
    spendable := t.debt_repaid;
    a := (t.points, t.partner_id, t.expires_on, NULL, NULL, NULL);
    FOR n IN 1..coalesce(cardinality(awards), 1) LOOP
        a := coalesce(awards[n], a);
        EXIT WHEN a.points = 0;  -- an amount too small to earn any
        new_lot := CASE n WHEN 1 THEN t.txn_id ELSE coalition.new_id() END;
        part := CASE WHEN a.vests_at IS NULL THEN least(spendable, a.points) ELSE 0 END;
        spendable := spendable - part;
        INSERT INTO coalition.lot
            (member_id, lot_id, issuer_id, issued_on, expires_on, issued, remaining, is_open, held, vests_at, txn_id,
             campaign, rule, is_unfunded)
        VALUES (t.member_id, new_lot, a.issuer_id, t.business_date, a.expires_on, a.points, a.points - part,
                a.vests_at IS NULL AND a.points > part, 0, a.vests_at, t.txn_id, a.campaign, a.rule,
                a.issuer_id = ANY (unfunded));
        INSERT INTO coalition.posting
            (member_id, txn_id, seq, debit, credit, points, lot_id, issuer_id, partner_id, business_date, issued_on)
        VALUES (t.member_id, t.txn_id, n, 'issuance',
                CASE WHEN a.issuer_id = ANY (unfunded) THEN 'unfunded' WHEN a.vests_at IS NULL THEN 'wallet'
                     ELSE 'pending' END::coalition.account, a.points, new_lot,
                a.issuer_id, t.partner_id, t.business_date, t.business_date);
    END LOOP;
    IF t.debt_repaid > 0 THEN
        PERFORM coalition.ledger_repay_debt(t);
    END IF;
    RETURN coalition.ledger_finish(t, r.event_id);
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_earn FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.ledger_earn TO coalition_service;

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

-- Take up to p_points out of what is free in the member's lots, in the order given, and post each to p_credit; to
-- 'hold' they stay in their lot, set aside. Returns what it got. Its postings are numbered after p_seq.
--   p_issuer_id  only that issuer's lots, last issued first, those that are pending too (a return); NULL: all open ones
--                that have not expired on t's own day, first-expiring first (a burn)
--   p_first_lot  what this lot issued before all others, wherever merges and returns took it (the reversal of its earn)
CREATE OR REPLACE FUNCTION coalition.ledger_consume(
    t coalition.txn, p_points bigint, p_credit coalition.account,
    p_issuer_id uuid DEFAULT NULL, p_first_lot uuid DEFAULT NULL, p_seq int DEFAULT 0
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    lot   coalition.lot;
    part  bigint;
    got   bigint := 0;
    n     int := p_seq;
    lots  refcursor;
BEGIN
    IF p_points = 0 THEN
        RETURN 0;
    END IF;
    IF p_issuer_id IS NULL THEN
        OPEN lots FOR SELECT * FROM coalition.lot l
            WHERE l.member_id = t.member_id AND l.is_open AND l.expires_on > t.original_business_date
            ORDER BY l.expires_on, l.lot_id;
    ELSE
        OPEN lots FOR SELECT * FROM coalition.lot l
            WHERE l.member_id = t.member_id AND (l.is_open OR l.vests_at IS NOT NULL) AND l.issuer_id = p_issuer_id
            ORDER BY coalesce(l.origin_id, l.lot_id) = p_first_lot DESC, coalesce(l.origin_id, l.lot_id) DESC,
                     l.lot_id DESC;
    END IF;
    LOOP
        FETCH lots INTO lot;
        EXIT WHEN NOT FOUND OR got = p_points;
        part := least(lot.remaining - lot.held, p_points - got);
        got := got + part;
        n := n + 1;
        IF p_credit = 'hold' THEN
            UPDATE coalition.lot l SET held = l.held + part, is_open = l.remaining > l.held + part
            WHERE l.member_id = t.member_id AND l.lot_id = lot.lot_id;
        ELSE
            UPDATE coalition.lot l
            SET remaining = l.remaining - part, is_open = l.is_open AND l.remaining - part > l.held,
                vests_at = CASE WHEN l.remaining > part THEN l.vests_at END,
                is_unfunded = l.is_unfunded AND l.remaining > part
            WHERE l.member_id = t.member_id AND l.lot_id = lot.lot_id;
        END IF;
        INSERT INTO coalition.posting
            (member_id, txn_id, seq, debit, credit, points, lot_id, issuer_id, partner_id, business_date, issued_on)
        VALUES (t.member_id, t.txn_id, n,
                CASE WHEN lot.is_unfunded THEN 'unfunded' WHEN lot.vests_at IS NULL THEN 'wallet'
                     ELSE 'pending' END::coalition.account, p_credit, part,
                lot.lot_id, lot.issuer_id, t.partner_id, t.business_date, lot.issued_on);
    END LOOP;
    CLOSE lots;
    RETURN got;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_consume FROM PUBLIC;

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

-- Take back what the takings say, each from what its issuer issued, be it pending or not: what its lot issued, then
-- other lots; t gets what that moves. What is spent already the programme's policy decides: refuse, write off, or
-- (p_may_owe) owe to the issuer. Of an earn that names its awards, t notes what each had to give.
-- Refusals: points_spent.
CREATE OR REPLACE FUNCTION coalition.ledger_take_back(
    t coalition.txn, p_takings coalition.taking[], p_may_owe boolean
) RETURNS coalition.outcome LANGUAGE plpgsql AS $$
DECLARE
    policy  coalition.return_policy;
    x       coalition.taking;
    asked   bigint := (SELECT coalesce(sum(u.points), 0) FROM unnest(p_takings) u);
    free    bigint;
    lacking bigint;
    pending bigint;
    noted   jsonb := '[]';
BEGIN
    SELECT p.return_policy INTO STRICT policy FROM coalition.programme p;
    IF policy = 'refuse' THEN
        free := coalition.ledger_coverable(t.member_id, p_takings);
        IF free < asked THEN
            RETURN (false, 'points_spent', jsonb_build_object('coverable', free, 'requested', asked),
                    NULL)::coalition.outcome;
        END IF;
    END IF;
    FOREACH x IN ARRAY p_takings LOOP
        CONTINUE WHEN x.points = 0;
        lacking := x.points - coalition.ledger_consume(
            t, x.points, 'issuance', x.issuer_id, x.lot_id, coalition.ledger_last_posting(t));
        t.shortfall := t.shortfall + lacking;
        IF x.award IS NOT NULL THEN
            noted := noted || jsonb_build_object('award', x.award, 'issuer_id', x.issuer_id, 'points', x.points,
                                                 'shortfall', lacking);
        END IF;
        IF policy = 'debt' AND p_may_owe AND lacking > 0 THEN
            t.debt_after := t.debt_after + lacking;
            INSERT INTO coalition.debt
                (member_id, txn_id, partner_id, points, debt_repaid)
            VALUES (t.member_id, t.txn_id, x.issuer_id, lacking, 0)
            ON CONFLICT (member_id, txn_id, partner_id) DO UPDATE SET points = debt.points + EXCLUDED.points;
        END IF;
    END LOOP;
    SELECT coalesce(sum(p.points), 0) INTO pending FROM coalition.posting p
    WHERE p.member_id = t.member_id AND p.txn_id = t.txn_id AND p.debit IN ('pending', 'unfunded');
    t.points := asked - t.shortfall;
    t.pending_after := t.pending_after - pending;
    t.available_after := t.available_after - (t.points - pending);
    IF noted <> '[]' THEN
        t.meta := coalesce(t.meta, '{}') || jsonb_build_object('awards', noted);
    END IF;
    RETURN (false, NULL, NULL, t)::coalition.outcome;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_take_back FROM PUBLIC;

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

-- Lock the wallet and draft the transaction: next in the member's order, dated, its *_after the wallet as it stands.
-- Holds whose time is over end first, with whatever comes next to the wallet. The test clock of a demo coalition
-- overrides `r.now`. Refusals: member_not_found, member_merged, member_blocked, effective_in_future,
-- effective_too_old.
CREATE OR REPLACE FUNCTION coalition.ledger_lock(r coalition.request, p_even_blocked boolean DEFAULT false)
RETURNS coalition.outcome LANGUAGE plpgsql AS $$
DECLARE
    t coalition.txn;
    p record;
    w record;
BEGIN
    IF least(r.points, r.amount_minor) < 0 THEN
        RAISE EXCEPTION 'points and amounts are not negative' USING ERRCODE = 'numeric_value_out_of_range';
    END IF;
    SELECT coalesce(x.test_now, r.now) AS booked_at,
           coalesce(x.test_now, least(r.now, clock_timestamp())) AS true_now,
           coalesce(r.effective_at, x.test_now, r.now) AS effective_at,
           (coalesce(r.effective_at, x.test_now, r.now) AT TIME ZONE x.time_zone)::date AS original_day,
           x.open_day, x.expiry_months
    INTO p FROM coalition.programme x;
    SELECT x.available, x.held, x.pending, x.debt, x.version, x.state, x.merged_into
    INTO w FROM coalition.wallet x WHERE x.member_id = r.member_id FOR UPDATE;
    IF NOT FOUND OR p.open_day IS NULL THEN
        RETURN (false, 'member_not_found', '{}', NULL)::coalition.outcome;
    ELSIF w.state = 'merged' THEN
        RETURN (false, 'member_merged', jsonb_build_object('member_id', w.merged_into), NULL)::coalition.outcome;
    ELSIF w.state = 'blocked' AND NOT p_even_blocked THEN
        RETURN (false, 'member_blocked', '{}', NULL)::coalition.outcome;
    ELSIF p.effective_at > p.booked_at + interval '5 minutes' THEN
        RETURN (false, 'effective_in_future', '{}', NULL)::coalition.outcome;
    END IF;
    t.expires_on := (p.original_day + make_interval(months => p.expiry_months))::date;
    IF t.expires_on <= p.open_day + 1 THEN
        -- Points of that day would be gone with this night, so nothing that old can be meant.
        RETURN (false, 'effective_too_old', '{}', NULL)::coalition.outcome;
    END IF;
    IF w.held > 0 AND r.kind NOT IN ('capture', 'void', 'lapse', 'vest', 'fund', 'expiry')
       AND coalition.ledger_lapse_overdue(r.member_id, r.partner_id, p.booked_at, p.true_now) THEN
        RETURN coalition.ledger_lock(r, p_even_blocked);  -- the wallet as it stands now
    END IF;
    t.member_id := r.member_id; t.member_seq := w.version + 1; t.txn_id := r.txn_id; t.kind := r.kind;
    t.partner_id := r.partner_id; t.points := r.points; t.shortfall := 0; t.debt_repaid := 0;
    t.reference := r.reference; t.location_id := r.location_id;
    t.available_after := w.available; t.held_after := w.held; t.pending_after := w.pending; t.debt_after := w.debt;
    t.amount_minor := r.amount_minor; t.currency := r.currency; t.effective_at := p.effective_at;
    t.booked_at := p.booked_at; t.business_date := p.open_day; t.original_business_date := p.original_day;
    IF r.kind NOT IN ('earn', 'adjustment') THEN
        t.expires_on := NULL;
    END IF;
    RETURN (false, NULL, NULL, t)::coalition.outcome;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_lock FROM PUBLIC;

-- The rows every operation ends with: the wallet's new state and the event, in the same commit. An earn's event says
-- its awards, where it named them, and any its location, where it has one.
CREATE OR REPLACE FUNCTION coalition.ledger_finish(t coalition.txn, p_event_id uuid)
RETURNS coalition.outcome LANGUAGE plpgsql AS $$
DECLARE
    said jsonb := CASE t.kind
        WHEN 'earn' THEN jsonb_build_object(
            'transaction_id', t.txn_id, 'member_id', t.member_id, 'partner_id', t.partner_id, 'points', t.points,
            'available_after', t.available_after, 'reference', t.reference, 'effective_at', t.effective_at,
            'business_date', t.business_date, 'member_seq', t.member_seq, 'expires_on', t.expires_on,
            'vests_at', t.due_at, 'debt_repaid', t.debt_repaid)
        WHEN 'burn' THEN jsonb_build_object(
            'transaction_id', t.txn_id, 'member_id', t.member_id, 'partner_id', t.partner_id, 'points', t.points,
            'available_after', t.available_after, 'reference', t.reference, 'effective_at', t.effective_at,
            'business_date', t.business_date, 'member_seq', t.member_seq)
        ELSE jsonb_build_object(
            'transaction_id', t.txn_id, 'member_id', t.member_id, 'partner_id', t.partner_id, 'points', t.points,
            'available_after', t.available_after, 'reference', t.reference, 'effective_at', t.effective_at,
            'business_date', t.business_date, 'member_seq', t.member_seq, 'kind', t.kind, 'held_after', t.held_after,
            'hold_id', t.hold_id, 'expires_at', t.due_at, 'reverses_transaction_id', t.reverses_txn_id,
            'shortfall', t.shortfall, 'debt_repaid', t.debt_repaid)
        END;
BEGIN
    IF t.kind = 'earn' AND t.meta IS NOT NULL THEN
        said := said || t.meta;
    END IF;
    IF t.location_id IS NOT NULL THEN
        said := said || jsonb_build_object('location', t.location_id);
    END IF;
    UPDATE coalition.wallet w
    SET available = t.available_after, held = t.held_after, pending = t.pending_after, debt = t.debt_after,
        version = t.member_seq
    WHERE w.member_id = t.member_id;
    INSERT INTO kit.event (subject_id, event_id, partner_id, type, occurred_at, data)
    VALUES (t.member_id, p_event_id, t.partner_id,
        CASE t.kind WHEN 'earn' THEN 'points.earned' WHEN 'burn' THEN 'points.burned' WHEN 'hold' THEN 'points.held'
            WHEN 'capture' THEN 'points.captured' WHEN 'void' THEN 'points.released' WHEN 'lapse' THEN 'points.lapsed'
            WHEN 'vest' THEN 'points.vested' WHEN 'fund' THEN 'points.funded' WHEN 'expiry' THEN 'points.expired'
            WHEN 'adjustment' THEN 'points.adjusted' WHEN 'merge' THEN 'points.merged' ELSE 'points.reversed' END,
        t.booked_at, said);
    RETURN (false, NULL, NULL, t)::coalition.outcome;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_finish FROM PUBLIC;

-- Whose points the member can spend, or wait to be funded, for a transaction that may have posted to its wallet.
CREATE OR REPLACE FUNCTION coalition.issuers_of(p_member_id uuid) RETURNS SETOF uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT DISTINCT l.issuer_id FROM coalition.lot l
        WHERE l.member_id = p_member_id AND (l.is_open OR l.is_unfunded);
END $$;
REVOKE EXECUTE ON FUNCTION coalition.issuers_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.issuers_of TO coalition_service;

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

-- The single postings behind coalition.flows_on, each with its receipt's reference, the day it concerns, and the
-- partner's location where it was posted: none of a debt that was repaid to another partner than the one that posted.
CREATE OR REPLACE FUNCTION coalition.flow_lines_on(p_day date)
RETURNS TABLE (
    kind text, issuer_id uuid, partner_id uuid, issued_on date, points bigint, txn_id uuid, seq int, reference text,
    concerns date, location_id uuid
) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT k.kind, p.issuer_id, p.partner_id, p.issued_on, k.points, p.txn_id, p.seq, t.reference,
           t.original_business_date, CASE WHEN p.partner_id = t.partner_id THEN t.location_id END
    FROM coalition.posting p
    JOIN coalition.txn t USING (member_id, txn_id, business_date)  -- found by the day as well
    CROSS JOIN LATERAL (VALUES
        ('redemption', CASE WHEN p.debit = 'redemption' THEN -p.points
                            WHEN p.credit IN ('redemption', 'debt') THEN p.points END),
        ('issue', CASE WHEN p.debit IN ('issuance', 'adjustment') AND p.credit <> 'unfunded'
                         OR p.debit = 'unfunded' AND p.credit IN ('wallet', 'pending') THEN p.points
                       WHEN p.credit IN ('issuance', 'adjustment') AND p.debit <> 'unfunded' THEN -p.points END),
        ('breakage', CASE WHEN p.credit = 'breakage' AND p.debit <> 'unfunded' THEN p.points END)
    ) k (kind, points)
    WHERE p.business_date = p_day AND k.points IS NOT NULL;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.flow_lines_on FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.flow_lines_on TO coalition_service;

-- The refusal of the first award of r whose issuer doesn't let the asking partner award so many of its points, or whose
-- earns are refused; NULL where all may be awarded.
CREATE OR REPLACE FUNCTION partners.refused_award(r coalition.request) RETURNS coalition.outcome
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN a.points <= p.most_per_award
                THEN (false, 'exposure_exceeded', jsonb_build_object('issuer_id', a.issuer_id), NULL)::coalition.outcome
                ELSE (false, 'award_not_permitted', jsonb_build_object(
                          'issuer_id', a.issuer_id, 'requested', a.points,
                          'most_per_award', coalesce(p.most_per_award, 0)), NULL)::coalition.outcome END
    FROM jsonb_to_recordset(r.meta -> 'awards') AS a (points bigint, issuer_id uuid)
    LEFT JOIN (SELECT x.issuer_id, x.most_per_award
               FROM partners.award_permission x JOIN partners.partner i ON i.partner_id = x.issuer_id
               WHERE x.partner_id = r.partner_id AND x.withdrawn_at IS NULL AND i.status = 'active' AND i.is_issuer) p
        ON p.issuer_id = a.issuer_id
    LEFT JOIN partners.earn_stop s ON s.partner_id = a.issuer_id
    WHERE a.issuer_id <> r.partner_id AND ((a.points <= p.most_per_award) IS NOT TRUE OR s.partner_id IS NOT NULL)
    LIMIT 1
$$;
REVOKE EXECUTE ON FUNCTION partners.refused_award FROM PUBLIC;
