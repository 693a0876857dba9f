-- What was written once stays as it is.
CREATE OR REPLACE FUNCTION coalition.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% refuses %: the ledger is append-only', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;
REVOKE EXECUTE ON FUNCTION coalition.refuse_change FROM PUBLIC;
