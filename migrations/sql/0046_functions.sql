-- Today's functions of the database, as they stand in `<room>/sql/`: frozen copies. Those that tables, triggers and
-- policies need are with them, in the files before.
--
-- The ledger's are its only door: the service's role may execute these functions and may not write to the tables behind
-- them. Every operation goes the same way: the day's gate and the key (claim), the wallet's lock (lock), the rules, the
-- rows, the wallet's new state and the event (finish). Each statement of a PL/pgSQL function sees what was committed
-- before it began, so what is read after the wallet's lock is what the holder before us left: the trap of a burn
-- written as one statement (docs/decisions/0002) can't occur. A refusal is a value, not an exception, since it has to
-- be stored and committed like any other outcome. Between lock and finish a transaction's *_after fields carry the
-- wallet's state.

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

-- The points an amount earns: the exact product, rounded down.
CREATE OR REPLACE FUNCTION coalition.points_for(
    p_amount_minor bigint, p_points_per_unit numeric, p_minor_per_unit bigint
) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT div(p_amount_minor * p_points_per_unit, p_minor_per_unit)::bigint
$$;
REVOKE EXECUTE ON FUNCTION coalition.points_for FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.points_for TO coalition_service;

-- The awards that r names, or one of all it asks for. What one doesn't say is as for the whole: its issuer is the
-- asking partner, it expires when the programme says, and vests with the earn.
CREATE OR REPLACE FUNCTION coalition.ledger_awards(r coalition.request, t coalition.txn) RETURNS coalition.award[]
LANGUAGE plpgsql AS $$
BEGIN
    IF r.meta IS NULL THEN
        RETURN ARRAY[(t.points, t.partner_id, t.expires_on, t.due_at, NULL, NULL)::coalition.award];
    END IF;
    RETURN ARRAY(
        SELECT (a.points, coalesce(a.issuer_id, t.partner_id), coalesce(a.expires_on, t.expires_on),
                coalesce(a.vests_at, t.due_at), a.campaign, a.rule)::coalition.award
        FROM ROWS FROM (jsonb_to_recordset(r.meta -> 'awards') AS (
            points bigint, issuer_id uuid, expires_on date, vests_at timestamptz, campaign text, rule text
        )) WITH ORDINALITY AS a (points, issuer_id, expires_on, vests_at, campaign, rule, n) ORDER BY a.n);
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_awards FROM PUBLIC;

-- Whether the awards of t can be: they vest ahead, before they expire, and expire after tonight and within ten years.
-- Refusals: vests_out_of_range, expires_out_of_range.
CREATE OR REPLACE FUNCTION coalition.ledger_check_awards(t coalition.txn, p_awards coalition.award[])
RETURNS coalition.outcome LANGUAGE plpgsql AS $$
DECLARE
    a        coalition.award;
    zone     text := (SELECT p.time_zone FROM coalition.programme p);
    earliest date := t.business_date + 2;
    latest   date := t.business_date + 3653;
BEGIN
    FOREACH a IN ARRAY p_awards LOOP
        IF a.vests_at <= t.booked_at OR a.expires_on <= coalition.day_in(zone, a.vests_at) THEN
            RETURN (false, 'vests_out_of_range', jsonb_build_object('expires_on', a.expires_on),
                    NULL)::coalition.outcome;
        ELSIF a.expires_on <> t.expires_on AND a.expires_on NOT BETWEEN earliest AND latest THEN
            RETURN (false, 'expires_out_of_range', jsonb_build_object('from', earliest, 'to', latest),
                    NULL)::coalition.outcome;
        END IF;
    END LOOP;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_check_awards FROM PUBLIC;

-- Issue points, plainly one award of the partner's: each is a lot of its issuer's, pending until it vests. Debts are
-- repaid first. An amount beside awards says what of them a return of a part of the purchase takes back.
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
    IF r.meta IS NOT NULL OR r.due_at IS NOT NULL THEN
        awards := coalition.ledger_awards(r, t);
        o := coalition.ledger_check_awards(t, awards);
        IF o.refusal IS NOT NULL THEN
            RETURN coalition.ledger_refuse(r, o.refusal, o.detail);
        END IF;
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
        IF awards IS NOT NULL THEN
            a := awards[n];
        END IF;
        EXIT WHEN a.points = 0;  -- an amount too small to earn any
        new_lot := CASE n WHEN 1 THEN t.txn_id ELSE coalition.new_id() END;
        part := CASE WHEN a.vests_at IS NULL THEN least(spendable, a.points) ELSE 0 END;
        spendable := spendable - part;
        INSERT INTO coalition.lot
            (member_id, lot_id, issuer_id, issued_on, expires_on, issued, remaining, is_open, held, vests_at, txn_id,
             campaign, rule)
        VALUES (t.member_id, new_lot, a.issuer_id, t.business_date, a.expires_on, a.points, a.points - part,
                a.vests_at IS NULL AND a.points > part, 0, a.vests_at, t.txn_id, a.campaign, a.rule);
        INSERT INTO coalition.posting
            (member_id, txn_id, seq, debit, credit, points, lot_id, issuer_id, partner_id, business_date, issued_on)
        VALUES (t.member_id, t.txn_id, n, 'issuance',
                CASE WHEN a.vests_at IS NULL THEN 'wallet' ELSE 'pending' END::coalition.account, a.points, new_lot,
                a.issuer_id, t.partner_id, t.business_date, t.business_date);
    END LOOP;
    IF t.debt_repaid > 0 THEN
        PERFORM coalition.ledger_repay_debt(t);
    END IF;
    RETURN coalition.ledger_finish(t, r.event_id);
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_earn FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.ledger_earn TO coalition_service;

-- Expire what is free in the member's lots of one issuer (r.partner_id) that can't be spent on p_day any more.
-- Refusals: nothing_due, and those of lock.
CREATE OR REPLACE FUNCTION coalition.ledger_expire(r coalition.request, p_day date) RETURNS coalition.outcome
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    o coalition.outcome;
    t coalition.txn;
BEGIN
    IF NOT coalition.ledger_claim(r) THEN
        RETURN coalition.ledger_answered(r);
    END IF;
    o := coalition.ledger_lock(r, true);
    IF o.refusal IS NOT NULL THEN
        RETURN o;
    END IF;
    t := o.txn;
    SELECT sum(l.remaining - l.held) INTO t.points FROM coalition.lot l
    WHERE l.member_id = r.member_id AND l.is_open AND l.issuer_id = r.partner_id AND l.expires_on <= p_day;
    IF t.points IS NULL THEN
        RETURN (false, 'nothing_due', '{}', NULL)::coalition.outcome;
    END IF;
    t.available_after := t.available_after - t.points;
    PERFORM coalition.ledger_write_new(t);
    INSERT INTO coalition.posting
        (member_id, txn_id, seq, debit, credit, points, lot_id, issuer_id, partner_id, business_date, issued_on)
    SELECT l.member_id, t.txn_id, row_number() OVER (ORDER BY l.expires_on, l.lot_id), 'wallet', 'breakage',
           l.remaining - l.held, l.lot_id, l.issuer_id, t.partner_id, t.business_date, l.issued_on
    FROM coalition.lot l
    WHERE l.member_id = r.member_id AND l.is_open AND l.issuer_id = r.partner_id AND l.expires_on <= p_day;
    UPDATE coalition.lot l SET remaining = l.held, is_open = false
    WHERE l.member_id = r.member_id AND l.is_open AND l.issuer_id = r.partner_id AND l.expires_on <= p_day;
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

-- Whether members lie on several nodes, where no index sees all of them (docs/decisions/0030): there `coalition db
-- distribute` puts `true` here. The planner knows the answer, so asking costs nothing.
CREATE OR REPLACE FUNCTION coalition.is_distributed() RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT false
$$;
REVOKE EXECUTE ON FUNCTION coalition.is_distributed FROM PUBLIC;

-- The transaction that a receipt of p_member_id stands for. Both came in one commit, whose end may not have reached the
-- member's node: then all that can be said is that it will (the caller asks again).
CREATE OR REPLACE FUNCTION coalition.ledger_of_receipt(p_member_id uuid, p_txn_id uuid) RETURNS coalition.txn
LANGUAGE plpgsql AS $$
DECLARE
    t coalition.txn;
BEGIN
    SELECT * INTO t FROM coalition.txn x WHERE x.member_id = p_member_id AND x.txn_id = p_txn_id;
    IF NOT FOUND THEN
        RAISE serialization_failure USING MESSAGE = format('transaction %s has not reached its node yet', p_txn_id);
    END IF;
    RETURN t;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_of_receipt FROM PUBLIC;

-- The transaction p_txn_id, whosever it is; its txn_id is NULL where there is none.
CREATE OR REPLACE FUNCTION coalition.ledger_find(p_txn_id uuid) RETURNS coalition.txn LANGUAGE plpgsql AS $$
DECLARE
    t     coalition.txn;
    whose uuid;
BEGIN
    IF coalition.is_distributed() THEN
        SELECT c.member_id INTO whose FROM coalition.receipt c WHERE c.txn_id = p_txn_id;
        IF FOUND THEN
            t := coalition.ledger_of_receipt(whose, p_txn_id);
        END IF;
    ELSE
        SELECT * INTO t FROM coalition.txn x WHERE x.txn_id = p_txn_id;
    END IF;
    RETURN t;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_find FROM PUBLIC;

-- All that a partner posted of one kind under a reference, the oldest first: one transaction, or a return's reversals.
CREATE OR REPLACE FUNCTION coalition.ledger_referenced(p_partner_id uuid, p_reference text, p_kind coalition.txn_kind)
RETURNS SETOF coalition.txn LANGUAGE plpgsql AS $$
DECLARE
    claimed coalition.receipt;
BEGIN
    IF NOT coalition.is_distributed() THEN
        RETURN QUERY SELECT * FROM coalition.txn t
            WHERE t.partner_id = p_partner_id AND t.reference = p_reference AND t.kind = p_kind ORDER BY t.txn_id;
        RETURN;
    END IF;
    FOR claimed IN SELECT * FROM coalition.receipt c
                   WHERE c.partner_id = p_partner_id AND c.reference = p_reference AND c.kind = p_kind
                   ORDER BY c.txn_id LOOP
        RETURN NEXT coalition.ledger_of_receipt(claimed.member_id, claimed.txn_id);
    END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_referenced FROM PUBLIC;

-- What reversed the transaction p_txn_id so far, whoever has the points by now.
CREATE OR REPLACE FUNCTION coalition.ledger_reversals(p_txn_id uuid) RETURNS SETOF coalition.txn
LANGUAGE plpgsql AS $$
DECLARE
    claimed coalition.receipt;
BEGIN
    IF NOT coalition.is_distributed() THEN
        RETURN QUERY SELECT * FROM coalition.txn t WHERE t.reverses_txn_id = p_txn_id;
        RETURN;
    END IF;
    FOR claimed IN SELECT * FROM coalition.receipt c WHERE c.reverses_txn_id = p_txn_id LOOP
        RETURN NEXT coalition.ledger_of_receipt(claimed.member_id, claimed.txn_id);
    END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_reversals FROM PUBLIC;

-- The member, and all who were merged into it: their wallets say so; on a cluster, where those lie on all nodes, the
-- member's own transactions do.
CREATE OR REPLACE FUNCTION coalition.ledger_merged_into(p_member_id uuid) RETURNS SETOF uuid
LANGUAGE plpgsql STABLE AS $$
DECLARE
    into_ uuid[] := ARRAY[p_member_id];
    from_ uuid[];
    one   uuid;
BEGIN
    FOR merges IN 0..1000 LOOP
        RETURN QUERY SELECT * FROM unnest(into_);
        from_ := '{}';
        IF coalition.is_distributed() THEN
            FOREACH one IN ARRAY into_ LOOP
                from_ := from_ || ARRAY(
                    SELECT (t.meta ->> 'merged_from')::uuid FROM coalition.txn t
                    WHERE t.member_id = one AND t.kind = 'merge' AND t.meta ? 'merged_from');
            END LOOP;
        ELSE
            from_ := ARRAY(SELECT w.member_id FROM coalition.wallet w WHERE w.merged_into = ANY (into_));
        END IF;
        IF from_ = '{}' THEN
            RETURN;
        END IF;
        into_ := from_;
    END LOOP;
    RAISE EXCEPTION 'the merges into % have no end', p_member_id USING ERRCODE = 'data_corrupted';
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_merged_into FROM PUBLIC;

-- Every member that was merged, and who has its points now.
CREATE OR REPLACE FUNCTION coalition.merged_members(OUT member_id uuid, OUT living_id uuid) RETURNS SETOF record
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    FOR member_id IN SELECT w.member_id FROM coalition.wallet w WHERE w.merged_into IS NOT NULL LOOP
        living_id := coalition.ledger_living_member(member_id);
        RETURN NEXT;
    END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.merged_members FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.merged_members TO coalition_service;

-- The lots that a transaction moved, in the order they were taken: for the service, for the partner whose transaction
-- it is, and for who acts with the member's consent. Others get nothing.
CREATE OR REPLACE FUNCTION coalition.moved_lots(
    p_member_id uuid, p_txn_id uuid, OUT points bigint, OUT debit text, OUT credit text, OUT issuer_id uuid,
    OUT issued_on date, OUT expires_on date
) RETURNS SETOF record LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM t.txn_id FROM coalition.txn t
    WHERE t.member_id = p_member_id AND t.txn_id = p_txn_id
      AND (current_setting('role') = 'coalition_service' OR t.partner_id = kit.partner() OR t.member_id = kit.member());
    IF FOUND THEN
        RETURN QUERY
            SELECT p.points, p.debit::text, p.credit::text, p.issuer_id, p.issued_on, l.expires_on
            FROM coalition.posting p JOIN coalition.lot l ON l.member_id = p.member_id AND l.lot_id = p.lot_id
            WHERE p.member_id = p_member_id AND p.txn_id = p_txn_id ORDER BY p.seq;
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.moved_lots FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.moved_lots TO coalition_service, coalition_tenant;

-- End the hold r.original_id: capture r.points of it (NULL: all; the rest returns), void it, or let it lapse. Once its
-- time is over it can't be captured any more; a void gives it back whether or not it has lapsed by itself yet.
-- Refusals: hold_not_found, hold_finished, hold_lapsed, hold_running, more_than_held, and those of lock.
CREATE OR REPLACE FUNCTION coalition.ledger_end_hold(r coalition.request) RETURNS coalition.outcome
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    o     coalition.outcome;
    t     coalition.txn;
    h     coalition.hold;
    ended coalition.hold_status;
    kept  record;
    taken bigint;
    part  bigint;
    n     int := 0;
BEGIN
    IF NOT coalition.ledger_claim(r) THEN
        RETURN coalition.ledger_answered(r);
    END IF;
    t := coalition.ledger_find(r.original_id);
    IF (t.partner_id = r.partner_id AND t.kind = 'hold') IS NOT TRUE THEN
        RETURN coalition.ledger_store_refusal(r, 'hold_not_found', '{}');
    END IF;
    r.member_id := t.member_id;
    o := coalition.ledger_lock(r, true);
    IF o.refusal IS NOT NULL THEN
        RETURN coalition.ledger_refuse(r, o.refusal, o.detail);
    END IF;
    t := o.txn;
    SELECT * INTO STRICT h FROM coalition.hold x WHERE x.member_id = r.member_id AND x.hold_id = r.original_id;
    IF h.status <> 'open' THEN
        RETURN coalition.ledger_refuse(r, 'hold_finished', jsonb_build_object('hold_status', h.status));
    ELSIF r.kind = 'lapse' AND h.expires_at > t.booked_at THEN
        RETURN coalition.ledger_refuse(r, 'hold_running', jsonb_build_object('expires_at', h.expires_at));
    ELSIF r.kind = 'capture' AND h.expires_at <= t.booked_at THEN
        RETURN coalition.ledger_refuse(r, 'hold_lapsed', jsonb_build_object('expires_at', h.expires_at));
    ELSIF r.points > h.points THEN
        RETURN coalition.ledger_refuse(r, 'more_than_held', jsonb_build_object(
            'held', h.points, 'requested', r.points));
    END IF;
    taken := CASE r.kind WHEN 'capture' THEN coalesce(r.points, h.points) ELSE 0 END;
    t.points := CASE r.kind WHEN 'capture' THEN taken ELSE h.points END;
    t.held_after := t.held_after - h.points;
    t.available_after := t.available_after + h.points - taken;
    t.hold_id := h.hold_id;
    IF r.kind = 'capture' AND r.points IS NULL THEN
        t.meta := '{"whole": true}';
    END IF;

    IF NOT coalition.ledger_write(t) THEN
        RETURN coalition.ledger_known_reference(r);
    END IF;
    ended := CASE r.kind WHEN 'capture' THEN 'captured' WHEN 'void' THEN 'voided' ELSE 'lapsed' END;
    UPDATE coalition.hold x SET captured = taken, status = ended
    WHERE x.member_id = h.member_id AND x.hold_id = h.hold_id;
    -- The hold's postings stand in the order its lots expire.
    FOR kept IN SELECT p.lot_id, p.issuer_id, p.issued_on, p.points FROM coalition.posting p
                WHERE p.member_id = h.member_id AND p.txn_id = h.hold_id ORDER BY p.seq LOOP
        part := least(taken, kept.points);
        taken := taken - part;
        UPDATE coalition.lot l
        SET remaining = l.remaining - part, held = l.held - kept.points,
            is_open = l.remaining - part > l.held - kept.points
        WHERE l.member_id = h.member_id AND l.lot_id = kept.lot_id;
        IF part > 0 THEN
            n := n + 1;
            INSERT INTO coalition.posting
                (member_id, txn_id, seq, debit, credit, points, lot_id, issuer_id, partner_id, business_date, issued_on)
            VALUES (t.member_id, t.txn_id, n, 'hold', 'redemption', part, kept.lot_id, kept.issuer_id, t.partner_id,
                    t.business_date, kept.issued_on);
        END IF;
        IF part < kept.points THEN
            n := n + 1;
            INSERT INTO coalition.posting
                (member_id, txn_id, seq, debit, credit, points, lot_id, issuer_id, partner_id, business_date, issued_on)
            VALUES (t.member_id, t.txn_id, n, 'hold', 'wallet', kept.points - part, kept.lot_id, kept.issuer_id,
                    t.partner_id, t.business_date, kept.issued_on);
        END IF;
    END LOOP;
    RETURN coalition.ledger_finish(t, r.event_id);
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_end_hold FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.ledger_end_hold TO coalition_service;

-- Pass the day's gate and reserve the key. False: the key was answered before.
CREATE OR REPLACE FUNCTION coalition.ledger_claim(r coalition.request) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    -- Closing a day takes this lock exclusively; nobody who holds it shared can still be writing into that day.
    IF NOT pg_try_advisory_xact_lock_shared(coalition.day_gate()) THEN
        PERFORM pg_advisory_xact_lock_shared(coalition.day_gate());
    END IF;
    IF r.key IS NULL THEN
        RETURN true;
    END IF;
    INSERT INTO coalition.idempotency (partner_id, key, request_hash, txn_id, created_at)
    VALUES (r.partner_id, r.key, r.request_hash, r.txn_id, r.now) ON CONFLICT (partner_id, key) DO NOTHING;
    RETURN FOUND;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_claim FROM PUBLIC;

-- What was answered to the key.
CREATE OR REPLACE FUNCTION coalition.ledger_answered(r coalition.request)
RETURNS coalition.outcome LANGUAGE plpgsql AS $$
DECLARE
    stored coalition.idempotency;
    posted coalition.txn;
BEGIN
    SELECT * INTO STRICT stored FROM coalition.idempotency i WHERE i.partner_id = r.partner_id AND i.key = r.key;
    IF stored.request_hash <> r.request_hash THEN
        RETURN (false, 'idempotency_key_reused', '{}', NULL)::coalition.outcome;
    END IF;
    posted := coalition.ledger_find(stored.txn_id);
    RETURN (true, stored.refusal, stored.detail, posted)::coalition.outcome;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_answered FROM PUBLIC;

-- Whether the key or the reference was answered before.
CREATE OR REPLACE FUNCTION coalition.ledger_is_answered(
    p_partner_id uuid, p_key text, p_reference text, p_kind coalition.txn_kind
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN EXISTS (SELECT FROM coalition.idempotency i WHERE i.partner_id = p_partner_id AND i.key = p_key)
        OR EXISTS (SELECT FROM coalition.ledger_referenced(p_partner_id, p_reference, p_kind));
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_is_answered FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.ledger_is_answered TO coalition_service, coalition_tenant;

-- Remember that the answer to this key is no. What can pass by itself is not remembered: it is asked anew.
CREATE OR REPLACE FUNCTION coalition.ledger_store_refusal(r coalition.request, p_refusal text, p_detail jsonb)
RETURNS coalition.outcome LANGUAGE plpgsql AS $$
BEGIN
    IF p_refusal IN ('effective_in_future', 'no_earning_rate', 'member_blocked', 'holds_open') THEN
        DELETE FROM coalition.idempotency i WHERE i.partner_id = r.partner_id AND i.key = r.key;
    ELSE
        UPDATE coalition.idempotency i SET txn_id = NULL, refusal = p_refusal, detail = p_detail
        WHERE i.partner_id = r.partner_id AND i.key = r.key;
    END IF;
    RETURN (false, p_refusal, p_detail, NULL)::coalition.outcome;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_store_refusal FROM PUBLIC;

-- Say no, unless the receipt was posted before: then that is the answer, whatever has become of the wallet since.
CREATE OR REPLACE FUNCTION coalition.ledger_refuse(r coalition.request, p_refusal text, p_detail jsonb)
RETURNS coalition.outcome LANGUAGE plpgsql AS $$
DECLARE
    known coalition.outcome := coalition.ledger_known_reference(r);
BEGIN
    IF known.replayed IS NOT NULL THEN
        RETURN known;
    END IF;
    RETURN coalition.ledger_store_refusal(r, p_refusal, p_detail);
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_refuse FROM PUBLIC;

-- Whether r asks for what `old` was asked for. What is left out matches nothing but itself: all of a hold is not the
-- points it had. The purchase's time is not compared: a till that sent none may name it in the day's file.
CREATE OR REPLACE FUNCTION coalition.ledger_same_request(r coalition.request, old coalition.txn) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    whole boolean := coalesce((old.meta ->> 'whole')::boolean, false);
BEGIN
    IF old.kind IN ('capture', 'void') AND old.hold_id <> r.original_id
       OR old.kind IN ('earn', 'hold') AND old.due_at IS DISTINCT FROM r.due_at
       OR old.kind = 'earn' AND (old.meta -> 'awards' IS DISTINCT FROM r.meta -> 'awards'
                                 OR r.meta ? 'awards' AND old.amount_minor IS DISTINCT FROM r.amount_minor)
       OR old.kind = 'adjustment' AND old.meta ->> 'direction' <> r.meta ->> 'direction'
       OR old.kind = 'merge' AND (old.meta ->> 'merged_into')::uuid IS DISTINCT FROM r.original_id THEN
        RETURN false;
    ELSIF r.amount_minor IS NOT NULL THEN
        RETURN NOT whole AND coalesce(old.amount_minor = r.amount_minor AND old.currency = r.currency, false);
    ELSIF r.points IS NOT NULL THEN
        RETURN NOT whole AND old.amount_minor IS NULL
               AND old.points + old.debt_repaid * (old.kind = 'reversal')::int + old.shortfall = r.points;
    END IF;
    RETURN whole OR old.kind NOT IN ('capture', 'reversal');
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_same_request FROM PUBLIC;

-- The answer where r's reference was posted before, NULL where it wasn't; what was posted for somebody who is merged by
-- now was posted for whoever has the points. Refusals: reference_of_another_member, reference_reused.
CREATE OR REPLACE FUNCTION coalition.ledger_known_reference(r coalition.request) RETURNS coalition.outcome
LANGUAGE plpgsql AS $$
DECLARE
    old coalition.txn;
BEGIN
    SELECT * INTO old FROM coalition.ledger_referenced(r.partner_id, r.reference, r.kind) t
    WHERE t.reverses_txn_id IS NOT DISTINCT FROM CASE WHEN r.kind = 'reversal' THEN r.original_id END;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF old.member_id <> r.member_id
       AND coalition.ledger_living_member(old.member_id) <> coalition.ledger_living_member(r.member_id) THEN
        RETURN coalition.ledger_store_refusal(r, 'reference_of_another_member', '{}');
    END IF;
    IF NOT coalition.ledger_same_request(r, old) THEN
        RETURN coalition.ledger_store_refusal(
            r, 'reference_reused', jsonb_build_object('transaction_id', old.txn_id));
    END IF;
    UPDATE coalition.idempotency i SET txn_id = old.txn_id WHERE i.partner_id = r.partner_id AND i.key = r.key;
    RETURN (true, NULL, NULL, old)::coalition.outcome;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_known_reference FROM PUBLIC;

-- Forget outcomes that are older than p_before, at most p_limit of them. Returns how many. Rows lie in the order they
-- came, so reading from the front of the table finds the old ones first; an index for this would cost every earn.
CREATE OR REPLACE FUNCTION coalition.forget_outcomes(p_before timestamptz, p_limit int) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH old AS (SELECT ctid FROM coalition.idempotency i WHERE i.created_at < p_before LIMIT p_limit),
    gone AS (DELETE FROM coalition.idempotency i USING old WHERE i.ctid = old.ctid RETURNING 1)
    SELECT count(*) FROM gone
$$;
REVOKE EXECUTE ON FUNCTION coalition.forget_outcomes FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.forget_outcomes TO coalition_service;

-- Let the member's holds lapse whose time is over; whether there were any. The wallet is locked. p_at is the posting's
-- time, p_now the true one (or the coalition's test clock): a partner whose own clock goes ahead ends its own holds by
-- it, and nobody else's.
CREATE OR REPLACE FUNCTION coalition.ledger_lapse_overdue(
    p_member_id uuid, p_partner_id uuid, p_at timestamptz, p_now timestamptz
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    overdue coalition.hold;
    lapse   coalition.request;
    lapsed  boolean := false;
BEGIN
    FOR overdue IN SELECT * FROM coalition.hold h
                   WHERE h.member_id = p_member_id AND h.status = 'open'
                     AND h.expires_at <= CASE WHEN h.partner_id = p_partner_id THEN p_at ELSE p_now END
                   ORDER BY h.hold_id LOOP
        lapse.kind := 'lapse';
        lapse.partner_id := overdue.partner_id;
        lapse.txn_id := coalition.new_id();
        lapse.event_id := coalition.new_id();
        lapse.now := p_at;
        lapse.original_id := overdue.hold_id;
        lapse.reference := 'lapse:' || overdue.hold_id;
        PERFORM coalition.ledger_end_hold(lapse);
        lapsed := true;
    END LOOP;
    RETURN lapsed;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_lapse_overdue FROM PUBLIC;

-- Of what is available to t's member: what has not expired on t's own day, whether or not that night has run.
CREATE OR REPLACE FUNCTION coalition.ledger_spendable(t coalition.txn) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    expired bigint;
BEGIN
    SELECT coalesce(sum(l.remaining - l.held), 0) INTO expired FROM coalition.lot l
    WHERE l.member_id = t.member_id AND l.is_open AND l.expires_on <= t.original_business_date;
    RETURN t.available_after - expired;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_spendable FROM PUBLIC;

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
                vests_at = CASE WHEN l.remaining > part THEN l.vests_at END
            WHERE l.member_id = t.member_id AND l.lot_id = lot.lot_id;
        END IF;
        INSERT INTO coalition.posting
            (member_id, txn_id, seq, debit, credit, points, lot_id, issuer_id, partner_id, business_date, issued_on)
        VALUES (t.member_id, t.txn_id, n,
                CASE WHEN lot.vests_at IS NULL THEN 'wallet' ELSE 'pending' END::coalition.account, p_credit, part,
                lot.lot_id, lot.issuer_id, t.partner_id, t.business_date, lot.issued_on);
    END LOOP;
    CLOSE lots;
    RETURN got;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_consume FROM PUBLIC;

-- Take exactly p_points, first-expiring first; what the wallet says it has, its lots have.
CREATE OR REPLACE FUNCTION coalition.ledger_take_all(t coalition.txn, p_points bigint, p_credit coalition.account)
RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF coalition.ledger_consume(t, p_points, p_credit) <> p_points THEN
        RAISE EXCEPTION 'wallet of % says more is available than its lots hold', t.member_id
            USING ERRCODE = 'data_corrupted';
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_take_all FROM PUBLIC;

-- Repay t.debt_repaid points of the wallet's debts, the oldest first, of what t earned or vested, in the order of its
-- postings.
CREATE OR REPLACE FUNCTION coalition.ledger_repay_debt(t coalition.txn) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    gained coalition.posting;
    debt   coalition.debt;
    most   bigint;
    part   bigint;
    left_  bigint := t.debt_repaid;
    n      int := coalition.ledger_last_posting(t);
BEGIN
    FOR gained IN SELECT * FROM coalition.posting p
                  WHERE p.member_id = t.member_id AND p.txn_id = t.txn_id AND p.credit = 'wallet' ORDER BY p.seq LOOP
        most := least(gained.points, left_);
        FOR debt IN SELECT * FROM coalition.debt d
                    WHERE d.member_id = t.member_id AND d.debt_repaid < d.points ORDER BY d.txn_id, d.partner_id LOOP
            EXIT WHEN most = 0;
            part := least(most, debt.points - debt.debt_repaid);
            most := most - part;
            left_ := left_ - part;
            n := n + 1;
            UPDATE coalition.debt d SET debt_repaid = d.debt_repaid + part
            WHERE d.member_id = t.member_id AND d.txn_id = debt.txn_id AND d.partner_id = debt.partner_id;
            INSERT INTO coalition.posting
                (member_id, txn_id, seq, debit, credit, points, lot_id, issuer_id, partner_id, business_date,
                 issued_on)
            VALUES (t.member_id, t.txn_id, n, 'wallet', 'debt', part, gained.lot_id, gained.issuer_id,
                    debt.partner_id, t.business_date, gained.issued_on);
        END LOOP;
    END LOOP;
    IF left_ <> 0 THEN
        RAISE EXCEPTION 'wallet of % owes more than its debts', t.member_id USING ERRCODE = 'data_corrupted';
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_repay_debt FROM PUBLIC;

-- The number of the transaction's last posting so far; 0: it has none.
CREATE OR REPLACE FUNCTION coalition.ledger_last_posting(t coalition.txn) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    last_ int;
BEGIN
    SELECT coalesce(max(p.seq), 0) INTO last_ FROM coalition.posting p
    WHERE p.member_id = t.member_id AND p.txn_id = t.txn_id;
    RETURN last_;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_last_posting FROM PUBLIC;

-- Give p_points of a burn back to the lots they came from, the last taken first, past the p_before that came back
-- already. Points whose lot has expired live on in a lot of their own for the days of grace, once: those that came out
-- of such a lot go back to it, over or not. Returns until when points live whose lot had expired, or NULL.
CREATE OR REPLACE FUNCTION coalition.ledger_restore(
    t coalition.txn, original coalition.txn, p_points bigint, p_before bigint
) RETURNS date LANGUAGE plpgsql AS $$
DECLARE
    taken   record;
    part    bigint;
    skip    bigint := p_before;
    left_   bigint := p_points;
    n       int := 0;
    today   date;
    lives   date;
    graced  boolean;
    given   date;
    target  uuid;
BEGIN
    -- The open day may lie behind the calendar's, while a night is late, and behind a partner's own test clock.
    SELECT d.today, d.today + p.grace_days INTO STRICT today, lives FROM coalition.programme p
    CROSS JOIN LATERAL (SELECT greatest(t.business_date, coalition.day_in(p.time_zone, t.booked_at)) AS today) d;
    FOR taken IN
        SELECT p.lot_id, p.issuer_id, p.issued_on, p.points, l.expires_on, l.txn_id, l.is_grace, l.campaign, l.rule,
               coalesce(l.origin_id, l.lot_id) AS origin_id
        FROM coalition.posting p JOIN coalition.lot l ON l.member_id = p.member_id AND l.lot_id = p.lot_id
        WHERE p.member_id = original.member_id AND p.txn_id = original.txn_id AND p.credit = 'redemption'
        ORDER BY p.seq DESC
    LOOP
        EXIT WHEN left_ = 0;
        part := least(greatest(taken.points - skip, 0), left_);
        skip := greatest(skip - taken.points, 0);
        CONTINUE WHEN part = 0;
        left_ := left_ - part;
        n := n + 1;
        graced := taken.expires_on <= today AND NOT taken.is_grace;
        IF taken.expires_on <= today THEN
            given := greatest(given, CASE WHEN graced THEN lives ELSE taken.expires_on END);
        END IF;
        IF t.member_id = original.member_id AND NOT graced THEN
            target := taken.lot_id;
            UPDATE coalition.lot l SET remaining = l.remaining + part, is_open = true
            WHERE l.member_id = t.member_id AND l.lot_id = target;
        ELSE
            target := coalition.new_id();
            INSERT INTO coalition.lot
                (member_id, lot_id, issuer_id, issued_on, expires_on, issued, remaining, is_open, held, vests_at,
                 txn_id, origin_id, is_grace, campaign, rule)
            VALUES (t.member_id, target, taken.issuer_id, taken.issued_on,
                    CASE WHEN graced THEN lives ELSE taken.expires_on END, part, part, true, 0, NULL, taken.txn_id,
                    taken.origin_id, graced OR taken.is_grace, taken.campaign, taken.rule);
        END IF;
        INSERT INTO coalition.posting
            (member_id, txn_id, seq, debit, credit, points, lot_id, issuer_id, partner_id, business_date, issued_on)
        VALUES (t.member_id, t.txn_id, n, 'redemption', 'wallet', part, target, taken.issuer_id, t.partner_id,
                t.business_date, taken.issued_on);
    END LOOP;
    IF left_ <> 0 THEN
        RAISE EXCEPTION 'burn % has no % points left to give back', original.txn_id, p_points
            USING ERRCODE = 'data_corrupted';
    END IF;
    RETURN given;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_restore FROM PUBLIC;

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
                CASE WHEN l.vests_at IS NULL THEN 'wallet' ELSE 'pending' END::coalition.account, 'merge', l.remaining,
                l.lot_id, l.issuer_id, r.partner_id, away.business_date, l.issued_on);
        INSERT INTO coalition.lot
            (member_id, lot_id, issuer_id, issued_on, expires_on, issued, remaining, is_open, held, vests_at, txn_id,
             origin_id, is_grace, campaign, rule)
        VALUES (here.member_id, lot_id, l.issuer_id, l.issued_on, l.expires_on, l.remaining, l.remaining,
                l.vests_at IS NULL, 0, l.vests_at, l.txn_id, coalesce(l.origin_id, l.lot_id), l.is_grace, l.campaign,
                l.rule);
        INSERT INTO coalition.posting
            (member_id, txn_id, seq, debit, credit, points, lot_id, issuer_id, partner_id, business_date, issued_on)
        VALUES (here.member_id, here.txn_id, n, 'merge',
                CASE WHEN l.vests_at IS NULL THEN 'wallet' ELSE 'pending' END::coalition.account,
                l.remaining, lot_id, l.issuer_id, r.partner_id, here.business_date, l.issued_on);
    END LOOP;
    UPDATE coalition.lot x SET remaining = 0, is_open = false, vests_at = NULL
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
        WHEN 'vest' THEN RETURN coalition.ledger_vest(r);
        -- A day is carried by its midnight in UTC, whatever zone the session shows times in.
        WHEN 'expiry' THEN RETURN coalition.ledger_expire(r, (r.due_at AT TIME ZONE 'UTC')::date);
    END CASE;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_post FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.ledger_post TO coalition_service;

-- A request by the names of its fields: what a caller doesn't know of stays NULL. PostgreSQL inlines the call, so it
-- costs nothing (docs/decisions/0025).
CREATE OR REPLACE FUNCTION coalition.request(
    kind coalition.txn_kind DEFAULT NULL, partner_id uuid DEFAULT NULL, key text DEFAULT NULL,
    request_hash bytea DEFAULT NULL, txn_id uuid DEFAULT NULL, event_id uuid DEFAULT NULL,
    now timestamptz DEFAULT NULL, member_id uuid DEFAULT NULL, original_id uuid DEFAULT NULL,
    reference text DEFAULT NULL, points bigint DEFAULT NULL, amount_minor bigint DEFAULT NULL,
    currency text DEFAULT NULL, effective_at timestamptz DEFAULT NULL, due_at timestamptz DEFAULT NULL,
    meta jsonb DEFAULT NULL
) RETURNS coalition.request LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ROW(request.kind, request.partner_id, request.key, request.request_hash, request.txn_id,
               request.event_id, request.now, request.member_id, request.original_id, request.reference,
               request.points, request.amount_minor, request.currency, request.effective_at, request.due_at,
               request.meta)::coalition.request
$$;
REVOKE EXECUTE ON FUNCTION coalition.request FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.request TO coalition_service, coalition_tenant;

-- Reverse the transactions of one purchase, all or none, under the key of r: what was spent comes back first, then what
-- was earned is taken back, so the outcome does not hang on an order. One row for each part (requests of kind reversal
-- without a key, for wallets of one member), or one that refuses. Its reference names the whole of it: one that stands
-- for other reversals, for some of these or for more than these, is reference_reused.
-- Refusals: several_members, and those of a reversal, which name the part's transaction_id.
CREATE OR REPLACE FUNCTION coalition.ledger_return(r coalition.request, p_parts coalition.request[])
RETURNS SETOF coalition.outcome LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known    coalition.outcome;
    o        coalition.outcome;
    outcomes coalition.outcome[] := '{}';
    part     coalition.request;
    asked    bigint := (SELECT count(DISTINCT u.original_id) FROM unnest(p_parts) u);
    fresh    bigint := 0;
    older    uuid;  -- a reversal that stood under the reference before
BEGIN
    IF NOT coalition.ledger_claim(r) THEN
        known := coalition.ledger_answered(r);
        IF known.refusal IS NOT NULL THEN
            RETURN NEXT known;
        ELSE
            RETURN QUERY SELECT true, NULL::text, NULL::jsonb, t FROM unnest(p_parts) u
                JOIN coalition.ledger_referenced(r.partner_id, r.reference, 'reversal') t
                ON t.reverses_txn_id = u.original_id;
        END IF;
        RETURN;
    END IF;
    IF (SELECT count(DISTINCT coalition.ledger_living_member(t.member_id)) FROM unnest(p_parts) u
        CROSS JOIN LATERAL coalition.ledger_find(u.original_id) t WHERE t.partner_id = r.partner_id) > 1 THEN
        RETURN NEXT coalition.ledger_store_refusal(r, 'several_members', '{}');
        RETURN;
    END IF;
    BEGIN
        FOR part IN SELECT u.* FROM unnest(p_parts) u CROSS JOIN LATERAL coalition.ledger_find(u.original_id) t
                    ORDER BY t.kind = 'earn', u.original_id LOOP
            o := coalition.ledger_reverse(part);
            IF o.refusal IS NOT NULL THEN
                RAISE EXCEPTION 'a part is refused' USING ERRCODE = 'CL001';
            END IF;
            outcomes := outcomes || o;
            fresh := fresh + (NOT o.replayed)::int;
        END LOOP;
        -- The wallet is locked by now: of two returns at once the second sees what the first posted.
        IF fresh NOT IN (0, asked) OR asked <> (
            SELECT count(*) FROM coalition.ledger_referenced(r.partner_id, r.reference, 'reversal')) THEN
            SELECT t.txn_id INTO older FROM coalition.ledger_referenced(r.partner_id, r.reference, 'reversal') t
            WHERE t.txn_id NOT IN (SELECT u.txn_id FROM unnest(p_parts) u) ORDER BY t.member_seq LIMIT 1;
            o := (false, 'reference_reused', jsonb_build_object('transaction_id', older), NULL)::coalition.outcome;
            RAISE EXCEPTION 'the reference stands for another return' USING ERRCODE = 'CL001';
        END IF;
    EXCEPTION WHEN SQLSTATE 'CL001' THEN
        RETURN NEXT coalition.ledger_store_refusal(
            r, o.refusal, jsonb_build_object('transaction_id', part.original_id) || o.detail);
        RETURN;
    END;
    UPDATE coalition.idempotency i SET txn_id = (outcomes[1].txn).txn_id
    WHERE i.partner_id = r.partner_id AND i.key = r.key;
    RETURN QUERY SELECT * FROM unnest(outcomes);
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_return FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.ledger_return TO coalition_service;

-- Reverse an earn, a burn or a capture of the same partner: r.points of it, or the points r.amount_minor of it earned,
-- or all that is left, which may be nothing. Never more in sum than the original, nor of earns than their issuers
-- issued and have not taken back; of several awards the last go first. Refusals: original_not_found, not_reversible,
-- amount_not_comparable, more_than_reversible, points_spent, and those of lock.
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

-- Points of one award that expired in the wallet of the member, wherever merges and returns took them; p_lot_id is the
-- lot it was issued as. Nobody spent them, so nobody gives them back.
CREATE OR REPLACE FUNCTION coalition.ledger_expired(p_member_id uuid, p_issuer_id uuid, p_lot_id uuid) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
DECLARE
    one  uuid;
    part bigint;
    sum_ bigint := 0;
BEGIN
    FOR one IN SELECT * FROM coalition.ledger_merged_into(p_member_id) LOOP
        SELECT coalesce(sum(p.points), 0) INTO part
        FROM coalition.txn t
        JOIN coalition.posting p ON p.member_id = t.member_id AND p.txn_id = t.txn_id
        JOIN coalition.lot l ON l.member_id = p.member_id AND l.lot_id = p.lot_id
        WHERE t.member_id = one AND t.kind = 'expiry' AND t.partner_id = p_issuer_id
          AND coalesce(l.origin_id, l.lot_id) = p_lot_id;
        sum_ := sum_ + part;
    END LOOP;
    RETURN sum_;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_expired FROM PUBLIC;

-- What a partner issued to a member, and to those merged into it, and has neither taken back nor seen expire: the most
-- that may be taken of its points. A return's shortfall was taken too: of each award, or of all.
CREATE OR REPLACE FUNCTION coalition.ledger_reclaimable(p_member_id uuid, p_partner_id uuid) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
DECLARE
    one  uuid;
    part bigint;
    sum_ bigint := 0;
BEGIN
    FOR one IN SELECT * FROM coalition.ledger_merged_into(p_member_id) LOOP
        SELECT coalesce(sum(coalesce(p.points, 0) - CASE WHEN t.kind IN ('reversal', 'clawback') THEN coalesce(
            CASE WHEN t.meta ? 'awards' THEN (
                     SELECT sum((a ->> 'shortfall')::bigint) FROM jsonb_array_elements(t.meta -> 'awards') a
                     WHERE (a ->> 'issuer_id')::uuid = p_partner_id)
                 WHEN t.partner_id = p_partner_id THEN t.shortfall + t.debt_repaid END, 0) ELSE 0 END), 0) INTO part
        FROM coalition.txn t
        LEFT JOIN (
            SELECT x.member_id, x.txn_id,
                   sum(CASE WHEN x.debit IN ('issuance', 'adjustment') THEN x.points
                            WHEN x.credit IN ('issuance', 'breakage') THEN -x.points ELSE 0 END) AS points
            FROM coalition.posting x WHERE x.member_id = one AND x.issuer_id = p_partner_id GROUP BY 1, 2
        ) p ON p.member_id = t.member_id AND p.txn_id = t.txn_id
        WHERE t.member_id = one AND t.kind IN ('earn', 'adjustment', 'clawback', 'reversal', 'expiry');
        sum_ := sum_ + part;
    END LOOP;
    RETURN greatest(0, sum_);
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_reclaimable FROM PUBLIC;

-- What is left to take back of an earn, award by award, the last first: never more of an issuer's points than it may
-- take from the member p_member_id, who has them now.
CREATE OR REPLACE FUNCTION coalition.ledger_takings(p_member_id uuid, earn coalition.txn) RETURNS SETOF coalition.taking
LANGUAGE plpgsql AS $$
DECLARE
    reversals coalition.txn[] := ARRAY(SELECT x FROM coalition.ledger_reversals(earn.txn_id) x);
    award     coalition.posting;
    taken     bigint;
    awards    coalition.taking[] := '{}';
BEGIN
    FOR award IN SELECT * FROM coalition.posting p
                 WHERE p.member_id = earn.member_id AND p.txn_id = earn.txn_id AND p.debit = 'issuance' LOOP
        SELECT coalesce(sum(CASE WHEN earn.meta ? 'awards' THEN (
                                     SELECT sum((a ->> 'points')::bigint)
                                     FROM jsonb_array_elements(x.meta -> 'awards') a
                                     WHERE (a ->> 'award')::int = award.seq)
                                 ELSE x.points + x.debt_repaid + x.shortfall END), 0)
               + coalition.ledger_expired(p_member_id, award.issuer_id, award.lot_id)
        INTO taken FROM unnest(reversals) x;
        awards := awards || (award.seq, award.issuer_id, award.lot_id,
                             greatest(0, award.points - taken))::coalition.taking;
    END LOOP;
    RETURN QUERY
        SELECT CASE WHEN earn.meta ? 'awards' THEN s.award END, s.issuer_id, s.lot_id,
               greatest(0, least(s.points, s.most - s.before))::bigint
        FROM (SELECT a.*, i.most,
                     coalesce(sum(a.points) OVER (PARTITION BY a.issuer_id ORDER BY a.award DESC
                                                  ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
              FROM unnest(awards) a
              JOIN (SELECT u.issuer_id, coalition.ledger_reclaimable(p_member_id, u.issuer_id) AS most
                    FROM (SELECT DISTINCT x.issuer_id FROM unnest(awards) x) u) i USING (issuer_id)) s
        ORDER BY s.award DESC;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_takings FROM PUBLIC;

-- How much of what is to be taken is still there, pending or not, in any lot of its issuer.
CREATE OR REPLACE FUNCTION coalition.ledger_coverable(p_member_id uuid, p_takings coalition.taking[]) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
DECLARE
    wanted record;
    free   bigint;
    sum_   bigint := 0;
BEGIN
    FOR wanted IN SELECT u.issuer_id, sum(u.points) AS points FROM unnest(p_takings) u GROUP BY 1 LOOP
        SELECT coalesce(sum(l.remaining - l.held), 0) INTO free FROM coalition.lot l
        WHERE l.member_id = p_member_id AND l.issuer_id = wanted.issuer_id AND (l.is_open OR l.vests_at IS NOT NULL);
        sum_ := sum_ + least(wanted.points, free);
    END LOOP;
    RETURN sum_;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_coverable FROM PUBLIC;

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
    WHERE p.member_id = t.member_id AND p.txn_id = t.txn_id AND p.debit = 'pending';
    t.points := asked - t.shortfall;
    t.pending_after := t.pending_after - pending;
    t.available_after := t.available_after - (t.points - pending);
    IF noted <> '[]' THEN
        t.meta := coalesce(t.meta, '{}') || jsonb_build_object('awards', noted);
    END IF;
    RETURN (false, NULL, NULL, t)::coalition.outcome;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_take_back FROM PUBLIC;

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

-- A new id that sorts behind those made before it: UUIDv7 with the time to a quarter of a microsecond (RFC 9562, 6.2,
-- method 3). Lots of one expiry are spent in the order of their ids, so chance must have no say in it.
CREATE OR REPLACE FUNCTION coalition.new_id() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT encode(overlay(overlay(uuid_send(gen_random_uuid())
        PLACING substring(int8send(us / 1000) FROM 3) FROM 1 FOR 6)
        PLACING substring(int4send((28672 + us % 1000 * 4096 / 1000)::int) FROM 3) FROM 7 FOR 2), 'hex')::uuid
    FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us) now
$$;
REVOKE EXECUTE ON FUNCTION coalition.new_id FROM PUBLIC;

-- A wallet for a member just enrolled.
CREATE OR REPLACE FUNCTION coalition.ledger_open_wallet(p_member_id uuid)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO coalition.wallet (member_id) VALUES (p_member_id);
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_open_wallet FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.ledger_open_wallet TO coalition_service, coalition_tenant;

-- The member who has p_member_id's points now: itself, or whom it was merged into.
CREATE OR REPLACE FUNCTION coalition.ledger_living_member(p_member_id uuid) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
    living uuid := p_member_id;
    next_  uuid;
BEGIN
    FOR merges IN 0..1000 LOOP
        SELECT w.merged_into INTO next_ FROM coalition.wallet w WHERE w.member_id = living;
        IF next_ IS NULL THEN
            RETURN living;
        END IF;
        living := next_;
    END LOOP;
    RAISE EXCEPTION 'the merges of % lead nowhere', p_member_id USING ERRCODE = 'data_corrupted';
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_living_member FROM PUBLIC;

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
    IF w.held > 0 AND r.kind NOT IN ('capture', 'void', 'lapse', 'vest', 'expiry')
       AND coalition.ledger_lapse_overdue(r.member_id, r.partner_id, p.booked_at, p.true_now) THEN
        RETURN coalition.ledger_lock(r, p_even_blocked);  -- the wallet as it stands now
    END IF;
    t.member_id := r.member_id; t.member_seq := w.version + 1; t.txn_id := r.txn_id; t.kind := r.kind;
    t.partner_id := r.partner_id; t.points := r.points; t.shortfall := 0; t.debt_repaid := 0;
    t.reference := r.reference;
    t.available_after := w.available; t.held_after := w.held; t.pending_after := w.pending; t.debt_after := w.debt;
    t.amount_minor := r.amount_minor; t.currency := r.currency; t.effective_at := p.effective_at;
    t.booked_at := p.booked_at; t.business_date := p.open_day; t.original_business_date := p.original_day;
    IF r.kind NOT IN ('earn', 'adjustment') THEN
        t.expires_on := NULL;
    END IF;
    RETURN (false, NULL, NULL, t)::coalition.outcome;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_lock FROM PUBLIC;

-- Write the transaction, unless its reference is taken; whether it was written. Where members lie on several nodes the
-- reference is claimed in a row of its own, in the same commit; there no index could be the ON CONFLICT's.
CREATE OR REPLACE FUNCTION coalition.ledger_write(t coalition.txn) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF coalition.is_distributed() THEN
        INSERT INTO coalition.receipt
            (partner_id, reference, kind, reverses_txn_id, member_id, txn_id)
        VALUES (t.partner_id, t.reference, t.kind, t.reverses_txn_id, t.member_id, t.txn_id)
        ON CONFLICT (partner_id, reference, kind, reverses_txn_id) DO NOTHING;
        IF NOT FOUND THEN
            RETURN false;
        END IF;
        INSERT INTO coalition.txn
            (member_id, member_seq, txn_id, kind, partner_id, points, shortfall, available_after, reference,
             reverses_txn_id, amount_minor, currency, points_per_unit, minor_per_unit, expires_on, effective_at,
             booked_at, business_date, original_business_date, held_after, pending_after, debt_after, debt_repaid,
             hold_id, due_at, meta)
        VALUES (t.member_id, t.member_seq, t.txn_id, t.kind, t.partner_id, t.points, t.shortfall, t.available_after,
                t.reference, t.reverses_txn_id, t.amount_minor, t.currency, t.points_per_unit, t.minor_per_unit,
                t.expires_on, t.effective_at, t.booked_at, t.business_date, t.original_business_date, t.held_after,
                t.pending_after, t.debt_after, t.debt_repaid, t.hold_id, t.due_at, t.meta);
        RETURN true;
    END IF;
    INSERT INTO coalition.txn
        (member_id, member_seq, txn_id, kind, partner_id, points, shortfall, available_after, reference,
         reverses_txn_id, amount_minor, currency, points_per_unit, minor_per_unit, expires_on, effective_at,
         booked_at, business_date, original_business_date, held_after, pending_after, debt_after, debt_repaid,
         hold_id, due_at, meta)
    VALUES (t.member_id, t.member_seq, t.txn_id, t.kind, t.partner_id, t.points, t.shortfall, t.available_after,
            t.reference, t.reverses_txn_id, t.amount_minor, t.currency, t.points_per_unit, t.minor_per_unit,
            t.expires_on, t.effective_at, t.booked_at, t.business_date, t.original_business_date, t.held_after,
            t.pending_after, t.debt_after, t.debt_repaid, t.hold_id, t.due_at, t.meta)
    ON CONFLICT (partner_id, reference, kind, reverses_txn_id) DO NOTHING;
    RETURN FOUND;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_write FROM PUBLIC;

-- Write a transaction whose reference was looked for already. If another wallet's posting took it since then, all that
-- this one did has to be undone: unique_violation, and the caller may simply ask again.
CREATE OR REPLACE FUNCTION coalition.ledger_write_new(t coalition.txn) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT coalition.ledger_write(t) THEN
        RAISE unique_violation USING MESSAGE = format('the reference %s is being posted at this moment', t.reference),
                                     CONSTRAINT = 'txn_reference';
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_write_new FROM PUBLIC;

-- The rows every operation ends with: the wallet's new state and the event, in the same commit. An earn's event says
-- its awards, where it named them.
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
    UPDATE coalition.wallet w
    SET available = t.available_after, held = t.held_after, pending = t.pending_after, debt = t.debt_after,
        version = t.member_seq
    WHERE w.member_id = t.member_id;
    INSERT INTO kit.event (subject_id, event_id, partner_id, type, occurred_at, data)
    VALUES (t.member_id, p_event_id, t.partner_id,
        CASE t.kind WHEN 'earn' THEN 'points.earned' WHEN 'burn' THEN 'points.burned' WHEN 'hold' THEN 'points.held'
            WHEN 'capture' THEN 'points.captured' WHEN 'void' THEN 'points.released' WHEN 'lapse' THEN 'points.lapsed'
            WHEN 'vest' THEN 'points.vested' WHEN 'expiry' THEN 'points.expired'
            WHEN 'adjustment' THEN 'points.adjusted' WHEN 'merge' THEN 'points.merged' ELSE 'points.reversed' END,
        t.booked_at, said);
    RETURN (false, NULL, NULL, t)::coalition.outcome;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_finish FROM PUBLIC;

-- Block a member, or open the wallet again. Returns whether that changed anything; NULL when there is no such wallet,
-- or it is merged.
CREATE OR REPLACE FUNCTION coalition.ledger_set_blocked(p_member_id uuid, p_blocked boolean) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wanted coalition.wallet_state := CASE WHEN p_blocked THEN 'blocked' ELSE 'open' END;
    found_ coalition.wallet_state;
BEGIN
    SELECT w.state INTO found_ FROM coalition.wallet w WHERE w.member_id = p_member_id FOR UPDATE;
    IF NOT FOUND OR found_ = 'merged' THEN
        RETURN NULL;
    END IF;
    UPDATE coalition.wallet w SET state = wanted WHERE w.member_id = p_member_id AND w.state <> wanted;
    RETURN FOUND;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_set_blocked FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.ledger_set_blocked TO coalition_service;

-- The member's wallet, for a transaction that may have posted to it: on a cluster rows that one role wrote can be read
-- by another only after the commit, and this reads as the one that posts.
CREATE OR REPLACE FUNCTION coalition.wallet_of(p_member_id uuid) RETURNS SETOF coalition.wallet
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT * FROM coalition.wallet w WHERE w.member_id = p_member_id;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.wallet_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.wallet_of TO coalition_service, coalition_tenant;

-- Whose points the member can spend, for a transaction that may have posted to its wallet.
CREATE OR REPLACE FUNCTION coalition.issuers_of(p_member_id uuid) RETURNS SETOF uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT DISTINCT l.issuer_id FROM coalition.lot l WHERE l.member_id = p_member_id AND l.is_open;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.issuers_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.issuers_of TO coalition_service;

-- The member's debt after its transaction number p_member_seq, for a transaction that may have posted to its wallet.
CREATE OR REPLACE FUNCTION coalition.debt_after(p_member_id uuid, p_member_seq bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    debt bigint;
BEGIN
    SELECT t.debt_after INTO debt FROM coalition.txn t WHERE t.member_id = p_member_id AND t.member_seq = p_member_seq;
    RETURN debt;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.debt_after FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.debt_after TO coalition_service;

-- What a member's last transaction booked up to p_at left in the wallet, whosever it was; no row: no such member.
CREATE OR REPLACE FUNCTION coalition.wallet_at(
    p_member_id uuid, p_at timestamptz, OUT available bigint, OUT held bigint, OUT pending bigint, OUT debt bigint
) RETURNS SETOF record LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM w.member_id FROM coalition.wallet w WHERE w.member_id = p_member_id;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT t.available_after, t.held_after, t.pending_after, t.debt_after INTO available, held, pending, debt
    FROM coalition.txn t WHERE t.member_id = p_member_id AND t.booked_at <= p_at ORDER BY t.member_seq DESC LIMIT 1;
    available := coalesce(available, 0); held := coalesce(held, 0);
    pending := coalesce(pending, 0); debt := coalesce(debt, 0);
    RETURN NEXT;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.wallet_at FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.wallet_at TO coalition_service, coalition_tenant;

-- Points of the member burned or set aside from p_day on, at p_partner_id (NULL: at all partners), however they were
-- proved; returns are not counted. A member's entries are in the order of their days, so what is read is the day's and
-- one more, however long the history.
CREATE OR REPLACE FUNCTION coalition.points_spent(p_member_id uuid, p_day date, p_partner_id uuid DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    seen  bigint;
    spent bigint;
BEGIN
    SELECT t.member_seq INTO seen FROM coalition.txn t
    WHERE t.member_id = p_member_id AND t.business_date < p_day ORDER BY t.member_seq DESC LIMIT 1;
    SELECT coalesce(sum(t.points), 0) INTO spent FROM coalition.txn t
    WHERE t.member_id = p_member_id AND t.member_seq > coalesce(seen, 0) AND t.kind IN ('burn', 'hold')
      AND t.partner_id = coalesce(p_partner_id, t.partner_id);
    RETURN spent;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.points_spent FROM PUBLIC;

-- Which business day an instant lies in, in the programme's zone.
CREATE OR REPLACE FUNCTION coalition.day_in(p_time_zone text, p_at timestamptz)
RETURNS date LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT (p_at AT TIME ZONE p_time_zone)::date
$$;
REVOKE EXECUTE ON FUNCTION coalition.day_in FROM PUBLIC;

-- The lock that closing a day takes exclusively, and every posting shared.
CREATE OR REPLACE FUNCTION coalition.day_gate() RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT 7205759403792793600
$$;
REVOKE EXECUTE ON FUNCTION coalition.day_gate FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.day_gate TO coalition_service;

-- Close the open day if it is p_day: when this has committed, nothing can land in p_day any more. Returns whether it
-- did.
CREATE OR REPLACE FUNCTION coalition.ledger_close_day(p_day date, p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(coalition.day_gate());
    UPDATE coalition.programme p SET open_day = p_day + 1 WHERE p.open_day = p_day;
    IF FOUND THEN
        INSERT INTO coalition.sealed_day (day, closed_at) VALUES (p_day, p_now);
    END IF;
    RETURN FOUND;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_close_day FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.ledger_close_day TO coalition_service;

-- Close every business day that is over at p_now, the oldest first, and return them. In a demo coalition its test clock
-- says which are. Nothing can land in them any more once this has committed.
CREATE OR REPLACE FUNCTION coalition.close_days_over(p_now timestamptz) RETURNS SETOF date
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    p coalition.programme;
BEGIN
    SELECT * INTO p FROM coalition.programme;
    IF NOT FOUND OR (coalesce(p.test_now, p_now) AT TIME ZONE p.time_zone)::date <= p.open_day THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(coalition.day_gate());
    SELECT * INTO STRICT p FROM coalition.programme FOR UPDATE;  -- somebody else may have closed it while we waited
    WHILE (coalesce(p.test_now, p_now) AT TIME ZONE p.time_zone)::date > p.open_day LOOP
        INSERT INTO coalition.sealed_day (day, closed_at) VALUES (p.open_day, p_now);
        RETURN NEXT p.open_day;
        p.open_day := p.open_day + 1;
    END LOOP;
    UPDATE coalition.programme SET open_day = p.open_day;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.close_days_over FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.close_days_over TO coalition_service;

-- Seal a closed day, once.
CREATE OR REPLACE FUNCTION coalition.ledger_seal_day(
    p_day date, p_now timestamptz, p_version int, p_postings bigint, p_totals jsonb, p_digest bytea, p_chain bytea
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE coalition.sealed_day s
    SET sealed_at = p_now, version = p_version, postings = p_postings, totals = p_totals, digest = p_digest,
        chain = p_chain
    WHERE s.day = p_day AND s.sealed_at IS NULL;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM brin_summarize_new_values('coalition.posting_day'), brin_summarize_new_values('coalition.txn_day');
    RETURN true;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_seal_day FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.ledger_seal_day TO coalition_service;

-- As it was, but the days the clock passes are closed with it: what is posted next is posted into its own day.
CREATE OR REPLACE FUNCTION coalition.set_test_clock(p_now timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    programme coalition.programme;
BEGIN
    -- The gate before the row, as in closing a day, so that the two can't wait for each other.
    IF (SELECT p.test_now IS NULL OR coalition.day_in(p.time_zone, p_now) > p.open_day FROM coalition.programme p) THEN
        PERFORM pg_advisory_xact_lock(coalition.day_gate());
    END IF;
    SELECT * INTO STRICT programme FROM coalition.programme FOR UPDATE;
    IF programme.test_now IS NULL THEN
        PERFORM t.txn_id FROM coalition.txn t LIMIT 1;
        IF FOUND OR EXISTS (SELECT FROM coalition.sealed_day) THEN
            RETURN 'live';
        END IF;
        UPDATE coalition.programme SET test_now = p_now, open_day = (p_now AT TIME ZONE time_zone)::date;
    ELSIF p_now < programme.test_now THEN
        RETURN 'backwards';
    ELSE
        UPDATE coalition.programme SET test_now = p_now;
        PERFORM coalition.close_days_over(clock_timestamp());  -- closed_at is by the true clock
    END IF;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.set_test_clock FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.set_test_clock TO coalition_service;

-- By how many identifiers a member is found, other partners' own ids among them.
CREATE OR REPLACE FUNCTION coalition.count_identifiers(p_member_id uuid) RETURNS bigint
LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT count(*) FROM coalition.member_identifier i WHERE i.member_id = p_member_id
$$;
REVOKE EXECUTE ON FUNCTION coalition.count_identifiers FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.count_identifiers TO coalition_service, coalition_tenant;

-- Whether another than p_partner_id has posted for the member.
CREATE OR REPLACE FUNCTION coalition.used_by_others(p_member_id uuid, p_partner_id uuid) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM t.txn_id FROM coalition.txn t WHERE t.member_id = p_member_id AND t.partner_id <> p_partner_id LIMIT 1;
    RETURN FOUND;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.used_by_others FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.used_by_others TO coalition_service, coalition_tenant;

-- The member proved itself at p_partner_id: with that it is claimed, unless that partner enrolled it.
CREATE OR REPLACE FUNCTION coalition.claim_member(p_member_id uuid, p_partner_id uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE coalition.member m SET is_claimed = true
    WHERE m.member_id = p_member_id AND NOT m.is_claimed AND m.enrolled_by <> p_partner_id
$$;
REVOKE EXECUTE ON FUNCTION coalition.claim_member FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.claim_member TO coalition_service, coalition_tenant;

-- Whether the partner's word is all there is for the member, and points of others are in its wallet.
CREATE OR REPLACE FUNCTION coalition.only_vouched_for(p_member_id uuid, p_partner_id uuid)
RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    PERFORM m.member_id FROM coalition.member m
    WHERE m.member_id = p_member_id AND NOT m.is_claimed AND m.enrolled_by = p_partner_id;
    IF FOUND THEN
        PERFORM l.lot_id FROM coalition.lot l
        WHERE l.member_id = p_member_id AND l.is_open AND l.issuer_id <> p_partner_id LIMIT 1;
    END IF;
    RETURN FOUND;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.only_vouched_for FROM PUBLIC;

-- The end of the chain, held until the end of the transaction: who appends next waits here.
CREATE OR REPLACE FUNCTION partners.audit_head(OUT seq bigint, OUT digest bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('partners.audit', 0));
    SELECT e.seq, e.digest INTO seq, digest FROM partners.audit_entry e ORDER BY e.seq DESC LIMIT 1;
    seq := coalesce(seq, 0);
    digest := coalesce(digest, decode(repeat('00', 32), 'hex'));
END $$;
REVOKE EXECUTE ON FUNCTION partners.audit_head FROM PUBLIC;
GRANT EXECUTE ON FUNCTION partners.audit_head TO coalition_service, coalition_tenant;

-- Append the entry p_seq to the chain; whoever read the head before it has to be the one who appends.
CREATE OR REPLACE FUNCTION partners.audit_append(p_seq bigint, p_content text, p_digest bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF p_seq IS DISTINCT FROM (SELECT head.seq + 1 FROM partners.audit_head() head) THEN
        RAISE EXCEPTION 'audit entry % does not follow the last one', p_seq;
    END IF;
    INSERT INTO partners.audit_entry (seq, content, digest) VALUES (p_seq, p_content, p_digest);
END $$;
REVOKE EXECUTE ON FUNCTION partners.audit_append FROM PUBLIC;
GRANT EXECUTE ON FUNCTION partners.audit_append TO coalition_service, coalition_tenant;

-- Whether the member agreed to the partner spending so many points more today. Call it with the wallet locked.
CREATE OR REPLACE FUNCTION partners.consent_covers(p_member_id uuid, p_partner_id uuid, p_points bigint, p_day date)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    most_per_day bigint;
BEGIN
    SELECT max(g.most_per_day) INTO most_per_day
    FROM partners.oauth_grant g JOIN partners.oauth_client c USING (client_id)
    WHERE g.subject_id = p_member_id AND g.subject_kind = 'member' AND c.partner_id = p_partner_id
      AND g.revoked_at IS NULL AND c.revoked_at IS NULL AND g.most_per_purchase >= p_points;
    RETURN most_per_day IS NOT NULL
       AND coalition.points_spent(p_member_id, p_day, p_partner_id) + p_points <= most_per_day;
END $$;
REVOKE EXECUTE ON FUNCTION partners.consent_covers FROM PUBLIC;

-- The refusal of the first award of r whose issuer doesn't let the asking partner award so many of its points; NULL
-- where all may be awarded.
CREATE OR REPLACE FUNCTION partners.refused_award(r coalition.request) RETURNS coalition.outcome
LANGUAGE sql STABLE AS $$
    SELECT (false, 'award_not_permitted', jsonb_build_object(
                'issuer_id', a.issuer_id, 'requested', a.points, 'most_per_award', coalesce(p.most_per_award, 0)),
            NULL)::coalition.outcome
    FROM jsonb_to_recordset(r.meta -> 'awards') AS a (points bigint, issuer_id uuid)
    LEFT JOIN (SELECT x.issuer_id, x.most_per_award
               FROM partners.award_permission x JOIN partners.partner i ON i.partner_id = x.issuer_id
               WHERE x.partner_id = r.partner_id AND x.withdrawn_at IS NULL AND i.status = 'active' AND i.is_issuer) p
        ON p.issuer_id = a.issuer_id
    WHERE a.issuer_id <> r.partner_id AND (a.points <= p.most_per_award) IS NOT TRUE LIMIT 1
$$;
REVOKE EXECUTE ON FUNCTION partners.refused_award FROM PUBLIC;

-- Post what a partner asks for, and nothing else. Points of other issuers it awards only as far as they permit. Burns
-- and holds that come without a proof of the member (p_proved: a PIN or code was looked at) go as far as the programme
-- or a consent lets them. The wallet is locked before what the day has seen is counted, so of two at once the second
-- counts the first. The day's gate comes before the wallet, as everywhere in the ledger. Where the partner itself is
-- all that stands behind the member's credentials, they prove nothing for points of others. Refusals: step_up_required,
-- claim_required and award_not_permitted, which are not stored (what is missing may follow under the same key), and the
-- ledger's.
CREATE OR REPLACE FUNCTION partners.post(r coalition.request, p_proved boolean DEFAULT false) RETURNS coalition.outcome
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    p       record;
    w       record;
    claimed boolean;
    refused coalition.outcome;
BEGIN
    IF p_proved THEN
        PERFORM coalition.claim_member(r.member_id, r.partner_id);  -- the member before its wallet, as everywhere
    END IF;
    CASE r.kind
        WHEN 'earn' THEN
            IF r.meta IS NOT NULL THEN
                refused := partners.refused_award(r);
                IF refused.refusal IS NOT NULL
                   AND NOT coalition.ledger_is_answered(r.partner_id, r.key, r.reference, r.kind) THEN
                    RETURN refused;
                END IF;
            END IF;
            RETURN coalition.ledger_earn(r);
        WHEN 'capture', 'void' THEN RETURN coalition.ledger_end_hold(r);
        WHEN 'reversal' THEN RETURN coalition.ledger_reverse(r);
        WHEN 'clawback' THEN RETURN coalition.ledger_claw_back(r);
        WHEN 'burn', 'hold' THEN NULL;
        ELSE RAISE insufficient_privilege USING MESSAGE = format('a partner posts no %s', r.kind);
    END CASE;
    IF NOT pg_try_advisory_xact_lock_shared(coalition.day_gate()) THEN
        PERFORM pg_advisory_xact_lock_shared(coalition.day_gate());
    END IF;
    SELECT x.pin_free_points AS limit_, x.pin_free_points_per_day AS limit_per_day, x.open_day
    INTO p FROM coalition.programme x;
    SELECT x.state = 'open' AS is_open, x.available + x.held + x.pending AS in_all
    INTO w FROM coalition.wallet x WHERE x.member_id = r.member_id FOR UPDATE;
    -- What the ledger refuses anyway needs no proof: no such wallet, one that is closed, more than it holds in all.
    IF NOT FOUND OR NOT w.is_open OR r.points > w.in_all THEN
        RETURN coalition.ledger_burn(r);
    END IF;
    IF p_proved THEN
        claimed := NOT coalition.only_vouched_for(r.member_id, r.partner_id);
        IF claimed THEN
            RETURN coalition.ledger_burn(r);
        END IF;
    END IF;
    IF (r.points <= p.limit_) IS NOT FALSE
       AND (p.limit_per_day IS NULL
            OR coalition.points_spent(r.member_id, p.open_day) + r.points <= p.limit_per_day) THEN
        RETURN coalition.ledger_burn(r);
    END IF;
    claimed := coalesce(claimed, NOT coalition.only_vouched_for(r.member_id, r.partner_id));
    IF claimed AND partners.consent_covers(r.member_id, r.partner_id, r.points, p.open_day)
       OR coalition.ledger_is_answered(r.partner_id, r.key, r.reference, r.kind) THEN
        RETURN coalition.ledger_burn(r);
    END IF;
    IF NOT claimed THEN
        RETURN (false, 'claim_required', jsonb_build_object(
            'requested', r.points, 'limit', p.limit_, 'limit_per_day', p.limit_per_day), NULL)::coalition.outcome;
    END IF;
    RETURN (false, 'step_up_required', jsonb_build_object(
        'requested', r.points, 'limit', p.limit_, 'limit_per_day', p.limit_per_day,
        'accepts', jsonb_build_array('code', 'pin', 'consent')), NULL)::coalition.outcome;
END $$;
REVOKE EXECUTE ON FUNCTION partners.post FROM PUBLIC;
GRANT EXECUTE ON FUNCTION partners.post TO coalition_service, coalition_tenant;

-- Post what a partner asks for with a PIN or code that was looked at.
CREATE OR REPLACE FUNCTION partners.post_proved(r coalition.request)
RETURNS coalition.outcome LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN partners.post(r, true);
END $$;
REVOKE EXECUTE ON FUNCTION partners.post_proved FROM PUBLIC;
GRANT EXECUTE ON FUNCTION partners.post_proved TO coalition_service, coalition_tenant;

-- Post a return that a partner asks for: of its own transactions, and nothing else.
CREATE OR REPLACE FUNCTION partners.post_return(r coalition.request, p_parts coalition.request[])
RETURNS SETOF coalition.outcome LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM unnest(array_prepend(r, p_parts)) u
               WHERE u.kind IS DISTINCT FROM 'reversal' OR u.partner_id IS DISTINCT FROM r.partner_id) THEN
        RAISE insufficient_privilege USING MESSAGE = 'a return is made of the partner''s own reversals';
    END IF;
    RETURN QUERY SELECT * FROM coalition.ledger_return(r, p_parts);
END $$;
REVOKE EXECUTE ON FUNCTION partners.post_return FROM PUBLIC;
GRANT EXECUTE ON FUNCTION partners.post_return TO coalition_service, coalition_tenant;
