-- Reverse the transactions of one purchase, all or none, under the key of r: what was spent comes back first, then what
-- was earned is taken back, so the outcome does not hang on an order. One row for each part (requests of kind reversal
-- without a key, for wallets of one member), or one that refuses. Its reference names the whole of it: one that stands
-- for other reversals, for some of these or for more than these, is reference_reused.
-- Refusals: several_members, and those of a reversal, which name the part's transaction_id.
CREATE OR REPLACE FUNCTION coalition.ledger_return(r coalition.request, p_parts coalition.request[])
RETURNS SETOF coalition.outcome LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known    coalition.outcome;
    o        coalition.outcome;
    outcomes coalition.outcome[] := '{}';
    part     coalition.request;
    asked    bigint := (SELECT count(DISTINCT u.original_id) FROM unnest(p_parts) u);
    fresh    bigint := 0;
    older    uuid;  -- a reversal that stood under the reference before
BEGIN
    IF NOT coalition.ledger_claim(r) THEN
        known := coalition.ledger_answered(r);
        IF known.refusal IS NOT NULL THEN
            RETURN NEXT known;
        ELSE
            RETURN QUERY SELECT true, NULL::text, NULL::jsonb, t FROM unnest(p_parts) u
                JOIN coalition.ledger_referenced(r.partner_id, r.reference, 'reversal') t
                ON t.reverses_txn_id = u.original_id;
        END IF;
        RETURN;
    END IF;
    IF (SELECT count(DISTINCT coalition.ledger_living_member(t.member_id)) FROM unnest(p_parts) u
        CROSS JOIN LATERAL coalition.ledger_find(u.original_id) t WHERE t.partner_id = r.partner_id) > 1 THEN
        RETURN NEXT coalition.ledger_store_refusal(r, 'several_members', '{}');
        RETURN;
    END IF;
    BEGIN
        FOR part IN SELECT u.* FROM unnest(p_parts) u CROSS JOIN LATERAL coalition.ledger_find(u.original_id) t
                    ORDER BY t.kind = 'earn', u.original_id LOOP
            o := coalition.ledger_reverse(part);
            IF o.refusal IS NOT NULL THEN
                RAISE EXCEPTION 'a part is refused' USING ERRCODE = 'CL001';
            END IF;
            outcomes := outcomes || o;
            fresh := fresh + (NOT o.replayed)::int;
        END LOOP;
        -- The wallet is locked by now: of two returns at once the second sees what the first posted.
        IF fresh NOT IN (0, asked) OR asked <> (
            SELECT count(*) FROM coalition.ledger_referenced(r.partner_id, r.reference, 'reversal')) THEN
            SELECT t.txn_id INTO older FROM coalition.ledger_referenced(r.partner_id, r.reference, 'reversal') t
            WHERE t.txn_id NOT IN (SELECT u.txn_id FROM unnest(p_parts) u) ORDER BY t.member_seq LIMIT 1;
            o := (false, 'reference_reused', jsonb_build_object('transaction_id', older), NULL)::coalition.outcome;
            RAISE EXCEPTION 'the reference stands for another return' USING ERRCODE = 'CL001';
        END IF;
    EXCEPTION WHEN SQLSTATE 'CL001' THEN
        RETURN NEXT coalition.ledger_store_refusal(
            r, o.refusal, jsonb_build_object('transaction_id', part.original_id) || o.detail);
        RETURN;
    END;
    UPDATE coalition.idempotency i SET txn_id = (outcomes[1].txn).txn_id
    WHERE i.partner_id = r.partner_id AND i.key = r.key;
    RETURN QUERY SELECT * FROM unnest(outcomes);
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_return FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.ledger_return TO coalition_service;
