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

-- The open location of the asking partner that r names, by id, by code, or by both; NULL where it is none.
CREATE OR REPLACE FUNCTION partners.open_location(r coalition.request) RETURNS uuid LANGUAGE plpgsql STABLE AS $$
DECLARE
    named uuid;
BEGIN
    IF r.location_id IS NOT NULL THEN
        SELECT l.location_id INTO named FROM partners.location l
        WHERE l.location_id = r.location_id AND l.partner_id = r.partner_id AND l.status = 'open'
          AND l.code = coalesce(r.location_code, l.code);
    ELSE
        SELECT l.location_id INTO named FROM partners.location l
        WHERE l.partner_id = r.partner_id AND l.code = r.location_code AND l.status = 'open';
    END IF;
    RETURN named;
END $$;
REVOKE EXECUTE ON FUNCTION partners.open_location FROM PUBLIC;

-- Post what a partner asks for, and nothing else. Points of other issuers it awards only as far as they permit. Burns
-- and holds that come without a proof of the member (p_proved: a PIN or code was looked at) go as far as the programme
-- or a consent lets them. The wallet is locked before what the day has seen is counted, so of two at once the second
-- counts the first. The day's gate comes before the wallet, as everywhere in the ledger. Where the partner itself is
-- all that stands behind the member's credentials, they prove nothing for points of others. A location is one of the
-- partner's that are open; what was answered before is answered again, whatever became of its location. Refusals:
-- step_up_required, claim_required, award_not_permitted, exposure_exceeded and location_refused, which are not stored
-- (what is missing may follow under the same key), and the ledger's.
CREATE OR REPLACE FUNCTION partners.post(r coalition.request, p_proved boolean DEFAULT false) RETURNS coalition.outcome
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    p       record;
    w       record;
    claimed boolean;
    refused coalition.outcome;
BEGIN
    IF r.location_id IS NOT NULL OR r.location_code IS NOT NULL THEN
        r.location_id := partners.open_location(r);
        IF r.location_id IS NULL AND NOT coalition.ledger_is_answered(r.partner_id, r.key, r.reference, r.kind) THEN
            RETURN (false, 'location_refused', '{}', NULL)::coalition.outcome;
        END IF;
    END IF;
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

-- Post a return that a partner asks for: of its own transactions, and nothing else. All of it is made at one location.
-- Refusals: location_refused, and the ledger's.
CREATE OR REPLACE FUNCTION partners.post_return(r coalition.request, p_parts coalition.request[])
RETURNS SETOF coalition.outcome LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM unnest(array_prepend(r, p_parts)) u
               WHERE u.kind IS DISTINCT FROM 'reversal' OR u.partner_id IS DISTINCT FROM r.partner_id) THEN
        RAISE insufficient_privilege USING MESSAGE = 'a return is made of the partner''s own reversals';
    END IF;
    IF r.location_id IS NOT NULL OR r.location_code IS NOT NULL THEN
        r.location_id := partners.open_location(r);
        IF r.location_id IS NULL AND NOT coalition.ledger_is_answered(r.partner_id, r.key, r.reference, r.kind) THEN
            RETURN NEXT (false, 'location_refused', '{}', NULL)::coalition.outcome;
            RETURN;
        END IF;
    END IF;
    FOR n IN 1..cardinality(p_parts) LOOP
        p_parts[n].location_id := r.location_id;
    END LOOP;
    RETURN QUERY SELECT * FROM coalition.ledger_return(r, p_parts);
END $$;
REVOKE EXECUTE ON FUNCTION partners.post_return FROM PUBLIC;
GRANT EXECUTE ON FUNCTION partners.post_return TO coalition_service, coalition_tenant;
