-- What a partner takes back is bounded by what it issued, what comes back keeps no other points alive, and a purchase's
-- return is one operation. The functions below stand for those of 0006 and 0008 with the same names.

-- Which business day an instant lies in, in the programme's zone.
CREATE FUNCTION coalition.day_in(p_time_zone text, p_at timestamptz) RETURNS date LANGUAGE sql STABLE PARALLEL SAFE AS
'SELECT (p_at AT TIME ZONE p_time_zone)::date';

-- A new id whose first 48 bits are the time in milliseconds (UUIDv7, RFC 9562), so that ids made later sort behind.
CREATE FUNCTION coalition.new_id() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
        PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
        52, 1), 53, 1), 'hex')::uuid
$$;

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

-- Whether r asks for what `old` was asked for. What is left out matches nothing but itself: all of a hold is not the
-- points it had. The purchase's time is not compared: a till that sent none may name it in the day's file.
CREATE FUNCTION coalition.ledger_same_request(r coalition.request, old coalition.txn) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    whole boolean := coalesce((old.meta ->> 'whole')::boolean, false);
BEGIN
    IF old.kind IN ('capture', 'void') AND old.hold_id <> r.original_id
       OR old.kind IN ('earn', 'hold') AND old.due_at IS DISTINCT FROM r.due_at
       OR old.kind = 'adjustment' AND old.meta ->> 'direction' <> r.meta ->> 'direction'
       OR old.kind = 'merge' AND (old.meta ->> 'merged_into')::uuid IS DISTINCT FROM r.original_id THEN
        RETURN false;
    ELSIF r.amount_minor IS NOT NULL THEN
        RETURN NOT whole AND coalesce(old.amount_minor = r.amount_minor AND old.currency = r.currency, false);
    ELSIF r.points IS NOT NULL THEN
        RETURN NOT whole AND old.amount_minor IS NULL
               AND old.points + old.repaid * (old.kind = 'reversal')::int + old.uncovered = r.points;
    END IF;
    RETURN whole OR old.kind NOT IN ('capture', 'reversal');
END $$;

CREATE OR REPLACE FUNCTION coalition.ledger_known_reference(r coalition.request) RETURNS coalition.outcome
LANGUAGE plpgsql AS $$
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
    IF NOT coalition.ledger_same_request(r, old) THEN
        RETURN coalition.ledger_store_refusal(
            r, 'reference_reused', jsonb_build_object('transaction_id', old.txn_id));
    END IF;
    UPDATE coalition.idempotency i SET txn_id = old.txn_id WHERE i.partner_id = r.partner_id AND i.key = r.key;
    RETURN (true, NULL, NULL, old)::coalition.outcome;
END $$;

-- Issue points as one lot of the partner's. With due_at they are pending until then. Debts are repaid first.
-- Refusals: no_earning_rate, vests_out_of_range, and those of lock.
CREATE OR REPLACE FUNCTION coalition.ledger_earn(r coalition.request) RETURNS coalition.outcome
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    o       coalition.outcome;
    t       coalition.txn;
    rate    coalition.earning_rate;
    vesting date;
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
        SELECT coalition.day_in(p.time_zone, r.due_at) INTO STRICT vesting FROM coalition.programme p;
        IF r.due_at <= t.booked_at OR vesting >= t.expires_on THEN
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

-- Of what is available to t's member: what has not expired on t's own day, whether or not that night has run.
CREATE FUNCTION coalition.ledger_spendable(t coalition.txn) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    expired bigint;
BEGIN
    SELECT coalesce(sum(l.remaining - l.held), 0) INTO expired FROM coalition.lot l
    WHERE l.member_id = t.member_id AND l.is_open AND l.expires_on <= t.original_business_date;
    RETURN t.available_after - expired;
END $$;

-- Take up to p_points out of what is free in the member's open lots, in the order given, and post each to p_credit; to
-- 'hold' they stay in their lot, set aside. Returns what it got. Its postings are numbered after p_seq.
--   p_issuer_id  only that issuer's lots, last issued first (a return); NULL: all that have not expired on t's own day,
--                first-expiring first (a burn)
--   p_first_lot  what this lot issued before all others, wherever merges and returns took it (the reversal of its earn)
CREATE OR REPLACE FUNCTION coalition.ledger_take(
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
            WHERE l.member_id = t.member_id AND l.is_open AND l.issuer_id = p_issuer_id
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

-- Let the holds of t's member lapse whose time is over; whether there were any. The wallet is locked.
CREATE FUNCTION coalition.ledger_lapse_overdue(t coalition.txn, p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    overdue coalition.hold;
    lapse   coalition.request;
    lapsed  boolean := false;
BEGIN
    FOR overdue IN SELECT * FROM coalition.hold h
                   WHERE h.member_id = t.member_id AND h.status = 'open' AND h.expires_at <= t.booked_at
                   ORDER BY h.hold_id LOOP
        lapse.kind := 'lapse';
        lapse.partner_id := overdue.partner_id;
        lapse.txn_id := coalition.new_id();
        lapse.event_id := coalition.new_id();
        lapse.now := p_now;
        lapse.original_id := overdue.hold_id;
        lapse.reference := 'lapse:' || overdue.hold_id;
        PERFORM coalition.ledger_end_hold(lapse);
        lapsed := true;
    END LOOP;
    RETURN lapsed;
END $$;

-- Spend points, first-expiring lots first, across issuers; or (kind hold) set them aside until due_at. Points that have
-- expired on its own day are passed over; holds whose time is over are ended first where their points are needed.
-- Refusals: insufficient_points, hold_out_of_range, and those of lock.
CREATE OR REPLACE FUNCTION coalition.ledger_burn(r coalition.request) RETURNS coalition.outcome
LANGUAGE plpgsql SECURITY DEFINER AS $$
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
    IF spendable < r.points AND t.held_after > 0 AND coalition.ledger_lapse_overdue(t, r.now) THEN
        o := coalition.ledger_lock(r);
        t := o.txn;
        spendable := coalition.ledger_spendable(t);
    END IF;
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

-- End the hold r.original_id: capture r.points of it (NULL: all; the rest returns), void it, or let it lapse. Once its
-- time is over it can't be captured any more; a void gives it back whether or not it has lapsed by itself yet.
-- Refusals: hold_not_found, hold_finished, hold_lapsed, hold_running, more_than_held, and those of lock.
CREATE OR REPLACE FUNCTION coalition.ledger_end_hold(r coalition.request) RETURNS coalition.outcome
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
-- were given back already. What comes back to a lot that has expired becomes a lot of its own, which lives for the
-- programme's days of grace: what else is in the old one, on hold say, keeps its date. Where the burn's member was
-- merged, the points become lots of the member merged into. Returns the day the grace ends; NULL where none was given.
DROP FUNCTION coalition.ledger_give_back(coalition.txn, coalition.txn, bigint, bigint);
CREATE FUNCTION coalition.ledger_give_back(t coalition.txn, original coalition.txn, p_points bigint, p_before bigint)
RETURNS date LANGUAGE plpgsql AS $$
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
        SELECT p.lot_id, p.issuer_id, p.issued_on, p.points, l.expires_on, coalesce(l.origin_id, l.lot_id) AS origin_id
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
        graced := taken.expires_on <= today;
        IF graced THEN
            given := lives;
        END IF;
        IF t.member_id = original.member_id AND NOT graced THEN
            target := taken.lot_id;
            UPDATE coalition.lot l SET remaining = l.remaining + part, is_open = true
            WHERE l.member_id = t.member_id AND l.lot_id = target;
        ELSE
            target := coalition.new_id();
            INSERT INTO coalition.lot
            VALUES (t.member_id, target, taken.issuer_id, taken.issued_on,
                    CASE WHEN graced THEN lives ELSE taken.expires_on END, part, part, true, 0, NULL, taken.origin_id);
        END IF;
        INSERT INTO coalition.posting
        VALUES (t.member_id, t.txn_id, n, 'redemption', 'wallet', part, target, taken.issuer_id, t.partner_id,
                t.business_date, taken.issued_on);
    END LOOP;
    IF left_ <> 0 THEN
        RAISE EXCEPTION 'burn % has no % points left to give back', original.txn_id, p_points
            USING ERRCODE = 'data_corrupted';
    END IF;
    RETURN given;
END $$;

-- What a partner issued to a member, and to those merged into it, and has not taken back yet: the most it may take.
CREATE FUNCTION coalition.ledger_reclaimable(p_member_id uuid, p_partner_id uuid) RETURNS bigint
LANGUAGE sql STABLE AS $$
    WITH RECURSIVE merged AS (
        SELECT p_member_id AS member_id
        UNION
        SELECT w.member_id FROM coalition.wallet w JOIN merged m ON w.merged_into = m.member_id
    )
    SELECT coalesce(sum(CASE WHEN t.kind = 'earn' OR t.meta ->> 'direction' = 'credit' THEN t.points
                             WHEN t.kind = 'clawback' OR o.kind = 'earn' THEN -(t.points + t.repaid + t.uncovered)
                             ELSE 0 END), 0)::bigint
    FROM merged m JOIN coalition.txn t ON t.member_id = m.member_id
    LEFT JOIN coalition.txn o ON o.txn_id = t.reverses_txn_id
    WHERE t.partner_id = p_partner_id AND t.kind IN ('earn', 'adjustment', 'clawback', 'reversal')
$$;

-- Take t.points issued by the partner back: what of p_first_lot is pending, then what is free of it, then the partner's
-- other lots, last issued first; never another issuer's. What is spent already the programme's policy decides: it is
-- written off (uncovered), or the wallet owes it (where the partner may make debts), or (points_spent) nothing is done.
DROP FUNCTION coalition.ledger_take_back(coalition.txn, uuid);
CREATE FUNCTION coalition.ledger_take_back(t coalition.txn, p_first_lot uuid, p_may_owe boolean)
RETURNS coalition.outcome LANGUAGE plpgsql AS $$
DECLARE
    policy  coalition.return_policy;
    waiting coalition.lot;
    asked   bigint := t.points;
    pending bigint := 0;
    part    bigint;
    got     bigint;
    free    bigint;
    n       int := 0;
BEGIN
    SELECT p.return_policy INTO STRICT policy FROM coalition.programme p;
    IF policy = 'refuse' THEN
        SELECT coalesce(sum(l.remaining - l.held), 0) INTO free FROM coalition.lot l
        WHERE l.member_id = t.member_id AND l.issuer_id = t.partner_id
          AND (l.is_open OR (l.vests_at IS NOT NULL AND coalesce(l.origin_id, l.lot_id) = p_first_lot));
        IF free < asked THEN
            RETURN (false, 'points_spent', jsonb_build_object('coverable', free, 'requested', asked), NULL)::coalition.outcome;
        END IF;
    END IF;
    FOR waiting IN SELECT * FROM coalition.lot l
                   WHERE l.member_id = t.member_id AND l.vests_at IS NOT NULL
                     AND coalesce(l.origin_id, l.lot_id) = p_first_lot ORDER BY l.lot_id LOOP
        part := least(waiting.remaining, asked - pending);
        CONTINUE WHEN part = 0;
        pending := pending + part;
        n := n + 1;
        UPDATE coalition.lot l SET remaining = l.remaining - part,
               vests_at = CASE WHEN l.remaining > part THEN l.vests_at END
        WHERE l.member_id = t.member_id AND l.lot_id = waiting.lot_id;
        INSERT INTO coalition.posting VALUES (t.member_id, t.txn_id, n, 'pending', 'issuance', part, waiting.lot_id,
                                              waiting.issuer_id, t.partner_id, t.business_date, waiting.issued_on);
    END LOOP;
    got := coalition.ledger_take(t, asked - pending, 'issuance', t.partner_id, p_first_lot, n);
    t.points := pending + got;
    t.pending_after := t.pending_after - pending;
    t.available_after := t.available_after - got;
    t.uncovered := asked - t.points;
    IF policy = 'owed' AND p_may_owe AND t.uncovered > 0 THEN
        t.owed_after := t.owed_after + t.uncovered;
        INSERT INTO coalition.debt VALUES (t.member_id, t.txn_id, t.partner_id, t.uncovered, 0);
    END IF;
    RETURN (false, NULL, NULL, t)::coalition.outcome;
END $$;

-- Reverse an earn, a burn or a capture of the same partner: r.points of it, or the points r.amount_minor of it earned,
-- or all that is left, which may be nothing. Never more in sum than the original, nor of earns than the partner issued
-- and has not taken back. Refusals: transaction_not_found, not_reversible, amount_not_comparable, more_than_reversible,
-- points_spent, and those of lock.
CREATE OR REPLACE FUNCTION coalition.ledger_reverse(r coalition.request) RETURNS coalition.outcome
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
    IF original.kind = 'earn' THEN
        left_ := least(left_, coalition.ledger_reclaimable(t.member_id, t.partner_id));
    END IF;
    IF r.amount_minor IS NOT NULL THEN
        IF original.amount_minor IS NULL OR original.currency <> r.currency THEN
            RETURN coalition.ledger_store_refusal(r, 'amount_not_comparable', '{}');
        END IF;
        IF r.amount_minor > left_minor THEN
            RETURN coalition.ledger_store_refusal(r, 'more_than_reversible', jsonb_build_object(
                'reversible_minor', left_minor, 'requested_minor', r.amount_minor));
        END IF;
        -- What this part of the purchase earned, at the purchase's own rate: parts that make up the whole take all of it.
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
        o := coalition.ledger_take_back(t, r.original_id, coalesce((r.meta ->> 'may_owe')::boolean, true));
        IF o.refusal IS NOT NULL THEN
            RETURN coalition.ledger_store_refusal(r, o.refusal, o.detail);
        END IF;
        t := o.txn;
    ELSE
        t.available_after := t.available_after + t.points;
        t.expires_on := coalition.ledger_give_back(t, original, t.points, before);
    END IF;
    INSERT INTO coalition.txn VALUES (t.*);
    RETURN coalition.ledger_finish(t, r.event_id);
END $$;

-- Take back what r.amount_minor earned at this partner when nobody knows with which purchase: from the partner's own
-- lots, the last issued first, at most what it issued to the member and has not taken back.
-- Refusals: no_earning_rate, points_spent, and those of lock.
CREATE OR REPLACE FUNCTION coalition.ledger_claw_back(r coalition.request) RETURNS coalition.outcome
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
    t.points := least(coalition.points_for(r.amount_minor, rate.points_per_unit, rate.minor_per_unit),
                      coalition.ledger_reclaimable(t.member_id, t.partner_id));
    o := coalition.ledger_take_back(t, NULL, coalesce((r.meta ->> 'may_owe')::boolean, true));
    IF o.refusal IS NOT NULL THEN
        RETURN coalition.ledger_store_refusal(r, o.refusal, o.detail);
    END IF;
    t := o.txn;
    INSERT INTO coalition.txn VALUES (t.*);
    RETURN coalition.ledger_finish(t, r.event_id);
END $$;

-- Reverse the transactions of one purchase, all or none, under the key of r: what was spent comes back first, then what
-- was earned is taken back, so the outcome does not hang on an order. One row for each part (requests of kind reversal
-- without a key, for wallets of one member), or one that refuses.
-- Refusals: several_members, and those of a reversal, which name the part's transaction_id.
CREATE FUNCTION coalition.ledger_return(r coalition.request, p_parts coalition.request[])
RETURNS SETOF coalition.outcome LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known    coalition.outcome;
    o        coalition.outcome;
    outcomes coalition.outcome[] := '{}';
    part     coalition.request;
BEGIN
    IF NOT coalition.ledger_claim(r) THEN
        known := coalition.ledger_answered(r);
        IF known.refusal IS NOT NULL THEN
            RETURN NEXT known;
        ELSE
            RETURN QUERY SELECT true, NULL::text, NULL::jsonb, t FROM unnest(p_parts) u JOIN coalition.txn t
                ON t.partner_id = r.partner_id AND t.reference = r.reference AND t.kind = 'reversal'
               AND t.reverses_txn_id = u.original_id;
        END IF;
        RETURN;
    END IF;
    IF (SELECT count(DISTINCT coalition.ledger_living_member(t.member_id)) FROM unnest(p_parts) u
        JOIN coalition.txn t ON t.txn_id = u.original_id AND t.partner_id = r.partner_id) > 1 THEN
        RETURN NEXT coalition.ledger_store_refusal(r, 'several_members', '{}');
        RETURN;
    END IF;
    BEGIN
        FOR part IN SELECT u.* FROM unnest(p_parts) u LEFT JOIN coalition.txn t ON t.txn_id = u.original_id
                    ORDER BY t.kind = 'earn', u.original_id LOOP
            o := coalition.ledger_reverse(part);
            IF o.refusal IS NOT NULL THEN
                RAISE EXCEPTION 'a part is refused' USING ERRCODE = 'CL001';
            END IF;
            outcomes := outcomes || o;
        END LOOP;
    EXCEPTION WHEN SQLSTATE 'CL001' THEN
        RETURN NEXT coalition.ledger_store_refusal(
            r, o.refusal, jsonb_build_object('transaction_id', part.original_id) || o.detail);
        RETURN;
    END;
    UPDATE coalition.idempotency i SET txn_id = (outcomes[1].txn).txn_id WHERE i.partner_id = r.partner_id AND i.key = r.key;
    RETURN QUERY SELECT * FROM unnest(outcomes);
END $$;

-- Correct a wallet by hand: r.points in a new lot the partner stands behind, or (meta.direction = debit) out of the
-- wallet, first-expiring first. Who asked, who approved and why stand in r.meta. Refusals: insufficient_points, and
-- those of lock.
CREATE OR REPLACE FUNCTION coalition.ledger_adjust(r coalition.request) RETURNS coalition.outcome
LANGUAGE plpgsql SECURITY DEFINER AS $$
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

-- Merge the member r.member_id into r.original_id: lots, pending points and debts move over with their issuers, dates
-- and origins, the emptied wallet is closed for good. Two transactions, one in each wallet; the second's ids stand in
-- r.meta. Refusals: member_not_found, same_member, holds_open, and those of lock.
CREATE OR REPLACE FUNCTION coalition.ledger_merge(r coalition.request) RETURNS coalition.outcome
LANGUAGE plpgsql SECURITY DEFINER AS $$
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
    PERFORM FROM coalition.wallet w WHERE w.member_id = least(r.member_id, r.original_id) FOR UPDATE;
    PERFORM FROM coalition.wallet w WHERE w.member_id = greatest(r.member_id, r.original_id) FOR UPDATE;
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
        lot_id := coalition.new_id();
        INSERT INTO coalition.posting
        VALUES (away.member_id, away.txn_id, n, CASE WHEN l.vests_at IS NULL THEN 'wallet' ELSE 'pending' END::coalition.account,
                'merge', l.remaining, l.lot_id, l.issuer_id, r.partner_id, away.business_date, l.issued_on);
        INSERT INTO coalition.lot
        VALUES (here.member_id, lot_id, l.issuer_id, l.issued_on, l.expires_on, l.remaining, l.remaining,
                l.vests_at IS NULL, 0, l.vests_at, coalesce(l.origin_id, l.lot_id));
        INSERT INTO coalition.posting
        VALUES (here.member_id, here.txn_id, n, 'merge',
                CASE WHEN l.vests_at IS NULL THEN 'wallet' ELSE 'pending' END::coalition.account,
                l.remaining, lot_id, l.issuer_id, r.partner_id, here.business_date, l.issued_on);
    END LOOP;
    UPDATE coalition.lot x SET remaining = 0, is_open = false, vests_at = NULL WHERE x.member_id = from_id AND x.remaining > 0;
    FOR debt IN SELECT * FROM coalition.debt d WHERE d.member_id = from_id LOOP
        INSERT INTO coalition.debt VALUES (here.member_id, debt.txn_id, debt.partner_id, debt.points, debt.repaid);
    END LOOP;
    DELETE FROM coalition.debt d WHERE d.member_id = from_id;
    UPDATE coalition.wallet w SET state = 'merged', merged_into = here.member_id WHERE w.member_id = from_id;
    PERFORM coalition.ledger_finish(here, (r.meta ->> 'event_id')::uuid);
    RETURN coalition.ledger_finish(away, r.event_id);
END $$;

-- Whatever is asked for: one door for a batch of many kinds.
CREATE OR REPLACE FUNCTION coalition.ledger_post(r coalition.request) RETURNS coalition.outcome
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
        -- A day is carried by its midnight in UTC, whatever zone the session shows times in.
        WHEN 'expiry' THEN RETURN coalition.ledger_expire(r, (r.due_at AT TIME ZONE 'UTC')::date);
    END CASE;
END $$;

REVOKE EXECUTE ON FUNCTION coalition.day_in, coalition.new_id, coalition.ledger_same_request, coalition.ledger_spendable,
    coalition.ledger_lapse_overdue, coalition.ledger_give_back, coalition.ledger_reclaimable, coalition.ledger_take_back,
    coalition.ledger_return FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.ledger_return TO coalition_service, coalition_tenant;
