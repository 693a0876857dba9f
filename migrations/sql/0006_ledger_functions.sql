-- The ledger's only door. The service's role may execute these functions and may not write to the tables behind them.
--
-- Every operation goes the same way: the day's gate and the key (claim), the wallet's lock (lock), the rules, the rows,
-- the wallet's new state and the event (finish). Each statement of a PL/pgSQL function sees what was committed before
-- it began, so what is read after the wallet's lock is what the holder before us left: the trap of a burn written as one
-- statement (docs/decisions/0002) can't occur. A refusal is a value, not an exception, since it has to be stored and
-- committed like any other outcome. Between lock and finish a transaction's *_after fields carry the wallet's state.

-- What is asked for. `key` is NULL where the coalition itself asks (expiry, a lapse): then only the reference protects.
CREATE TYPE coalition.request AS (
    kind         coalition.txn_kind,
    partner_id   uuid,
    key          text,
    request_hash bytea,
    txn_id       uuid,
    event_id     uuid,
    now          timestamptz,
    member_id    uuid,        -- NULL where original_id tells it
    original_id  uuid,        -- what is reversed, the hold that ends, the lot that vests, the member merged into
    reference    text,
    points       bigint,
    amount_minor bigint,
    currency     text,
    effective_at timestamptz,
    due_at       timestamptz,
    meta         jsonb
);

CREATE TYPE coalition.outcome AS (
    replayed boolean,        -- true: this is what was answered before, nothing was posted now
    refusal  text,           -- the code of the refusal, or NULL
    detail   jsonb,          -- the refusal's facts
    txn      coalition.txn
);

CREATE FUNCTION coalition.day_gate() RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT 7205759403792793600';

-- Pass the day's gate and reserve the key. False: the key was answered before.
CREATE FUNCTION coalition.ledger_claim(r coalition.request) RETURNS boolean LANGUAGE plpgsql AS $$
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

-- What was answered to the key.
CREATE FUNCTION coalition.ledger_answered(r coalition.request) RETURNS coalition.outcome LANGUAGE plpgsql AS $$
DECLARE
    stored coalition.idempotency;
    posted coalition.txn;
BEGIN
    SELECT * INTO STRICT stored FROM coalition.idempotency i WHERE i.partner_id = r.partner_id AND i.key = r.key;
    IF stored.request_hash <> r.request_hash THEN
        RETURN (false, 'idempotency_key_reused', '{}', NULL)::coalition.outcome;
    END IF;
    SELECT * INTO posted FROM coalition.txn t WHERE t.txn_id = stored.txn_id;
    RETURN (true, stored.refusal, stored.detail, posted)::coalition.outcome;
END $$;

-- Remember that the answer to this key is no.
CREATE FUNCTION coalition.ledger_store_refusal(r coalition.request, p_refusal text, p_detail jsonb)
RETURNS coalition.outcome LANGUAGE plpgsql AS $$
BEGIN
    UPDATE coalition.idempotency i SET txn_id = NULL, refusal = p_refusal, detail = p_detail
    WHERE i.partner_id = r.partner_id AND i.key = r.key;
    RETURN (false, p_refusal, p_detail, NULL)::coalition.outcome;
END $$;

-- The answer when the reference was posted before under another key: the same receipt is answered with its transaction,
-- another content is refused by name. NULL when the reference is free.
CREATE FUNCTION coalition.ledger_known_reference(r coalition.request) RETURNS coalition.outcome LANGUAGE plpgsql AS $$
DECLARE
    old coalition.txn;
BEGIN
    SELECT * INTO old FROM coalition.txn t
    WHERE t.partner_id = r.partner_id AND t.reference = r.reference AND t.kind = r.kind
      AND t.reverses_txn_id IS NOT DISTINCT FROM CASE WHEN r.kind = 'reversal' THEN r.original_id END;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF old.member_id <> r.member_id THEN
        RETURN coalition.ledger_store_refusal(r, 'reference_of_another_member', '{}');
    END IF;
    IF old.amount_minor <> r.amount_minor OR old.currency <> r.currency
       OR (r.amount_minor IS NULL AND old.points + old.repaid * (old.kind = 'reversal')::int + old.uncovered <> r.points)
       OR (r.amount_minor IS NOT NULL AND old.amount_minor IS NULL)
       OR (old.kind IN ('capture', 'void') AND old.hold_id <> r.original_id) THEN
        RETURN coalition.ledger_store_refusal(
            r, 'reference_reused', jsonb_build_object('transaction_id', old.txn_id));
    END IF;
    UPDATE coalition.idempotency i SET txn_id = old.txn_id WHERE i.partner_id = r.partner_id AND i.key = r.key;
    RETURN (true, NULL, NULL, old)::coalition.outcome;
END $$;

-- Say no, unless the receipt was posted before: then that is the answer, whatever has become of the wallet since.
CREATE FUNCTION coalition.ledger_refuse(r coalition.request, p_refusal text, p_detail jsonb)
RETURNS coalition.outcome LANGUAGE plpgsql AS $$
DECLARE
    known coalition.outcome := coalition.ledger_known_reference(r);
BEGIN
    IF known.replayed IS NOT NULL THEN
        RETURN known;
    END IF;
    RETURN coalition.ledger_store_refusal(r, p_refusal, p_detail);
END $$;

-- Lock the wallet and draft the transaction: next in the member's order, dated, its *_after the wallet as it stands.
-- The test clock of a demo coalition overrides `r.now`. Refusals: member_not_found, member_merged, member_blocked,
-- effective_in_future, effective_too_old.
CREATE FUNCTION coalition.ledger_lock(r coalition.request, p_even_blocked boolean DEFAULT false)
RETURNS coalition.outcome LANGUAGE plpgsql AS $$
DECLARE
    t coalition.txn;
    w record;
BEGIN
    SELECT x.available, x.held, x.pending, x.owed, x.version, x.state, x.merged_into,
           coalesce(p.test_now, r.now) AS booked_at, coalesce(r.effective_at, p.test_now, r.now) AS effective_at,
           (coalesce(r.effective_at, p.test_now, r.now) AT TIME ZONE p.time_zone)::date AS original_day,
           p.open_day, p.expiry_months
    INTO w FROM coalition.wallet x CROSS JOIN coalition.programme p WHERE x.member_id = r.member_id FOR UPDATE OF x;
    IF NOT FOUND THEN
        RETURN (false, 'member_not_found', '{}', NULL)::coalition.outcome;
    ELSIF w.state = 'merged' THEN
        RETURN (false, 'member_merged', jsonb_build_object('member_id', w.merged_into), NULL)::coalition.outcome;
    ELSIF w.state = 'blocked' AND NOT p_even_blocked THEN
        RETURN (false, 'member_blocked', '{}', NULL)::coalition.outcome;
    ELSIF w.effective_at > w.booked_at + interval '5 minutes' THEN
        RETURN (false, 'effective_in_future', '{}', NULL)::coalition.outcome;
    END IF;
    t.expires_on := (w.original_day + make_interval(months => w.expiry_months))::date;
    IF t.expires_on <= w.open_day + 1 THEN
        -- Points of that day would be gone with this night, so nothing that old can be meant.
        RETURN (false, 'effective_too_old', '{}', NULL)::coalition.outcome;
    END IF;
    t.member_id := r.member_id; t.member_seq := w.version + 1; t.txn_id := r.txn_id; t.kind := r.kind;
    t.partner_id := r.partner_id; t.points := r.points; t.uncovered := 0; t.repaid := 0; t.reference := r.reference;
    t.available_after := w.available; t.held_after := w.held; t.pending_after := w.pending; t.owed_after := w.owed;
    t.amount_minor := r.amount_minor; t.currency := r.currency; t.effective_at := w.effective_at;
    t.booked_at := w.booked_at; t.business_date := w.open_day; t.original_business_date := w.original_day;
    IF r.kind NOT IN ('earn', 'adjustment') THEN
        t.expires_on := NULL;
    END IF;
    RETURN (false, NULL, NULL, t)::coalition.outcome;
END $$;

-- The rows every operation ends with: the wallet's new state and the event, in the same commit.
CREATE FUNCTION coalition.ledger_finish(t coalition.txn, p_event_id uuid) RETURNS coalition.outcome LANGUAGE plpgsql AS $$
BEGIN
    UPDATE coalition.wallet w
    SET available = t.available_after, held = t.held_after, pending = t.pending_after, owed = t.owed_after,
        version = t.member_seq
    WHERE w.member_id = t.member_id;
    INSERT INTO kit.event (subject_id, event_id, partner_id, type, occurred_at, data)
    VALUES (t.member_id, p_event_id, t.partner_id,
        CASE t.kind WHEN 'earn' THEN 'points.earned' WHEN 'burn' THEN 'points.burned' WHEN 'hold' THEN 'points.held'
            WHEN 'capture' THEN 'points.captured' WHEN 'void' THEN 'points.released' WHEN 'lapse' THEN 'points.lapsed'
            WHEN 'vest' THEN 'points.vested' WHEN 'expiry' THEN 'points.expired'
            WHEN 'adjustment' THEN 'points.adjusted' WHEN 'merge' THEN 'points.merged' ELSE 'points.reversed' END,
        t.booked_at,
        CASE t.kind WHEN 'earn' THEN jsonb_build_object(
            'transaction_id', t.txn_id, 'member_id', t.member_id, 'partner_id', t.partner_id, 'points', t.points,
            'available_after', t.available_after, 'reference', t.reference, 'effective_at', t.effective_at,
            'business_date', t.business_date, 'member_seq', t.member_seq, 'expires_on', t.expires_on,
            'vests_at', t.due_at, 'repaid', t.repaid)
        WHEN 'burn' THEN jsonb_build_object(
            'transaction_id', t.txn_id, 'member_id', t.member_id, 'partner_id', t.partner_id, 'points', t.points,
            'available_after', t.available_after, 'reference', t.reference, 'effective_at', t.effective_at,
            'business_date', t.business_date, 'member_seq', t.member_seq)
        ELSE jsonb_build_object(
            'transaction_id', t.txn_id, 'member_id', t.member_id, 'partner_id', t.partner_id, 'points', t.points,
            'available_after', t.available_after, 'reference', t.reference, 'effective_at', t.effective_at,
            'business_date', t.business_date, 'member_seq', t.member_seq, 'kind', t.kind, 'held_after', t.held_after,
            'hold_id', t.hold_id, 'expires_at', t.due_at, 'reverses_transaction_id', t.reverses_txn_id,
            'uncovered', t.uncovered, 'repaid', t.repaid)
        END);
    RETURN (false, NULL, NULL, t)::coalition.outcome;
END $$;

-- The points an amount earns: the exact product, rounded down.
CREATE FUNCTION coalition.points_for(p_amount_minor bigint, p_points_per_unit numeric, p_minor_per_unit bigint)
RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
'SELECT div(p_amount_minor * p_points_per_unit, p_minor_per_unit)::bigint';

-- Repay t.repaid points of the wallet's debts, the oldest first, out of the lot that was just earned or vested.
CREATE FUNCTION coalition.ledger_repay(t coalition.txn, l coalition.lot) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    debt  coalition.debt;
    part  bigint;
    left_ bigint := t.repaid;
    n     int := 1;
BEGIN
    FOR debt IN SELECT * FROM coalition.debt d WHERE d.member_id = t.member_id AND d.repaid < d.points ORDER BY d.txn_id LOOP
        EXIT WHEN left_ = 0;
        part := least(left_, debt.points - debt.repaid);
        left_ := left_ - part;
        n := n + 1;
        UPDATE coalition.debt d SET repaid = d.repaid + part WHERE d.member_id = t.member_id AND d.txn_id = debt.txn_id;
        INSERT INTO coalition.posting VALUES (t.member_id, t.txn_id, n, 'wallet', 'recovery', part, l.lot_id, l.issuer_id,
                                              debt.partner_id, t.business_date, l.issued_on);
    END LOOP;
    IF left_ <> 0 THEN
        RAISE EXCEPTION 'wallet of % owes more than its debts', t.member_id USING ERRCODE = 'data_corrupted';
    END IF;
END $$;

-- Issue points as one lot of the partner's. With due_at they are pending until then. Debts are repaid first.
-- Refusals: no_earning_rate, vests_out_of_range, and those of lock.
CREATE FUNCTION coalition.ledger_earn(r coalition.request) RETURNS coalition.outcome
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    o    coalition.outcome;
    t    coalition.txn;
    rate coalition.earning_rate;
BEGIN
    IF NOT coalition.ledger_claim(r) THEN
        RETURN coalition.ledger_answered(r);
    END IF;
    o := coalition.ledger_lock(r);
    IF o.refusal IS NOT NULL THEN
        RETURN coalition.ledger_refuse(r, o.refusal, o.detail);
    END IF;
    t := o.txn;

    IF r.amount_minor IS NOT NULL THEN
        SELECT * INTO rate FROM coalition.earning_rate e
        WHERE e.partner_id = r.partner_id AND e.valid @> t.original_business_date AND e.currency = r.currency;
        IF NOT FOUND THEN
            RETURN coalition.ledger_refuse(r, 'no_earning_rate', jsonb_build_object(
                'day', t.original_business_date, 'currency', r.currency));
        END IF;
        t.points_per_unit := rate.points_per_unit;
        t.minor_per_unit := rate.minor_per_unit;
        t.points := coalition.points_for(r.amount_minor, rate.points_per_unit, rate.minor_per_unit);
    END IF;
    IF r.due_at IS NULL THEN
        t.repaid := least(t.owed_after, t.points);
        t.available_after := t.available_after + t.points - t.repaid;
        t.owed_after := t.owed_after - t.repaid;
    ELSE
        IF r.due_at <= t.booked_at OR r.due_at::date >= t.expires_on THEN
            RETURN coalition.ledger_refuse(r, 'vests_out_of_range', jsonb_build_object('expires_on', t.expires_on));
        END IF;
        t.due_at := r.due_at;
        t.pending_after := t.pending_after + t.points;
    END IF;

    INSERT INTO coalition.txn VALUES (t.*) ON CONFLICT (partner_id, reference, kind, reverses_txn_id) DO NOTHING;
    IF NOT FOUND THEN
        RETURN coalition.ledger_known_reference(r);
    END IF;
    IF t.points > 0 THEN
        INSERT INTO coalition.lot
        VALUES (t.member_id, t.txn_id, t.partner_id, t.business_date, t.expires_on, t.points, t.points - t.repaid,
                t.due_at IS NULL AND t.points > t.repaid, 0, t.due_at);
        INSERT INTO coalition.posting
        VALUES (t.member_id, t.txn_id, 1, 'issuance',
                CASE WHEN t.due_at IS NULL THEN 'wallet' ELSE 'pending' END::coalition.account, t.points, t.txn_id,
                t.partner_id, t.partner_id, t.business_date, t.business_date);
        IF t.repaid > 0 THEN
            PERFORM coalition.ledger_repay(t, l) FROM coalition.lot l
            WHERE l.member_id = t.member_id AND l.lot_id = t.txn_id;
        END IF;
    END IF;
    RETURN coalition.ledger_finish(t, r.event_id);
END $$;

-- Take up to p_points out of what is free in the member's open lots, in the order given, and post each to p_credit; to
-- 'hold' they stay in their lot, set aside. Returns what it got. Its postings are numbered after p_seq.
--   p_issuer_id  only that issuer's lots, newest first (a clawback); NULL: all, first-expiring first (a burn)
--   p_first_lot  this lot before all others (the reversal of its earn)
CREATE FUNCTION coalition.ledger_take(
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
        OPEN lots FOR SELECT * FROM coalition.lot l WHERE l.member_id = t.member_id AND l.is_open
            ORDER BY l.expires_on, l.lot_id;
    ELSE
        OPEN lots FOR SELECT * FROM coalition.lot l
            WHERE l.member_id = t.member_id AND l.is_open AND l.issuer_id = p_issuer_id
            ORDER BY l.lot_id = p_first_lot DESC, l.lot_id DESC;
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
            UPDATE coalition.lot l SET remaining = l.remaining - part, is_open = l.remaining - part > l.held
            WHERE l.member_id = t.member_id AND l.lot_id = lot.lot_id;
        END IF;
        INSERT INTO coalition.posting
        VALUES (t.member_id, t.txn_id, n, 'wallet', p_credit, part, lot.lot_id, lot.issuer_id, t.partner_id,
                t.business_date, lot.issued_on);
    END LOOP;
    CLOSE lots;
    RETURN got;
END $$;

-- Take exactly p_points, first-expiring first; what the wallet says it has, its lots have.
CREATE FUNCTION coalition.ledger_take_all(t coalition.txn, p_points bigint, p_credit coalition.account) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF coalition.ledger_take(t, p_points, p_credit) <> p_points THEN
        RAISE EXCEPTION 'wallet of % says more is available than its lots hold', t.member_id
            USING ERRCODE = 'data_corrupted';
    END IF;
END $$;

-- Spend points, first-expiring lots first, across issuers; or (kind hold) set them aside until due_at.
-- Refusals: insufficient_points, hold_out_of_range, and those of lock.
CREATE FUNCTION coalition.ledger_burn(r coalition.request) RETURNS coalition.outcome
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    o coalition.outcome;
    t coalition.txn;
BEGIN
    IF NOT coalition.ledger_claim(r) THEN
        RETURN coalition.ledger_answered(r);
    END IF;
    o := coalition.ledger_lock(r);
    IF o.refusal IS NOT NULL THEN
        RETURN coalition.ledger_refuse(r, o.refusal, o.detail);
    END IF;
    t := o.txn;
    IF t.available_after < r.points THEN
        RETURN coalition.ledger_refuse(r, 'insufficient_points', jsonb_build_object(
            'available', t.available_after, 'requested', r.points));
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

    INSERT INTO coalition.txn VALUES (t.*) ON CONFLICT (partner_id, reference, kind, reverses_txn_id) DO NOTHING;
    IF NOT FOUND THEN
        RETURN coalition.ledger_known_reference(r);
    END IF;
    IF t.kind = 'hold' THEN
        INSERT INTO coalition.hold VALUES (t.member_id, t.txn_id, t.partner_id, t.points, 0, 'open', t.due_at);
        PERFORM coalition.ledger_take_all(t, r.points, 'hold');
    ELSE
        PERFORM coalition.ledger_take_all(t, r.points, 'redemption');
    END IF;
    RETURN coalition.ledger_finish(t, r.event_id);
END $$;

-- End the hold r.original_id: capture r.points of it (NULL: all; the rest returns), void it, or let it lapse.
-- Refusals: hold_not_found, hold_finished, hold_lapsed, hold_running, more_than_held, and those of lock.
CREATE FUNCTION coalition.ledger_end_hold(r coalition.request) RETURNS coalition.outcome
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    o     coalition.outcome;
    t     coalition.txn;
    h     coalition.hold;
    kept  record;
    taken bigint;
    part  bigint;
    n     int := 0;
BEGIN
    IF NOT coalition.ledger_claim(r) THEN
        RETURN coalition.ledger_answered(r);
    END IF;
    SELECT x.member_id INTO r.member_id FROM coalition.txn x
    WHERE x.txn_id = r.original_id AND x.partner_id = r.partner_id AND x.kind = 'hold';
    IF NOT FOUND THEN
        RETURN coalition.ledger_store_refusal(r, 'hold_not_found', '{}');
    END IF;
    o := coalition.ledger_lock(r, true);
    IF o.refusal IS NOT NULL THEN
        RETURN coalition.ledger_refuse(r, o.refusal, o.detail);
    END IF;
    t := o.txn;
    SELECT * INTO STRICT h FROM coalition.hold x WHERE x.member_id = r.member_id AND x.hold_id = r.original_id;
    IF h.status <> 'open' THEN
        RETURN coalition.ledger_refuse(r, 'hold_finished', jsonb_build_object('hold_status', h.status));
    ELSIF (h.expires_at <= t.booked_at) <> (r.kind = 'lapse') THEN
        RETURN coalition.ledger_refuse(r, CASE r.kind WHEN 'lapse' THEN 'hold_running' ELSE 'hold_lapsed' END,
                                       jsonb_build_object('expires_at', h.expires_at));
    ELSIF r.points > h.points THEN
        RETURN coalition.ledger_refuse(r, 'more_than_held', jsonb_build_object(
            'held', h.points, 'requested', r.points));
    END IF;
    taken := CASE r.kind WHEN 'capture' THEN coalesce(r.points, h.points) ELSE 0 END;
    t.points := CASE r.kind WHEN 'capture' THEN taken ELSE h.points END;
    t.held_after := t.held_after - h.points;
    t.available_after := t.available_after + h.points - taken;
    t.hold_id := h.hold_id;

    INSERT INTO coalition.txn VALUES (t.*) ON CONFLICT (partner_id, reference, kind, reverses_txn_id) DO NOTHING;
    IF NOT FOUND THEN
        RETURN coalition.ledger_known_reference(r);
    END IF;
    UPDATE coalition.hold x
    SET captured = taken,
        status = CASE r.kind WHEN 'capture' THEN 'captured' WHEN 'void' THEN 'voided' ELSE 'lapsed' END::coalition.hold_status
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
            VALUES (t.member_id, t.txn_id, n, 'hold', 'redemption', part, kept.lot_id, kept.issuer_id, t.partner_id,
                    t.business_date, kept.issued_on);
        END IF;
        IF part < kept.points THEN
            n := n + 1;
            INSERT INTO coalition.posting
            VALUES (t.member_id, t.txn_id, n, 'hold', 'wallet', kept.points - part, kept.lot_id, kept.issuer_id,
                    t.partner_id, t.business_date, kept.issued_on);
        END IF;
    END LOOP;
    RETURN coalition.ledger_finish(t, r.event_id);
END $$;

-- Give p_points of a burn or capture back to the lots they came from, the last taken first, after the p_before that
-- were given back already. A lot whose expiry has passed lives for the programme's days of grace; where the burn's
-- member was merged, the points become lots of the member merged into.
CREATE FUNCTION coalition.ledger_give_back(t coalition.txn, original coalition.txn, p_points bigint, p_before bigint)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    taken  record;
    part   bigint;
    skip   bigint := p_before;
    left_  bigint := p_points;
    n      int := 0;
    lives  date;
    expires date;
    target uuid;
BEGIN
    SELECT t.business_date + p.grace_days INTO STRICT lives FROM coalition.programme p;
    FOR taken IN
        SELECT p.lot_id, p.issuer_id, p.issued_on, p.points, l.expires_on FROM coalition.posting p
        JOIN coalition.lot l ON l.member_id = p.member_id AND l.lot_id = p.lot_id
        WHERE p.member_id = original.member_id AND p.txn_id = original.txn_id AND p.credit = 'redemption'
        ORDER BY p.seq DESC
    LOOP
        EXIT WHEN left_ = 0;
        part := least(greatest(taken.points - skip, 0), left_);
        skip := greatest(skip - taken.points, 0);
        CONTINUE WHEN part = 0;
        left_ := left_ - part;
        n := n + 1;
        expires := CASE WHEN taken.expires_on > t.business_date THEN taken.expires_on ELSE lives END;
        IF t.member_id = original.member_id THEN
            target := taken.lot_id;
            UPDATE coalition.lot l
            SET remaining = l.remaining + part, is_open = true, expires_on = expires
            WHERE l.member_id = t.member_id AND l.lot_id = target;
        ELSE
            target := gen_random_uuid();
            INSERT INTO coalition.lot VALUES (t.member_id, target, taken.issuer_id, taken.issued_on,
                                              expires, part, part, true, 0, NULL);
        END IF;
        INSERT INTO coalition.posting
        VALUES (t.member_id, t.txn_id, n, 'redemption', 'wallet', part, target, taken.issuer_id, t.partner_id,
                t.business_date, taken.issued_on);
    END LOOP;
    IF left_ <> 0 THEN
        RAISE EXCEPTION 'burn % has no % points left to give back', original.txn_id, p_points
            USING ERRCODE = 'data_corrupted';
    END IF;
END $$;

-- Take t.points issued by the partner back: pending points of p_first_lot, then what is free in that lot, then in the
-- partner's other lots, newest first. What is spent already the programme's policy decides: it is written off
-- (uncovered), or the wallet owes it, less what its other points repay at once, or (points_spent) nothing is done.
CREATE FUNCTION coalition.ledger_take_back(t coalition.txn, p_first_lot uuid) RETURNS coalition.outcome
LANGUAGE plpgsql AS $$
DECLARE
    policy  coalition.return_policy;
    asked   bigint := t.points;
    pending bigint;
    got     bigint;
    first   coalition.lot;
    free    bigint;
BEGIN
    SELECT p.return_policy INTO STRICT policy FROM coalition.programme p;
    SELECT * INTO first FROM coalition.lot l
    WHERE l.member_id = t.member_id AND l.lot_id = p_first_lot AND l.vests_at IS NOT NULL;
    pending := least(coalesce(first.remaining, 0), asked);
    IF policy = 'refuse' THEN
        SELECT coalesce(sum(l.remaining - l.held), 0) + pending INTO free FROM coalition.lot l
        WHERE l.member_id = t.member_id AND l.is_open AND l.issuer_id = t.partner_id;
        IF free < asked THEN
            RETURN (false, 'points_spent', jsonb_build_object('coverable', free, 'requested', asked), NULL)::coalition.outcome;
        END IF;
    END IF;
    IF pending > 0 THEN
        UPDATE coalition.lot l SET remaining = l.remaining - pending,
               vests_at = CASE WHEN l.remaining > pending THEN l.vests_at END
        WHERE l.member_id = t.member_id AND l.lot_id = p_first_lot;
        INSERT INTO coalition.posting VALUES (t.member_id, t.txn_id, 1, 'pending', 'issuance', pending, first.lot_id,
                                              first.issuer_id, t.partner_id, t.business_date, first.issued_on);
    END IF;
    got := coalition.ledger_take(t, asked - pending, 'issuance', t.partner_id, p_first_lot, 1);
    t.points := pending + got;
    t.pending_after := t.pending_after - pending;
    t.available_after := t.available_after - got;
    t.uncovered := asked - t.points;
    IF policy = 'owed' AND t.uncovered > 0 THEN
        t.repaid := coalition.ledger_take(t, least(t.uncovered, t.available_after), 'recovery', p_seq => 1000);
        t.available_after := t.available_after - t.repaid;
        t.uncovered := t.uncovered - t.repaid;
        t.owed_after := t.owed_after + t.uncovered;
        IF t.uncovered > 0 THEN
            INSERT INTO coalition.debt VALUES (t.member_id, t.txn_id, t.partner_id, t.uncovered, 0);
        END IF;
    END IF;
    RETURN (false, NULL, NULL, t)::coalition.outcome;
END $$;

-- The member who has p_member_id's points now: itself, or whom it was merged into.
CREATE FUNCTION coalition.ledger_living_member(p_member_id uuid) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
    living uuid := p_member_id;
    next_  uuid;
BEGIN
    LOOP
        SELECT w.merged_into INTO next_ FROM coalition.wallet w WHERE w.member_id = living;
        EXIT WHEN next_ IS NULL;
        living := next_;
    END LOOP;
    RETURN living;
END $$;

-- Reverse an earn, a burn or a capture of the same partner: r.points of it, or the points r.amount_minor of it earned,
-- or all that is left. Never more in sum than the original. Refusals: transaction_not_found, not_reversible,
-- amount_not_comparable, more_than_reversible, points_spent, and those of lock.
CREATE FUNCTION coalition.ledger_reverse(r coalition.request) RETURNS coalition.outcome
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    o          coalition.outcome;
    t          coalition.txn;
    original   coalition.txn;
    before     bigint;           -- points of the original reversed already
    left_      bigint;           -- and those not yet
    left_minor bigint;           -- and of its amount
BEGIN
    IF NOT coalition.ledger_claim(r) THEN
        RETURN coalition.ledger_answered(r);
    END IF;
    SELECT * INTO original FROM coalition.txn x WHERE x.txn_id = r.original_id AND x.partner_id = r.partner_id;
    IF NOT FOUND THEN
        RETURN coalition.ledger_store_refusal(r, 'transaction_not_found', '{}');
    END IF;
    IF original.kind NOT IN ('earn', 'burn', 'capture') THEN
        RETURN coalition.ledger_store_refusal(r, 'not_reversible', jsonb_build_object('kind', original.kind));
    END IF;
    LOOP
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

    SELECT coalesce(sum(x.points + x.repaid + x.uncovered), 0), original.amount_minor - coalesce(sum(x.amount_minor), 0)
    INTO before, left_minor FROM coalition.txn x WHERE x.reverses_txn_id = r.original_id;
    left_ := original.points - before;
    IF r.amount_minor IS NOT NULL THEN
        IF original.amount_minor IS NULL OR original.currency <> r.currency THEN
            RETURN coalition.ledger_store_refusal(r, 'amount_not_comparable', '{}');
        END IF;
        IF r.amount_minor > left_minor THEN
            RETURN coalition.ledger_store_refusal(r, 'more_than_reversible', jsonb_build_object(
                'reversible_minor', left_minor, 'requested_minor', r.amount_minor));
        END IF;
        -- What the member keeps is what the rest of the purchase would have earned, at the purchase's own rate.
        t.points := greatest(left_ - coalition.points_for(
            left_minor - r.amount_minor, original.points_per_unit, original.minor_per_unit), 0);
    ELSIF r.points IS NULL THEN
        t.points := left_;
        t.amount_minor := left_minor;
        t.currency := original.currency;
    END IF;
    IF t.points > left_ OR (left_ = 0 AND r.amount_minor IS NULL) THEN
        RETURN coalition.ledger_store_refusal(r, 'more_than_reversible', jsonb_build_object(
            'reversible', left_, 'requested', t.points));
    END IF;

    IF original.kind = 'earn' THEN
        o := coalition.ledger_take_back(t, r.original_id);
        IF o.refusal IS NOT NULL THEN
            RETURN coalition.ledger_store_refusal(r, o.refusal, o.detail);
        END IF;
        t := o.txn;
    ELSE
        t.available_after := t.available_after + t.points;
        PERFORM coalition.ledger_give_back(t, original, t.points, before);
    END IF;
    INSERT INTO coalition.txn VALUES (t.*);
    RETURN coalition.ledger_finish(t, r.event_id);
END $$;

-- Take back what r.amount_minor earned at this partner when nobody knows with which purchase: from the partner's own
-- lots, the newest first. Refusals: no_earning_rate, points_spent, and those of lock.
CREATE FUNCTION coalition.ledger_claw_back(r coalition.request) RETURNS coalition.outcome
LANGUAGE plpgsql SECURITY DEFINER AS $$
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
    t.points := coalition.points_for(r.amount_minor, rate.points_per_unit, rate.minor_per_unit);
    o := coalition.ledger_take_back(t, NULL);
    IF o.refusal IS NOT NULL THEN
        RETURN coalition.ledger_store_refusal(r, o.refusal, o.detail);
    END IF;
    t := o.txn;
    INSERT INTO coalition.txn VALUES (t.*);
    RETURN coalition.ledger_finish(t, r.event_id);
END $$;

-- Make the pending points of the lot r.original_id available, once its time has come; debts are repaid first.
-- Refusals: nothing_to_vest, and those of lock.
CREATE FUNCTION coalition.ledger_vest(r coalition.request) RETURNS coalition.outcome
LANGUAGE plpgsql SECURITY DEFINER AS $$
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
        RETURN (false, 'nothing_to_vest', '{}', NULL)::coalition.outcome;
    END IF;
    t.points := l.remaining;
    t.expires_on := l.expires_on;
    t.repaid := least(t.owed_after, t.points);
    t.available_after := t.available_after + t.points - t.repaid;
    t.pending_after := t.pending_after - t.points;
    t.owed_after := t.owed_after - t.repaid;
    INSERT INTO coalition.txn VALUES (t.*);
    UPDATE coalition.lot x SET remaining = x.remaining - t.repaid, is_open = t.points > t.repaid, vests_at = NULL
    WHERE x.member_id = l.member_id AND x.lot_id = l.lot_id;
    INSERT INTO coalition.posting VALUES (t.member_id, t.txn_id, 1, 'pending', 'wallet', t.points, l.lot_id, l.issuer_id,
                                          t.partner_id, t.business_date, l.issued_on);
    IF t.repaid > 0 THEN
        PERFORM coalition.ledger_repay(t, l);
    END IF;
    RETURN coalition.ledger_finish(t, r.event_id);
END $$;

-- Expire what is free in the member's lots of one issuer (r.partner_id) that can't be spent on p_day any more.
-- Refusals: nothing_to_expire, and those of lock.
CREATE FUNCTION coalition.ledger_expire(r coalition.request, p_day date) RETURNS coalition.outcome
LANGUAGE plpgsql SECURITY DEFINER AS $$
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
        RETURN (false, 'nothing_to_expire', '{}', NULL)::coalition.outcome;
    END IF;
    t.available_after := t.available_after - t.points;
    INSERT INTO coalition.txn VALUES (t.*);
    INSERT INTO coalition.posting
    SELECT t.member_id, t.txn_id, row_number() OVER (ORDER BY l.expires_on, l.lot_id), 'wallet', 'breakage',
           l.remaining - l.held, l.lot_id, l.issuer_id, t.partner_id, t.business_date, l.issued_on
    FROM coalition.lot l
    WHERE l.member_id = r.member_id AND l.is_open AND l.issuer_id = r.partner_id AND l.expires_on <= p_day;
    UPDATE coalition.lot l SET remaining = l.held, is_open = false
    WHERE l.member_id = r.member_id AND l.is_open AND l.issuer_id = r.partner_id AND l.expires_on <= p_day;
    RETURN coalition.ledger_finish(t, r.event_id);
END $$;

-- Correct a wallet by hand: r.points in a new lot the partner stands behind, or (meta.direction = debit) out of the
-- wallet, first-expiring first. Who asked, who approved and why stand in r.meta. Refusals: insufficient_points, and
-- those of lock.
CREATE FUNCTION coalition.ledger_adjust(r coalition.request) RETURNS coalition.outcome
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    o coalition.outcome;
    t coalition.txn;
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
    IF r.meta ->> 'direction' = 'credit' THEN
        t.available_after := t.available_after + t.points;
    ELSIF t.available_after < t.points THEN
        RETURN coalition.ledger_refuse(r, 'insufficient_points', jsonb_build_object(
            'available', t.available_after, 'requested', r.points));
    ELSE
        t.expires_on := NULL;
        t.available_after := t.available_after - t.points;
    END IF;
    INSERT INTO coalition.txn VALUES (t.*) ON CONFLICT (partner_id, reference, kind, reverses_txn_id) DO NOTHING;
    IF NOT FOUND THEN
        RETURN coalition.ledger_known_reference(r);
    END IF;
    IF r.meta ->> 'direction' = 'credit' THEN
        INSERT INTO coalition.lot VALUES (t.member_id, t.txn_id, t.partner_id, t.business_date, t.expires_on, t.points,
                                          t.points, true, 0, NULL);
        INSERT INTO coalition.posting VALUES (t.member_id, t.txn_id, 1, 'adjustment', 'wallet', t.points, t.txn_id,
                                              t.partner_id, t.partner_id, t.business_date, t.business_date);
    ELSE
        PERFORM coalition.ledger_take_all(t, t.points, 'adjustment');
    END IF;
    RETURN coalition.ledger_finish(t, r.event_id);
END $$;

-- Merge the member r.member_id into r.original_id: lots, pending points and debts move over with their issuers and
-- dates, the emptied wallet is closed for good. Two transactions, one in each wallet; the second's ids stand in r.meta.
-- Refusals: member_not_found, same_member, holds_open, and those of lock.
CREATE FUNCTION coalition.ledger_merge(r coalition.request) RETURNS coalition.outcome
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    o       coalition.outcome;
    away    coalition.txn;
    here    coalition.txn;
    into_   coalition.request := r;
    from_id uuid := r.member_id;
    l       coalition.lot;
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
    PERFORM FROM coalition.wallet w WHERE w.member_id IN (r.member_id, r.original_id) ORDER BY w.member_id FOR UPDATE;
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
    here.owed_after := here.owed_after + away.owed_after;
    away.available_after := 0; away.pending_after := 0; away.owed_after := 0;
    away.meta := jsonb_build_object('merged_into', r.original_id);
    here.meta := jsonb_build_object('merged_from', r.member_id);
    here.reference := 'into-' || away.reference;
    INSERT INTO coalition.txn VALUES (away.*);
    INSERT INTO coalition.txn VALUES (here.*);
    FOR l IN SELECT * FROM coalition.lot x WHERE x.member_id = from_id AND x.remaining > 0 ORDER BY x.expires_on, x.lot_id LOOP
        n := n + 1;
        lot_id := gen_random_uuid();
        INSERT INTO coalition.posting
        VALUES (away.member_id, away.txn_id, n, CASE WHEN l.vests_at IS NULL THEN 'wallet' ELSE 'pending' END::coalition.account,
                'merge', l.remaining, l.lot_id, l.issuer_id, r.partner_id, away.business_date, l.issued_on);
        INSERT INTO coalition.lot
        VALUES (here.member_id, lot_id, l.issuer_id, l.issued_on, l.expires_on, l.remaining, l.remaining,
                l.vests_at IS NULL, 0, l.vests_at);
        INSERT INTO coalition.posting
        VALUES (here.member_id, here.txn_id, n, 'merge',
                CASE WHEN l.vests_at IS NULL THEN 'wallet' ELSE 'pending' END::coalition.account,
                l.remaining, lot_id, l.issuer_id, r.partner_id, here.business_date, l.issued_on);
    END LOOP;
    UPDATE coalition.lot x SET remaining = 0, is_open = false, vests_at = NULL WHERE x.member_id = from_id AND x.remaining > 0;
    UPDATE coalition.debt d SET member_id = here.member_id WHERE d.member_id = from_id;
    UPDATE coalition.wallet w SET state = 'merged', merged_into = here.member_id WHERE w.member_id = from_id;
    PERFORM coalition.ledger_finish(here, (r.meta ->> 'event_id')::uuid);
    RETURN coalition.ledger_finish(away, r.event_id);
END $$;

-- Block a member, or open the wallet again. Returns whether that changed anything; NULL when there is no such wallet,
-- or it is merged.
CREATE FUNCTION coalition.ledger_set_blocked(p_member_id uuid, p_blocked boolean) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER AS $$
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

-- Whatever is asked for: one door for a batch of many kinds.
CREATE FUNCTION coalition.ledger_post(r coalition.request) RETURNS coalition.outcome
LANGUAGE plpgsql SECURITY DEFINER AS $$
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
        WHEN 'expiry' THEN RETURN coalition.ledger_expire(r, r.due_at::date);
    END CASE;
END $$;

-- Seal a closed day, once.
CREATE FUNCTION coalition.ledger_seal_day(
    p_day date, p_now timestamptz, p_version int, p_postings bigint, p_totals jsonb, p_digest bytea, p_chain bytea
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
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

-- From which day on members are not warned yet that points expire, and from now on are up to p_day; NULL when they are
-- warned already. What is warned of commits with this, so nobody is warned twice.
CREATE FUNCTION coalition.claim_warnings(p_day date) RETURNS date LANGUAGE plpgsql SECURITY DEFINER AS $$
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

-- Forget outcomes that are older than p_before, at most p_limit of them. Returns how many. Rows lie in the order they
-- came, so reading from the front of the table finds the old ones first; an index for this would cost every earn.
CREATE FUNCTION coalition.forget_outcomes(p_before timestamptz, p_limit int) RETURNS bigint
LANGUAGE sql SECURITY DEFINER AS $$
    WITH old AS (SELECT ctid FROM coalition.idempotency i WHERE i.created_at < p_before LIMIT p_limit),
    gone AS (DELETE FROM coalition.idempotency i USING old WHERE i.ctid = old.ctid RETURNING 1)
    SELECT count(*) FROM gone
$$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA coalition FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.ledger_earn, coalition.ledger_burn, coalition.ledger_end_hold,
    coalition.ledger_reverse, coalition.ledger_claw_back, coalition.ledger_vest, coalition.ledger_expire,
    coalition.ledger_adjust, coalition.ledger_merge, coalition.ledger_set_blocked, coalition.ledger_post,
    coalition.forget_outcomes, coalition.claim_warnings, coalition.ledger_seal_day, coalition.points_for TO coalition_service;
