SET LOCAL check_function_bodies = off;

DROP FUNCTION coalition.flow_lines_on(date);

DROP FUNCTION coalition.request(coalition.txn_kind,uuid,text,bytea,uuid,uuid,timestamp with time zone,uuid,uuid,text,bigint,bigint,text,timestamp with time zone,timestamp with time zone,jsonb,uuid,text);

DROP FUNCTION partners.open_location(coalition.request);

CREATE OR REPLACE FUNCTION coalition.ledger_end_hold(r coalition.request)
 RETURNS coalition.outcome
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
END $function$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_end_hold(coalition.request) FROM PUBLIC, coalition_service, coalition_tenant, coalition_reports;
GRANT EXECUTE ON FUNCTION coalition.ledger_end_hold(coalition.request) TO coalition_service;

CREATE OR REPLACE FUNCTION coalition.ledger_finish(t coalition.txn, p_event_id uuid)
 RETURNS coalition.outcome
 LANGUAGE plpgsql
AS $function$
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
END $function$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_finish(coalition.txn,uuid) FROM PUBLIC, coalition_service, coalition_tenant, coalition_reports;

CREATE OR REPLACE FUNCTION coalition.ledger_lock(r coalition.request, p_even_blocked boolean DEFAULT false)
 RETURNS coalition.outcome
 LANGUAGE plpgsql
AS $function$
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
END $function$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_lock(coalition.request,boolean) FROM PUBLIC, coalition_service, coalition_tenant, coalition_reports;

CREATE OR REPLACE FUNCTION coalition.ledger_reverse(r coalition.request)
 RETURNS coalition.outcome
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
END $function$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_reverse(coalition.request) FROM PUBLIC, coalition_service, coalition_tenant, coalition_reports;
GRANT EXECUTE ON FUNCTION coalition.ledger_reverse(coalition.request) TO coalition_service;

CREATE OR REPLACE FUNCTION coalition.ledger_write(t coalition.txn)
 RETURNS boolean
 LANGUAGE plpgsql
AS $function$
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
END $function$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_write(coalition.txn) FROM PUBLIC, coalition_service, coalition_tenant, coalition_reports;

CREATE OR REPLACE FUNCTION partners.post(r coalition.request, p_proved boolean DEFAULT false)
 RETURNS coalition.outcome
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
END $function$;
REVOKE EXECUTE ON FUNCTION partners.post(coalition.request,boolean) FROM PUBLIC, coalition_service, coalition_tenant, coalition_reports;
GRANT EXECUTE ON FUNCTION partners.post(coalition.request,boolean) TO coalition_service;
GRANT EXECUTE ON FUNCTION partners.post(coalition.request,boolean) TO coalition_tenant;

CREATE OR REPLACE FUNCTION partners.post_return(r coalition.request, p_parts coalition.request[])
 RETURNS SETOF coalition.outcome
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
    IF EXISTS (SELECT FROM unnest(array_prepend(r, p_parts)) u
               WHERE u.kind IS DISTINCT FROM 'reversal' OR u.partner_id IS DISTINCT FROM r.partner_id) THEN
        RAISE insufficient_privilege USING MESSAGE = 'a return is made of the partner''s own reversals';
    END IF;
    RETURN QUERY SELECT * FROM coalition.ledger_return(r, p_parts);
END $function$;
REVOKE EXECUTE ON FUNCTION partners.post_return(coalition.request,coalition.request[]) FROM PUBLIC, coalition_service, coalition_tenant, coalition_reports;
GRANT EXECUTE ON FUNCTION partners.post_return(coalition.request,coalition.request[]) TO coalition_service;
GRANT EXECUTE ON FUNCTION partners.post_return(coalition.request,coalition.request[]) TO coalition_tenant;

CREATE OR REPLACE FUNCTION coalition.request(kind coalition.txn_kind DEFAULT NULL::coalition.txn_kind, partner_id uuid DEFAULT NULL::uuid, key text DEFAULT NULL::text, request_hash bytea DEFAULT NULL::bytea, txn_id uuid DEFAULT NULL::uuid, event_id uuid DEFAULT NULL::uuid, now timestamp with time zone DEFAULT NULL::timestamp with time zone, member_id uuid DEFAULT NULL::uuid, original_id uuid DEFAULT NULL::uuid, reference text DEFAULT NULL::text, points bigint DEFAULT NULL::bigint, amount_minor bigint DEFAULT NULL::bigint, currency text DEFAULT NULL::text, effective_at timestamp with time zone DEFAULT NULL::timestamp with time zone, due_at timestamp with time zone DEFAULT NULL::timestamp with time zone, meta jsonb DEFAULT NULL::jsonb)
 RETURNS coalition.request
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
    SELECT ROW(request.kind, request.partner_id, request.key, request.request_hash, request.txn_id,
               request.event_id, request.now, request.member_id, request.original_id, request.reference,
               request.points, request.amount_minor, request.currency, request.effective_at, request.due_at,
               request.meta)::coalition.request
$function$;
REVOKE EXECUTE ON FUNCTION coalition.request(coalition.txn_kind,uuid,text,bytea,uuid,uuid,timestamp with time zone,uuid,uuid,text,bigint,bigint,text,timestamp with time zone,timestamp with time zone,jsonb) FROM PUBLIC, coalition_service, coalition_tenant, coalition_reports;
GRANT EXECUTE ON FUNCTION coalition.request(coalition.txn_kind,uuid,text,bytea,uuid,uuid,timestamp with time zone,uuid,uuid,text,bigint,bigint,text,timestamp with time zone,timestamp with time zone,jsonb) TO coalition_service;
GRANT EXECUTE ON FUNCTION coalition.request(coalition.txn_kind,uuid,text,bytea,uuid,uuid,timestamp with time zone,uuid,uuid,text,bigint,bigint,text,timestamp with time zone,timestamp with time zone,jsonb) TO coalition_tenant;
