-- A new id that sorts behind those made before it: UUIDv7 with the time to a quarter of a microsecond (RFC 9562, 6.2,
-- method 3). Lots of one expiry are spent in the order of their ids, so chance must have no say in it.
CREATE OR REPLACE FUNCTION coalition.new_id() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT encode(overlay(overlay(uuid_send(gen_random_uuid())
        PLACING substring(int8send(us / 1000) FROM 3) FROM 1 FOR 6)
        PLACING substring(int4send((28672 + us % 1000 * 4096 / 1000)::int) FROM 3) FROM 7 FOR 2), 'hex')::uuid
    FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us) now
$$;
REVOKE EXECUTE ON FUNCTION coalition.new_id FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.new_id TO coalition_service;

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
             hold_id, due_at, meta, location_id)
        VALUES (t.member_id, t.member_seq, t.txn_id, t.kind, t.partner_id, t.points, t.shortfall, t.available_after,
                t.reference, t.reverses_txn_id, t.amount_minor, t.currency, t.points_per_unit, t.minor_per_unit,
                t.expires_on, t.effective_at, t.booked_at, t.business_date, t.original_business_date, t.held_after,
                t.pending_after, t.debt_after, t.debt_repaid, t.hold_id, t.due_at, t.meta,
                t.location_id);
        RETURN true;
    END IF;
    INSERT INTO coalition.txn
        (member_id, member_seq, txn_id, kind, partner_id, points, shortfall, available_after, reference,
         reverses_txn_id, amount_minor, currency, points_per_unit, minor_per_unit, expires_on, effective_at,
         booked_at, business_date, original_business_date, held_after, pending_after, debt_after, debt_repaid,
         hold_id, due_at, meta, location_id)
    VALUES (t.member_id, t.member_seq, t.txn_id, t.kind, t.partner_id, t.points, t.shortfall, t.available_after,
            t.reference, t.reverses_txn_id, t.amount_minor, t.currency, t.points_per_unit, t.minor_per_unit,
            t.expires_on, t.effective_at, t.booked_at, t.business_date, t.original_business_date, t.held_after,
            t.pending_after, t.debt_after, t.debt_repaid, t.hold_id, t.due_at, t.meta, t.location_id)
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

-- Whose points the member can spend, or wait to be funded, for a transaction that may have posted to its wallet.
CREATE OR REPLACE FUNCTION coalition.issuers_of(p_member_id uuid) RETURNS SETOF uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT DISTINCT l.issuer_id FROM coalition.lot l
        WHERE l.member_id = p_member_id AND (l.is_open OR l.is_unfunded);
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
