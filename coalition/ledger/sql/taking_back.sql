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
