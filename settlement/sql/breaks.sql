-- Take members out of what partners' files and the ledger disagree about: there is no erasure without it. It waits for
-- a reconciliation that is about to write some down.
CREATE OR REPLACE FUNCTION settlement.forget_members(p_member_ids uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('settlement.breaks', 0));
    UPDATE settlement.reconciliation_break b SET member_id = NULL, line_store = NULL
    WHERE b.member_id = ANY (p_member_ids);
END $$;
REVOKE EXECUTE ON FUNCTION settlement.forget_members FROM PUBLIC;
GRANT EXECUTE ON FUNCTION settlement.forget_members TO coalition_service;
