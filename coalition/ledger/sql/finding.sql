-- Whether members lie on several nodes, where no index sees all of them (docs/decisions/0030): there `coalition db
-- distribute` puts `true` here. The planner knows the answer, so asking costs nothing.
CREATE OR REPLACE FUNCTION coalition.is_distributed() RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT false
$$;
REVOKE EXECUTE ON FUNCTION coalition.is_distributed FROM PUBLIC;

-- The transaction that a receipt of p_member_id stands for. Both came in one commit, whose end may not have reached the
-- member's node: then all that can be said is that it will (the caller asks again).
CREATE OR REPLACE FUNCTION coalition.ledger_of_receipt(p_member_id uuid, p_txn_id uuid) RETURNS coalition.txn
LANGUAGE plpgsql AS $$
DECLARE
    t coalition.txn;
BEGIN
    SELECT * INTO t FROM coalition.txn x WHERE x.member_id = p_member_id AND x.txn_id = p_txn_id;
    IF NOT FOUND THEN
        RAISE serialization_failure USING MESSAGE = format('transaction %s has not reached its node yet', p_txn_id);
    END IF;
    RETURN t;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_of_receipt FROM PUBLIC;

-- The transaction p_txn_id, whosever it is; its txn_id is NULL where there is none.
CREATE OR REPLACE FUNCTION coalition.ledger_find(p_txn_id uuid) RETURNS coalition.txn LANGUAGE plpgsql AS $$
DECLARE
    t     coalition.txn;
    whose uuid;
BEGIN
    IF coalition.is_distributed() THEN
        SELECT c.member_id INTO whose FROM coalition.receipt c WHERE c.txn_id = p_txn_id;
        IF FOUND THEN
            t := coalition.ledger_of_receipt(whose, p_txn_id);
        END IF;
    ELSE
        SELECT * INTO t FROM coalition.txn x WHERE x.txn_id = p_txn_id;
    END IF;
    RETURN t;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_find FROM PUBLIC;

-- All that a partner posted of one kind under a reference, the oldest first: one transaction, or a return's reversals.
CREATE OR REPLACE FUNCTION coalition.ledger_referenced(p_partner_id uuid, p_reference text, p_kind coalition.txn_kind)
RETURNS SETOF coalition.txn LANGUAGE plpgsql AS $$
DECLARE
    claimed coalition.receipt;
BEGIN
    IF NOT coalition.is_distributed() THEN
        RETURN QUERY SELECT * FROM coalition.txn t
            WHERE t.partner_id = p_partner_id AND t.reference = p_reference AND t.kind = p_kind ORDER BY t.txn_id;
        RETURN;
    END IF;
    FOR claimed IN SELECT * FROM coalition.receipt c
                   WHERE c.partner_id = p_partner_id AND c.reference = p_reference AND c.kind = p_kind
                   ORDER BY c.txn_id LOOP
        RETURN NEXT coalition.ledger_of_receipt(claimed.member_id, claimed.txn_id);
    END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_referenced FROM PUBLIC;

-- What reversed the transaction p_txn_id so far, whoever has the points by now.
CREATE OR REPLACE FUNCTION coalition.ledger_reversals(p_txn_id uuid) RETURNS SETOF coalition.txn
LANGUAGE plpgsql AS $$
DECLARE
    claimed coalition.receipt;
BEGIN
    IF NOT coalition.is_distributed() THEN
        RETURN QUERY SELECT * FROM coalition.txn t WHERE t.reverses_txn_id = p_txn_id;
        RETURN;
    END IF;
    FOR claimed IN SELECT * FROM coalition.receipt c WHERE c.reverses_txn_id = p_txn_id LOOP
        RETURN NEXT coalition.ledger_of_receipt(claimed.member_id, claimed.txn_id);
    END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_reversals FROM PUBLIC;

-- The member, and all who were merged into it: their wallets say so; on a cluster, where those lie on all nodes, the
-- member's own transactions do.
CREATE OR REPLACE FUNCTION coalition.ledger_merged_into(p_member_id uuid) RETURNS SETOF uuid
LANGUAGE plpgsql STABLE AS $$
DECLARE
    into_ uuid[] := ARRAY[p_member_id];
    from_ uuid[];
    one   uuid;
BEGIN
    FOR merges IN 0..1000 LOOP
        RETURN QUERY SELECT * FROM unnest(into_);
        from_ := '{}';
        IF coalition.is_distributed() THEN
            FOREACH one IN ARRAY into_ LOOP
                from_ := from_ || ARRAY(
                    SELECT (t.meta ->> 'merged_from')::uuid FROM coalition.txn t
                    WHERE t.member_id = one AND t.kind = 'merge' AND t.meta ? 'merged_from');
            END LOOP;
        ELSE
            from_ := ARRAY(SELECT w.member_id FROM coalition.wallet w WHERE w.merged_into = ANY (into_));
        END IF;
        IF from_ = '{}' THEN
            RETURN;
        END IF;
        into_ := from_;
    END LOOP;
    RAISE EXCEPTION 'the merges into % have no end', p_member_id USING ERRCODE = 'data_corrupted';
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_merged_into FROM PUBLIC;

-- Every member that was merged, and who has its points now.
CREATE OR REPLACE FUNCTION coalition.merged_members(OUT member_id uuid, OUT living_id uuid) RETURNS SETOF record
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    FOR member_id IN SELECT w.member_id FROM coalition.wallet w WHERE w.merged_into IS NOT NULL LOOP
        living_id := coalition.ledger_living_member(member_id);
        RETURN NEXT;
    END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.merged_members FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.merged_members TO coalition_service;

-- The lots that a transaction moved, in the order they were taken: for the service, for the partner whose transaction
-- it is, and for who acts with the member's consent. Others get nothing.
CREATE OR REPLACE FUNCTION coalition.moved_lots(
    p_member_id uuid, p_txn_id uuid, OUT points bigint, OUT debit text, OUT credit text, OUT issuer_id uuid,
    OUT issued_on date, OUT expires_on date
) RETURNS SETOF record LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM t.txn_id FROM coalition.txn t
    WHERE t.member_id = p_member_id AND t.txn_id = p_txn_id
      AND (current_setting('role') = 'coalition_service' OR t.partner_id = kit.partner() OR t.member_id = kit.member());
    IF FOUND THEN
        RETURN QUERY
            SELECT p.points, p.debit::text, p.credit::text, p.issuer_id, p.issued_on, l.expires_on
            FROM coalition.posting p JOIN coalition.lot l ON l.member_id = p.member_id AND l.lot_id = p.lot_id
            WHERE p.member_id = p_member_id AND p.txn_id = p_txn_id ORDER BY p.seq;
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.moved_lots FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.moved_lots TO coalition_service, coalition_tenant;
