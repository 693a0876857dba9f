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
