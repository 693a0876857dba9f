-- What was earned beyond a limit the version before can't read: the values stay in their types, and are not used.
DO $$ BEGIN
    IF EXISTS (SELECT p.seq FROM coalition.posting p WHERE p.credit::text = 'unfunded') THEN
        RAISE EXCEPTION 'the books have points that were earned beyond a limit, which the version before cannot read';
    END IF;
END $$;
UPDATE settlement.policy SET beyond_limit = 'allow' WHERE beyond_limit = 'pending';
ALTER TABLE settlement.policy
    DROP CONSTRAINT policy_beyond_limit_check,
    ADD CONSTRAINT policy_beyond_limit_check CHECK (beyond_limit IN ('allow', 'refuse'));
DROP TABLE coalition.unfunded_issuer;
ALTER TABLE coalition.lot DROP COLUMN is_unfunded;
