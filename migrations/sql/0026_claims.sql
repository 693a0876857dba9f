-- Who enrols a member vouches for it: its first proofs hang on that partner's word alone. That word is good for the points
-- that partner issued, and no longer than others leave the member alone.

-- Whether the member proved itself somewhere else than at the partner that enrolled it, or at the coalition's desk. Those
-- of before are taken for claimed: who made their proofs can't be told any more.
ALTER TABLE coalition.member ADD is_claimed boolean NOT NULL DEFAULT true;
ALTER TABLE coalition.member ALTER is_claimed SET DEFAULT false;
GRANT UPDATE (is_claimed) ON coalition.member TO coalition_service;

-- Whether another than p_partner_id has posted for the member.
CREATE FUNCTION coalition.used_by_others(p_member_id uuid, p_partner_id uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM coalition.txn t WHERE t.member_id = p_member_id AND t.partner_id <> p_partner_id)
$$;

-- The member proved itself at p_partner_id: with that it is claimed, unless that partner enrolled it.
CREATE FUNCTION coalition.claim_member(p_member_id uuid, p_partner_id uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE coalition.member m SET is_claimed = true
    WHERE m.member_id = p_member_id AND NOT m.is_claimed AND m.enrolled_by <> p_partner_id
$$;

-- Whether the partner's word is all there is for the member, and points of others are in its wallet.
CREATE FUNCTION coalition.only_vouched_for(p_member_id uuid, p_partner_id uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM coalition.member m
                   WHERE m.member_id = p_member_id AND NOT m.is_claimed AND m.enrolled_by = p_partner_id)
       AND EXISTS (SELECT FROM coalition.lot l
                   WHERE l.member_id = p_member_id AND l.is_open AND l.issuer_id <> p_partner_id)
$$;

-- Post what a partner asks for, and nothing else. Burns and holds that come without a proof of the member (p_proved: a
-- PIN or code was looked at) go as far as the programme or a consent lets them. The wallet is locked before what
-- the day has seen is counted, so of two at once the second counts the first. The day's gate comes before the wallet, as
-- everywhere in the ledger. Refusals: step_up_required, which is not stored (a proof may follow under the same key), and
-- the ledger's. Where the
-- partner itself is all that stands behind the member's proofs, they prove nothing for points of others: claim_required.
CREATE OR REPLACE FUNCTION partners.post(r coalition.request, p_proved boolean DEFAULT false) RETURNS coalition.outcome
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    w       record;
    claimed boolean;
BEGIN
    IF p_proved THEN
        PERFORM coalition.claim_member(r.member_id, r.partner_id);  -- the member before its wallet, as everywhere
    END IF;
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
    IF NOT FOUND OR NOT w.is_open OR r.points > w.in_all THEN
        RETURN coalition.ledger_burn(r);
    END IF;
    IF p_proved THEN
        claimed := NOT coalition.only_vouched_for(r.member_id, r.partner_id);
        IF claimed THEN
            RETURN coalition.ledger_burn(r);
        END IF;
    END IF;
    IF (r.points <= w.limit_) IS NOT FALSE
       AND (w.limit_per_day IS NULL OR coalition.points_spent(r.member_id, w.open_day) + r.points <= w.limit_per_day) THEN
        RETURN coalition.ledger_burn(r);
    END IF;
    claimed := coalesce(claimed, NOT coalition.only_vouched_for(r.member_id, r.partner_id));
    IF claimed AND partners.consent_covers(r.member_id, r.partner_id, r.points, w.open_day)
       OR coalition.ledger_is_answered(r.partner_id, r.key, r.reference, r.kind) THEN
        RETURN coalition.ledger_burn(r);
    END IF;
    IF NOT claimed THEN
        RETURN (false, 'claim_required', jsonb_build_object(
            'requested', r.points, 'limit', w.limit_, 'limit_per_day', w.limit_per_day), NULL)::coalition.outcome;
    END IF;
    RETURN (false, 'step_up_required', jsonb_build_object(
        'requested', r.points, 'limit', w.limit_, 'limit_per_day', w.limit_per_day,
        'accepts', jsonb_build_array('code', 'pin', 'consent')), NULL)::coalition.outcome;
END $$;

REVOKE EXECUTE ON FUNCTION coalition.used_by_others, coalition.claim_member, coalition.only_vouched_for FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.used_by_others, coalition.claim_member TO coalition_service, coalition_tenant;
