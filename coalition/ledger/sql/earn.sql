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
