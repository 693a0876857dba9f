-- How much is spent without a proof of the member, by purchase and by day, is asked where the points are spent: in the
-- same transaction, posting after posting, whichever way they come in.

-- Points a member may spend on one business day, at all partners together, without PIN, code or consent; NULL: any.
ALTER TABLE coalition.programme
    ADD pin_free_points_per_day bigint CHECK (pin_free_points_per_day >= 0);
GRANT UPDATE (pin_free_points_per_day) ON coalition.programme TO coalition_service;

-- Points of the member burned or set aside from p_day on, at p_partner_id (NULL: at all partners), however they were
-- proved; returns are not counted. A member's entries are in the order of their days, so what is read is the day's and
-- one more, however long the history.
CREATE FUNCTION coalition.points_spent(p_member_id uuid, p_day date, p_partner_id uuid DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    seen bigint;
BEGIN
    SELECT t.member_seq INTO seen FROM coalition.txn t
    WHERE t.member_id = p_member_id AND t.business_date < p_day ORDER BY t.member_seq DESC LIMIT 1;
    RETURN (
        SELECT coalesce(sum(t.points), 0) FROM coalition.txn t
        WHERE t.member_id = p_member_id AND t.member_seq > coalesce(seen, 0) AND t.kind IN ('burn', 'hold')
          AND t.partner_id = coalesce(p_partner_id, t.partner_id));
END $$;

-- Whether the member agreed to the partner spending so many points more today. Call it with the wallet locked.
CREATE FUNCTION partners.consent_covers(p_member_id uuid, p_partner_id uuid, p_points bigint, p_day date)
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

-- Post what a partner asks for, and nothing else. Burns and holds that come without a proof of the member (p_proved: a
-- PIN or code was looked at) go as far as the programme or a consent lets them. The wallet is locked before what
-- the day has seen is counted, so of two at once the second counts the first. The day's gate comes before the wallet, as
-- everywhere in the ledger. Refusals: step_up_required, which is not stored (a proof may follow under the same key), and
-- the ledger's.
CREATE FUNCTION partners.post(r coalition.request, p_proved boolean DEFAULT false) RETURNS coalition.outcome
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    w record;
BEGIN
    CASE r.kind
        WHEN 'earn' THEN RETURN coalition.ledger_earn(r);
        WHEN 'capture', 'void' THEN RETURN coalition.ledger_end_hold(r);
        WHEN 'reversal' THEN RETURN coalition.ledger_reverse(r);
        WHEN 'clawback' THEN RETURN coalition.ledger_claw_back(r);
        WHEN 'burn', 'hold' THEN NULL;
        ELSE RAISE insufficient_privilege USING MESSAGE = format('a partner posts no %s', r.kind);
    END CASE;
    IF NOT pg_try_advisory_xact_lock_shared(coalition.day_gate()) THEN
        PERFORM pg_advisory_xact_lock_shared(coalition.day_gate());
    END IF;
    SELECT p.pin_free_points AS limit_, p.pin_free_points_per_day AS limit_per_day, p.open_day, x.state = 'open' AS is_open,
           x.available + x.held + x.pending AS in_all
    INTO w FROM coalition.wallet x CROSS JOIN coalition.programme p WHERE x.member_id = r.member_id FOR UPDATE OF x;
    -- What the ledger refuses anyway needs no proof: no such wallet, one that is closed, more than it holds in all.
    IF NOT FOUND OR p_proved OR NOT w.is_open OR r.points > w.in_all THEN
        RETURN coalition.ledger_burn(r);
    END IF;
    IF (r.points <= w.limit_) IS NOT FALSE
       AND (w.limit_per_day IS NULL OR coalition.points_spent(r.member_id, w.open_day) + r.points <= w.limit_per_day) THEN
        RETURN coalition.ledger_burn(r);
    END IF;
    IF partners.consent_covers(r.member_id, r.partner_id, r.points, w.open_day)
       OR coalition.ledger_is_answered(r.partner_id, r.key, r.reference, r.kind) THEN
        RETURN coalition.ledger_burn(r);
    END IF;
    RETURN (false, 'step_up_required', jsonb_build_object(
        'requested', r.points, 'limit', w.limit_, 'limit_per_day', w.limit_per_day,
        'accepts', jsonb_build_array('code', 'pin', 'consent')), NULL)::coalition.outcome;
END $$;

-- Post what a partner asks for with a PIN or code that was looked at.
CREATE FUNCTION partners.post_proved(r coalition.request) RETURNS coalition.outcome LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    RETURN partners.post(r, true);
END $$;

REVOKE EXECUTE ON FUNCTION coalition.points_spent, partners.consent_covers, partners.post, partners.post_proved FROM PUBLIC;
GRANT EXECUTE ON FUNCTION partners.post, partners.post_proved TO coalition_service, coalition_tenant;
