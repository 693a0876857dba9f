-- The ledger's only door. The service's role may execute these functions and may not write to the tables behind them.
--
-- Every operation goes the same way: the day's gate, the key, the wallet's lock, the reference, the rules, the rows.
-- Each statement of a PL/pgSQL function sees what was committed before it began, so what is read after the wallet's
-- lock is what the holder before us left: the trap of a burn written as one statement (docs/decisions/0002) can't occur.
-- A refusal is a value, not an exception, since it has to be stored and committed like any other outcome.

CREATE TYPE coalition.outcome AS (
    replayed boolean,        -- true: this is what was answered before, nothing was posted now
    refusal  text,           -- the code of the refusal, or NULL
    detail   jsonb,          -- the refusal's facts
    txn      coalition.txn
);

-- Reserve the key, or say what was answered to it. NULL means: go on.
CREATE FUNCTION coalition.ledger_claim_key(
    p_partner_id uuid, p_key text, p_request_hash bytea, p_txn_id uuid, p_now timestamptz
) RETURNS coalition.outcome LANGUAGE plpgsql AS $$
DECLARE
    stored coalition.idempotency;
    posted coalition.txn;
    result coalition.outcome;
BEGIN
    -- Closing a day takes this lock exclusively; nobody who holds it shared can still be writing into that day.
    PERFORM pg_advisory_xact_lock_shared(coalition.day_gate());
    INSERT INTO coalition.idempotency (partner_id, key, request_hash, txn_id, created_at)
    VALUES (p_partner_id, p_key, p_request_hash, p_txn_id, p_now) ON CONFLICT (partner_id, key) DO NOTHING;
    IF FOUND THEN
        RETURN NULL;
    END IF;
    SELECT * INTO STRICT stored FROM coalition.idempotency i WHERE i.partner_id = p_partner_id AND i.key = p_key;
    IF stored.request_hash <> p_request_hash THEN
        result.replayed := false;
        result.refusal := 'idempotency_key_reused';
        result.detail := '{}';
        RETURN result;
    END IF;
    result.replayed := true;
    result.refusal := stored.refusal;
    result.detail := stored.detail;
    SELECT * INTO posted FROM coalition.txn t WHERE t.txn_id = stored.txn_id;
    result.txn := posted;
    RETURN result;
END $$;

CREATE FUNCTION coalition.day_gate() RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT 7205759403792793600';

-- Remember that the answer to this key is no.
CREATE FUNCTION coalition.ledger_refuse(
    p_partner_id uuid, p_key text, p_refusal text, p_detail jsonb
) RETURNS coalition.outcome LANGUAGE plpgsql AS $$
DECLARE
    result coalition.outcome;
BEGIN
    UPDATE coalition.idempotency i SET txn_id = NULL, refusal = p_refusal, detail = p_detail
    WHERE i.partner_id = p_partner_id AND i.key = p_key;
    result.replayed := false;
    result.refusal := p_refusal;
    result.detail := p_detail;
    RETURN result;
END $$;

-- The answer when a partner's reference was posted before under another key: the same receipt is answered with its
-- transaction, another content is refused by name. NULL when the reference is free.
CREATE FUNCTION coalition.ledger_known_reference(p_key text, p_new coalition.txn, p_asked bigint)
RETURNS coalition.outcome LANGUAGE plpgsql AS $$
DECLARE
    old    coalition.txn;
    result coalition.outcome;
BEGIN
    SELECT * INTO old FROM coalition.txn t
    WHERE t.partner_id = p_new.partner_id AND t.reference = p_new.reference AND t.kind = p_new.kind
      AND t.reverses_txn_id IS NOT DISTINCT FROM p_new.reverses_txn_id;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF old.member_id <> p_new.member_id THEN
        RETURN coalition.ledger_refuse(p_new.partner_id, p_key, 'reference_of_another_member', '{}');
    END IF;
    IF (p_new.amount_minor IS NOT NULL AND old.amount_minor IS DISTINCT FROM p_new.amount_minor)
       OR (p_new.amount_minor IS NULL AND p_asked IS NOT NULL AND old.points + old.uncovered <> p_asked) THEN
        RETURN coalition.ledger_refuse(
            p_new.partner_id, p_key, 'reference_reused', jsonb_build_object('transaction_id', old.txn_id));
    END IF;
    UPDATE coalition.idempotency i SET txn_id = old.txn_id WHERE i.partner_id = p_new.partner_id AND i.key = p_key;
    result.replayed := true;
    result.txn := old;
    RETURN result;
END $$;

-- The rows every operation ends with: the wallet's new state and the event, in the same commit.
CREATE FUNCTION coalition.ledger_finish(t coalition.txn, p_event_id uuid, p_type text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE coalition.wallet w SET available = t.available_after, version = t.member_seq WHERE w.member_id = t.member_id;
    INSERT INTO kit.event (subject_id, event_id, partner_id, type, occurred_at, data)
    VALUES (t.member_id, p_event_id, t.partner_id, p_type, t.booked_at, jsonb_build_object(
        'transaction_id', t.txn_id, 'member_id', t.member_id, 'partner_id', t.partner_id, 'kind', t.kind,
        'points', t.points, 'uncovered', t.uncovered, 'available_after', t.available_after,
        'reference', t.reference, 'reverses_transaction_id', t.reverses_txn_id, 'expires_on', t.expires_on,
        'effective_at', t.effective_at, 'business_date', t.business_date, 'member_seq', t.member_seq));
END $$;

-- Fill in when: the test clock of a demo coalition overrides `p_now`.
CREATE FUNCTION coalition.ledger_date(t coalition.txn, p_programme coalition.programme, p_now timestamptz)
RETURNS coalition.txn LANGUAGE plpgsql AS $$
BEGIN
    t.booked_at := coalesce(p_programme.test_now, p_now);
    t.effective_at := coalesce(t.effective_at, t.booked_at);
    t.business_date := p_programme.open_day;
    t.original_business_date := (t.effective_at AT TIME ZONE p_programme.time_zone)::date;
    RETURN t;
END $$;

CREATE FUNCTION coalition.ledger_earn(
    p_now timestamptz, p_partner_id uuid, p_key text, p_request_hash bytea, p_txn_id uuid, p_event_id uuid,
    p_member_id uuid, p_reference text, p_points bigint, p_amount_minor bigint, p_currency text,
    p_effective_at timestamptz
) RETURNS coalition.outcome LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    result    coalition.outcome;
    t         coalition.txn;
    programme coalition.programme;
    wallet    coalition.wallet;
    rate      coalition.earning_rate;
BEGIN
    result := coalition.ledger_claim_key(p_partner_id, p_key, p_request_hash, p_txn_id, p_now);
    IF result.replayed IS NOT NULL THEN
        RETURN result;
    END IF;

    t.member_id := p_member_id; t.txn_id := p_txn_id; t.kind := 'earn'; t.partner_id := p_partner_id;
    t.reference := p_reference; t.amount_minor := p_amount_minor; t.currency := p_currency;
    t.effective_at := p_effective_at; t.uncovered := 0;

    SELECT * INTO wallet FROM coalition.wallet w WHERE w.member_id = p_member_id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN coalition.ledger_refuse(p_partner_id, p_key, 'member_not_found', '{}');
    END IF;

    SELECT * INTO STRICT programme FROM coalition.programme;
    t := coalition.ledger_date(t, programme, p_now);
    IF t.effective_at > t.booked_at + interval '5 minutes' THEN
        RETURN coalition.ledger_refuse(p_partner_id, p_key, 'effective_in_future', '{}');
    END IF;

    t.points := p_points;
    IF p_amount_minor IS NOT NULL THEN
        SELECT * INTO rate FROM coalition.earning_rate r
        WHERE r.partner_id = p_partner_id AND r.valid @> t.original_business_date AND r.currency = p_currency;
        IF NOT FOUND THEN
            RETURN coalition.ledger_refuse(p_partner_id, p_key, 'no_earning_rate', jsonb_build_object(
                'day', t.original_business_date, 'currency', p_currency));
        END IF;
        t.points_per_unit := rate.points_per_unit;
        t.minor_per_unit := rate.minor_per_unit;
        t.points := coalition.points_for(p_amount_minor, rate.points_per_unit, rate.minor_per_unit);
    END IF;

    t.expires_on := (t.original_business_date + make_interval(months => programme.expiry_months))::date;
    t.member_seq := wallet.version + 1;
    t.available_after := wallet.available + t.points;
    INSERT INTO coalition.txn VALUES (t.*) ON CONFLICT (partner_id, reference, kind, reverses_txn_id) DO NOTHING;
    IF NOT FOUND THEN
        RETURN coalition.ledger_known_reference(p_key, t, p_points);
    END IF;
    IF t.points > 0 THEN
        INSERT INTO coalition.lot (member_id, lot_id, issuer_id, issued_on, expires_on, issued, remaining, is_open)
        VALUES (p_member_id, p_txn_id, p_partner_id, t.business_date, t.expires_on, t.points, t.points, true);
        INSERT INTO coalition.posting
        VALUES (p_member_id, p_txn_id, 1, 'issuance', 'wallet', t.points, p_txn_id, p_partner_id, p_partner_id,
                t.business_date, t.business_date);
    END IF;
    PERFORM coalition.ledger_finish(t, p_event_id, 'points.earned');
    result.replayed := false;
    result.txn := t;
    RETURN result;
END $$;

-- Points an amount earns: amount × rate, fractions of a point dropped.
CREATE FUNCTION coalition.points_for(p_amount_minor bigint, p_points_per_unit numeric, p_minor_per_unit bigint)
RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
'SELECT div(p_amount_minor * p_points_per_unit, p_minor_per_unit)::bigint';

-- Take up to p_points out of the member's open lots, in the order given, and post each to p_credit. Returns what it got.
--   p_issuer_id  only that issuer's lots, newest first (a clawback); NULL: all, first-expiring first (a burn)
--   p_first_lot  this lot before all others (the reversal of its earn)
CREATE FUNCTION coalition.ledger_take(
    t coalition.txn, p_points bigint, p_credit coalition.account, p_issuer_id uuid, p_first_lot uuid
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    lot  coalition.lot;
    part bigint;
    got  bigint := 0;
    n    int := 0;
    lots refcursor;
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
        part := least(lot.remaining, p_points - got);
        got := got + part;
        n := n + 1;
        UPDATE coalition.lot l SET remaining = l.remaining - part, is_open = l.remaining > part
        WHERE l.member_id = t.member_id AND l.lot_id = lot.lot_id;
        INSERT INTO coalition.posting
        VALUES (t.member_id, t.txn_id, n, 'wallet', p_credit, part, lot.lot_id, lot.issuer_id, t.partner_id,
                t.business_date, lot.issued_on);
    END LOOP;
    CLOSE lots;
    RETURN got;
END $$;

CREATE FUNCTION coalition.ledger_burn(
    p_now timestamptz, p_partner_id uuid, p_key text, p_request_hash bytea, p_txn_id uuid, p_event_id uuid,
    p_member_id uuid, p_reference text, p_points bigint, p_effective_at timestamptz
) RETURNS coalition.outcome LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    result  coalition.outcome;
    t       coalition.txn;
    programme coalition.programme;
    wallet  coalition.wallet;
BEGIN
    result := coalition.ledger_claim_key(p_partner_id, p_key, p_request_hash, p_txn_id, p_now);
    IF result.replayed IS NOT NULL THEN
        RETURN result;
    END IF;

    t.member_id := p_member_id; t.txn_id := p_txn_id; t.kind := 'burn'; t.partner_id := p_partner_id;
    t.reference := p_reference; t.points := p_points; t.effective_at := p_effective_at; t.uncovered := 0;

    SELECT * INTO wallet FROM coalition.wallet w WHERE w.member_id = p_member_id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN coalition.ledger_refuse(p_partner_id, p_key, 'member_not_found', '{}');
    END IF;
    SELECT * INTO STRICT programme FROM coalition.programme;
    t := coalition.ledger_date(t, programme, p_now);
    IF t.effective_at > t.booked_at + interval '5 minutes' THEN
        RETURN coalition.ledger_refuse(p_partner_id, p_key, 'effective_in_future', '{}');
    END IF;
    IF wallet.available < p_points THEN
        -- The reference before the balance: a receipt that was posted is answered, however little is left now.
        result := coalition.ledger_known_reference(p_key, t, p_points);
        IF result.replayed IS NOT NULL THEN
            RETURN result;
        END IF;
        RETURN coalition.ledger_refuse(p_partner_id, p_key, 'insufficient_points', jsonb_build_object(
            'available', wallet.available, 'requested', p_points));
    END IF;

    t.member_seq := wallet.version + 1;
    t.available_after := wallet.available - p_points;
    INSERT INTO coalition.txn VALUES (t.*) ON CONFLICT (partner_id, reference, kind, reverses_txn_id) DO NOTHING;
    IF NOT FOUND THEN
        RETURN coalition.ledger_known_reference(p_key, t, p_points);
    END IF;
    IF coalition.ledger_take(t, p_points, 'redemption', NULL, NULL) <> p_points THEN
        RAISE EXCEPTION 'wallet of % says % available, its lots hold less', p_member_id, wallet.available
            USING ERRCODE = 'data_corrupted';
    END IF;
    PERFORM coalition.ledger_finish(t, p_event_id, 'points.burned');
    result.replayed := false;
    result.txn := t;
    RETURN result;
END $$;

-- Give p_points of a burn back to the lots they came from, the last taken first. All of it fits: the caller checked.
CREATE FUNCTION coalition.ledger_give_back(t coalition.txn, p_points bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    taken record;
    part  bigint;
    left_ bigint := p_points;
    n     int := 0;
BEGIN
    FOR taken IN
        SELECT p.lot_id, p.issuer_id, p.issued_on, p.points - coalesce((
                   SELECT sum(b.points) FROM coalition.txn r
                   JOIN coalition.posting b ON b.member_id = r.member_id AND b.txn_id = r.txn_id
                   WHERE r.reverses_txn_id = t.reverses_txn_id AND b.lot_id = p.lot_id), 0) AS points
        FROM coalition.posting p
        WHERE p.member_id = t.member_id AND p.txn_id = t.reverses_txn_id
        ORDER BY p.seq DESC
    LOOP
        EXIT WHEN left_ = 0;
        part := least(taken.points, left_);
        CONTINUE WHEN part = 0;
        left_ := left_ - part;
        n := n + 1;
        UPDATE coalition.lot l SET remaining = l.remaining + part, is_open = true
        WHERE l.member_id = t.member_id AND l.lot_id = taken.lot_id;
        INSERT INTO coalition.posting
        VALUES (t.member_id, t.txn_id, n, 'redemption', 'wallet', part, taken.lot_id, taken.issuer_id, t.partner_id,
                t.business_date, taken.issued_on);
    END LOOP;
    IF left_ <> 0 THEN
        RAISE EXCEPTION 'burn % has no % points left to give back', t.reverses_txn_id, p_points
            USING ERRCODE = 'data_corrupted';
    END IF;
END $$;

-- Reverse an earn or a burn of the same partner: p_points of it, or the points p_amount_minor of it earned, or all that
-- is left. Never more in sum than the original.
CREATE FUNCTION coalition.ledger_reverse(
    p_now timestamptz, p_partner_id uuid, p_key text, p_request_hash bytea, p_txn_id uuid, p_event_id uuid,
    p_original_id uuid, p_reference text, p_points bigint, p_amount_minor bigint, p_currency text,
    p_effective_at timestamptz
) RETURNS coalition.outcome LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    result   coalition.outcome;
    t        coalition.txn;
    original coalition.txn;
    programme coalition.programme;
    wallet   coalition.wallet;
    asked    bigint := p_points;
    left_    bigint;           -- points of the original not yet reversed
    left_minor bigint;         -- and of its amount
BEGIN
    result := coalition.ledger_claim_key(p_partner_id, p_key, p_request_hash, p_txn_id, p_now);
    IF result.replayed IS NOT NULL THEN
        RETURN result;
    END IF;

    SELECT * INTO original FROM coalition.txn x WHERE x.txn_id = p_original_id AND x.partner_id = p_partner_id;
    IF NOT FOUND THEN
        RETURN coalition.ledger_refuse(p_partner_id, p_key, 'transaction_not_found', '{}');
    END IF;
    IF original.kind NOT IN ('earn', 'burn') THEN
        RETURN coalition.ledger_refuse(p_partner_id, p_key, 'not_reversible', jsonb_build_object('kind', original.kind));
    END IF;

    t.member_id := original.member_id; t.txn_id := p_txn_id; t.kind := 'reversal'; t.partner_id := p_partner_id;
    t.reference := p_reference; t.reverses_txn_id := p_original_id; t.amount_minor := p_amount_minor;
    t.currency := p_currency; t.effective_at := p_effective_at; t.uncovered := 0;

    SELECT * INTO STRICT wallet FROM coalition.wallet w WHERE w.member_id = t.member_id FOR UPDATE;
    SELECT * INTO STRICT programme FROM coalition.programme;
    t := coalition.ledger_date(t, programme, p_now);
    IF t.effective_at > t.booked_at + interval '5 minutes' THEN
        RETURN coalition.ledger_refuse(p_partner_id, p_key, 'effective_in_future', '{}');
    END IF;
    result := coalition.ledger_known_reference(p_key, t, p_points);
    IF result.replayed IS NOT NULL THEN
        RETURN result;
    END IF;

    SELECT original.points - coalesce(sum(r.points + r.uncovered), 0),
           original.amount_minor - coalesce(sum(r.amount_minor), 0)
    INTO left_, left_minor FROM coalition.txn r WHERE r.reverses_txn_id = p_original_id;
    IF p_amount_minor IS NOT NULL THEN
        IF original.amount_minor IS NULL OR original.currency <> p_currency THEN
            RETURN coalition.ledger_refuse(p_partner_id, p_key, 'amount_not_comparable', '{}');
        END IF;
        IF p_amount_minor > left_minor THEN
            RETURN coalition.ledger_refuse(p_partner_id, p_key, 'more_than_reversible', jsonb_build_object(
                'reversible_minor', left_minor, 'requested_minor', p_amount_minor));
        END IF;
        -- What the member keeps is what the rest of the purchase would have earned, at the purchase's own rate.
        asked := greatest(left_ - coalition.points_for(
            left_minor - p_amount_minor, original.points_per_unit, original.minor_per_unit), 0);
    END IF;
    IF asked IS NULL THEN
        asked := left_;
        t.amount_minor := left_minor;
        t.currency := original.currency;
    END IF;
    IF asked > left_ OR (left_ = 0 AND p_amount_minor IS NULL) THEN
        RETURN coalition.ledger_refuse(p_partner_id, p_key, 'more_than_reversible', jsonb_build_object(
            'reversible', left_, 'requested', asked));
    END IF;

    t.member_seq := wallet.version + 1;
    IF original.kind = 'burn' THEN
        t.points := asked;
        t.available_after := wallet.available + asked;
        PERFORM coalition.ledger_give_back(t, asked);
    ELSE
        t.points := coalition.ledger_take(t, asked, 'issuance', p_partner_id, p_original_id);
        t.uncovered := asked - t.points;
        t.available_after := wallet.available - t.points;
    END IF;
    INSERT INTO coalition.txn VALUES (t.*);
    PERFORM coalition.ledger_finish(t, p_event_id, 'points.reversed');
    result.replayed := false;
    result.txn := t;
    RETURN result;
END $$;

-- Take back what p_amount_minor earned at this partner when nobody knows with which purchase: from the partner's own
-- lots, the newest first, as far as they go.
CREATE FUNCTION coalition.ledger_claw_back(
    p_now timestamptz, p_partner_id uuid, p_key text, p_request_hash bytea, p_txn_id uuid, p_event_id uuid,
    p_member_id uuid, p_reference text, p_amount_minor bigint, p_currency text, p_effective_at timestamptz
) RETURNS coalition.outcome LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    result  coalition.outcome;
    t       coalition.txn;
    programme coalition.programme;
    wallet  coalition.wallet;
    rate    coalition.earning_rate;
    asked   bigint;
BEGIN
    result := coalition.ledger_claim_key(p_partner_id, p_key, p_request_hash, p_txn_id, p_now);
    IF result.replayed IS NOT NULL THEN
        RETURN result;
    END IF;

    t.member_id := p_member_id; t.txn_id := p_txn_id; t.kind := 'clawback'; t.partner_id := p_partner_id;
    t.reference := p_reference; t.amount_minor := p_amount_minor; t.currency := p_currency;
    t.effective_at := p_effective_at; t.uncovered := 0;

    SELECT * INTO wallet FROM coalition.wallet w WHERE w.member_id = p_member_id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN coalition.ledger_refuse(p_partner_id, p_key, 'member_not_found', '{}');
    END IF;
    SELECT * INTO STRICT programme FROM coalition.programme;
    t := coalition.ledger_date(t, programme, p_now);
    IF t.effective_at > t.booked_at + interval '5 minutes' THEN
        RETURN coalition.ledger_refuse(p_partner_id, p_key, 'effective_in_future', '{}');
    END IF;
    result := coalition.ledger_known_reference(p_key, t, NULL);
    IF result.replayed IS NOT NULL THEN
        RETURN result;
    END IF;
    SELECT * INTO rate FROM coalition.earning_rate r
    WHERE r.partner_id = p_partner_id AND r.valid @> t.original_business_date AND r.currency = p_currency;
    IF NOT FOUND THEN
        RETURN coalition.ledger_refuse(p_partner_id, p_key, 'no_earning_rate', jsonb_build_object(
            'day', t.original_business_date, 'currency', p_currency));
    END IF;

    t.points_per_unit := rate.points_per_unit;
    t.minor_per_unit := rate.minor_per_unit;
    t.member_seq := wallet.version + 1;
    asked := coalition.points_for(p_amount_minor, rate.points_per_unit, rate.minor_per_unit);
    t.points := coalition.ledger_take(t, asked, 'issuance', p_partner_id, NULL);
    t.uncovered := asked - t.points;
    t.available_after := wallet.available - t.points;
    INSERT INTO coalition.txn VALUES (t.*);
    PERFORM coalition.ledger_finish(t, p_event_id, 'points.reversed');
    result.replayed := false;
    result.txn := t;
    RETURN result;
END $$;

-- A wallet for a member just enrolled.
CREATE FUNCTION coalition.ledger_open_wallet(p_member_id uuid) RETURNS void LANGUAGE sql SECURITY DEFINER AS
'INSERT INTO coalition.wallet (member_id) VALUES (p_member_id)';

-- Close the open day if it is p_day: when this has committed, nothing can land in p_day any more. Returns whether it did.
CREATE FUNCTION coalition.ledger_close_day(p_day date, p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(coalition.day_gate());
    UPDATE coalition.programme p SET open_day = p_day + 1 WHERE p.open_day = p_day;
    IF FOUND THEN
        INSERT INTO coalition.sealed_day (day, closed_at) VALUES (p_day, p_now);
    END IF;
    RETURN FOUND;
END $$;

-- Seal a closed day, once.
CREATE FUNCTION coalition.ledger_seal_day(
    p_day date, p_now timestamptz, p_postings bigint, p_totals jsonb, p_digest bytea, p_chain bytea
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE coalition.sealed_day s
    SET sealed_at = p_now, postings = p_postings, totals = p_totals, digest = p_digest, chain = p_chain
    WHERE s.day = p_day AND s.sealed_at IS NULL;
    RETURN FOUND;
END $$;

-- Set the test clock. It starts only in a coalition without postings, whose books it then opens on that day, and moves
-- only forward. Returns why not, or NULL.
CREATE FUNCTION coalition.set_test_clock(p_now timestamptz) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    programme coalition.programme;
BEGIN
    -- The gate before the row, as in closing a day, so that the two can't wait for each other.
    IF (SELECT p.test_now IS NULL FROM coalition.programme p) THEN
        PERFORM pg_advisory_xact_lock(coalition.day_gate());
    END IF;
    SELECT * INTO STRICT programme FROM coalition.programme FOR UPDATE;
    IF programme.test_now IS NULL THEN
        IF EXISTS (SELECT FROM coalition.txn) OR EXISTS (SELECT FROM coalition.sealed_day) THEN
            RETURN 'live';
        END IF;
        UPDATE coalition.programme SET test_now = p_now, open_day = (p_now AT TIME ZONE time_zone)::date;
    ELSIF p_now < programme.test_now THEN
        RETURN 'backwards';
    ELSE
        UPDATE coalition.programme SET test_now = p_now;
    END IF;
    RETURN NULL;
END $$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA coalition FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.ledger_earn, coalition.ledger_burn, coalition.ledger_reverse,
    coalition.ledger_claw_back, coalition.ledger_open_wallet, coalition.ledger_close_day, coalition.ledger_seal_day,
    coalition.set_test_clock, coalition.points_for, coalition.uuid_range(uuid, uuid),
    coalition.uuid_range(uuid, uuid, text) TO coalition_service;
