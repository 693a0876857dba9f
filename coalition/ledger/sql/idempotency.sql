-- Pass the day's gate and reserve the key. False: the key was answered before.
CREATE OR REPLACE FUNCTION coalition.ledger_claim(r coalition.request) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    -- Closing a day takes this lock exclusively; nobody who holds it shared can still be writing into that day.
    IF NOT pg_try_advisory_xact_lock_shared(coalition.day_gate()) THEN
        PERFORM pg_advisory_xact_lock_shared(coalition.day_gate());
    END IF;
    IF r.key IS NULL THEN
        RETURN true;
    END IF;
    INSERT INTO coalition.idempotency (partner_id, key, request_hash, txn_id, created_at)
    VALUES (r.partner_id, r.key, r.request_hash, r.txn_id, r.now) ON CONFLICT (partner_id, key) DO NOTHING;
    RETURN FOUND;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_claim FROM PUBLIC;

-- What was answered to the key.
CREATE OR REPLACE FUNCTION coalition.ledger_answered(r coalition.request)
RETURNS coalition.outcome LANGUAGE plpgsql AS $$
DECLARE
    stored coalition.idempotency;
    posted coalition.txn;
BEGIN
    SELECT * INTO STRICT stored FROM coalition.idempotency i WHERE i.partner_id = r.partner_id AND i.key = r.key;
    IF stored.request_hash <> r.request_hash THEN
        RETURN (false, 'idempotency_key_reused', '{}', NULL)::coalition.outcome;
    END IF;
    posted := coalition.ledger_find(stored.txn_id);
    RETURN (true, stored.refusal, stored.detail, posted)::coalition.outcome;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_answered FROM PUBLIC;

-- Whether the key or the reference was answered before.
CREATE OR REPLACE FUNCTION coalition.ledger_is_answered(
    p_partner_id uuid, p_key text, p_reference text, p_kind coalition.txn_kind
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN EXISTS (SELECT FROM coalition.idempotency i WHERE i.partner_id = p_partner_id AND i.key = p_key)
        OR EXISTS (SELECT FROM coalition.ledger_referenced(p_partner_id, p_reference, p_kind));
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_is_answered FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.ledger_is_answered TO coalition_service, coalition_tenant;

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
REVOKE EXECUTE ON FUNCTION coalition.ledger_store_refusal FROM PUBLIC;

-- Say no, unless the receipt was posted before: then that is the answer, whatever has become of the wallet since.
CREATE OR REPLACE FUNCTION coalition.ledger_refuse(r coalition.request, p_refusal text, p_detail jsonb)
RETURNS coalition.outcome LANGUAGE plpgsql AS $$
DECLARE
    known coalition.outcome := coalition.ledger_known_reference(r);
BEGIN
    IF known.replayed IS NOT NULL THEN
        RETURN known;
    END IF;
    RETURN coalition.ledger_store_refusal(r, p_refusal, p_detail);
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_refuse FROM PUBLIC;

-- Whether r asks for what `old` was asked for. What is left out matches nothing but itself: all of a hold is not the
-- points it had. The purchase's time and location are not compared: a till that sent none may name them in the day's
-- file.
CREATE OR REPLACE FUNCTION coalition.ledger_same_request(r coalition.request, old coalition.txn) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    whole boolean := coalesce((old.meta ->> 'whole')::boolean, false);
BEGIN
    IF old.kind IN ('capture', 'void') AND old.hold_id <> r.original_id
       OR old.kind IN ('earn', 'hold') AND old.due_at IS DISTINCT FROM r.due_at
       OR old.kind = 'earn' AND (old.meta -> 'awards' IS DISTINCT FROM r.meta -> 'awards'
                                 OR r.meta ? 'awards' AND old.amount_minor IS DISTINCT FROM r.amount_minor)
       OR old.kind = 'adjustment' AND old.meta ->> 'direction' <> r.meta ->> 'direction'
       OR old.kind = 'merge' AND (old.meta ->> 'merged_into')::uuid IS DISTINCT FROM r.original_id THEN
        RETURN false;
    ELSIF r.amount_minor IS NOT NULL THEN
        RETURN NOT whole AND coalesce(old.amount_minor = r.amount_minor AND old.currency = r.currency, false);
    ELSIF r.points IS NOT NULL THEN
        RETURN NOT whole AND old.amount_minor IS NULL
               AND old.points + old.debt_repaid * (old.kind = 'reversal')::int + old.shortfall = r.points;
    END IF;
    RETURN whole OR old.kind NOT IN ('capture', 'reversal');
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_same_request FROM PUBLIC;

-- The answer where r's reference was posted before, NULL where it wasn't; what was posted for somebody who is merged by
-- now was posted for whoever has the points. Refusals: reference_of_another_member, reference_reused.
CREATE OR REPLACE FUNCTION coalition.ledger_known_reference(r coalition.request) RETURNS coalition.outcome
LANGUAGE plpgsql AS $$
DECLARE
    old coalition.txn;
BEGIN
    SELECT * INTO old FROM coalition.ledger_referenced(r.partner_id, r.reference, r.kind) t
    WHERE t.reverses_txn_id IS NOT DISTINCT FROM CASE WHEN r.kind = 'reversal' THEN r.original_id END;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF old.member_id <> r.member_id
       AND coalition.ledger_living_member(old.member_id) <> coalition.ledger_living_member(r.member_id) THEN
        RETURN coalition.ledger_store_refusal(r, 'reference_of_another_member', '{}');
    END IF;
    IF NOT coalition.ledger_same_request(r, old) THEN
        RETURN coalition.ledger_store_refusal(
            r, 'reference_reused', jsonb_build_object('transaction_id', old.txn_id));
    END IF;
    UPDATE coalition.idempotency i SET txn_id = old.txn_id WHERE i.partner_id = r.partner_id AND i.key = r.key;
    RETURN (true, NULL, NULL, old)::coalition.outcome;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_known_reference FROM PUBLIC;

-- Forget outcomes that are older than p_before, at most p_limit of them. Returns how many. Rows lie in the order they
-- came, so reading from the front of the table finds the old ones first; an index for this would cost every earn.
CREATE OR REPLACE FUNCTION coalition.forget_outcomes(p_before timestamptz, p_limit int) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH old AS (SELECT ctid FROM coalition.idempotency i WHERE i.created_at < p_before LIMIT p_limit),
    gone AS (DELETE FROM coalition.idempotency i USING old WHERE i.ctid = old.ctid RETURNING 1)
    SELECT count(*) FROM gone
$$;
REVOKE EXECUTE ON FUNCTION coalition.forget_outcomes FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.forget_outcomes TO coalition_service;
