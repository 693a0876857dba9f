-- What a settlement run wrote stays as it is.
CREATE OR REPLACE FUNCTION settlement.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% refuses %: what is settled stays', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;
REVOKE EXECUTE ON FUNCTION settlement.refuse_change FROM PUBLIC;
