-- By how many identifiers a member is found, other partners' own ids among them.
CREATE OR REPLACE FUNCTION coalition.count_identifiers(p_member_id uuid) RETURNS bigint
LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT count(*) FROM coalition.member_identifier i WHERE i.member_id = p_member_id
$$;
REVOKE EXECUTE ON FUNCTION coalition.count_identifiers FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.count_identifiers TO coalition_service, coalition_tenant;

-- Whether another than p_partner_id has posted for the member.
CREATE OR REPLACE FUNCTION coalition.used_by_others(p_member_id uuid, p_partner_id uuid) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM t.txn_id FROM coalition.txn t WHERE t.member_id = p_member_id AND t.partner_id <> p_partner_id LIMIT 1;
    RETURN FOUND;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.used_by_others FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.used_by_others TO coalition_service, coalition_tenant;

-- The member proved itself at p_partner_id: with that it is claimed, unless that partner enrolled it.
CREATE OR REPLACE FUNCTION coalition.claim_member(p_member_id uuid, p_partner_id uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE coalition.member m SET is_claimed = true
    WHERE m.member_id = p_member_id AND NOT m.is_claimed AND m.enrolled_by <> p_partner_id
$$;
REVOKE EXECUTE ON FUNCTION coalition.claim_member FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.claim_member TO coalition_service, coalition_tenant;

-- Whether the partner's word is all there is for the member, and points of others are in its wallet.
CREATE OR REPLACE FUNCTION coalition.only_vouched_for(p_member_id uuid, p_partner_id uuid)
RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    PERFORM m.member_id FROM coalition.member m
    WHERE m.member_id = p_member_id AND NOT m.is_claimed AND m.enrolled_by = p_partner_id;
    IF FOUND THEN
        PERFORM l.lot_id FROM coalition.lot l
        WHERE l.member_id = p_member_id AND l.is_open AND l.issuer_id <> p_partner_id LIMIT 1;
    END IF;
    RETURN FOUND;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.only_vouched_for FROM PUBLIC;

-- The members that were merged into this one, over any number of steps.
CREATE OR REPLACE FUNCTION coalition.all_merged_into(p_member_id uuid) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT * FROM coalition.ledger_merged_into(p_member_id)
$$;
REVOKE EXECUTE ON FUNCTION coalition.all_merged_into FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.all_merged_into TO coalition_service;
