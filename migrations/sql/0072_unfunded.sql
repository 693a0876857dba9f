-- Points that are earned and not funded yet: an account of their own, and the issuers whose earns go there.

ALTER TYPE coalition.account ADD VALUE IF NOT EXISTS 'unfunded';  -- earned beyond the issuer's limit: not issued yet
ALTER TYPE coalition.txn_kind ADD VALUE IF NOT EXISTS 'fund';

ALTER TABLE coalition.lot
    ADD COLUMN is_unfunded boolean NOT NULL DEFAULT false;  -- all that remains waits for its issuer: vests_at is set

-- Issuers whose earns are not funded now. Who stands above the ledger says which.
CREATE TABLE coalition.unfunded_issuer (
    issuer_id uuid        PRIMARY KEY,
    since     timestamptz NOT NULL
);
GRANT SELECT, INSERT, DELETE ON coalition.unfunded_issuer TO coalition_service;
GRANT SELECT ON coalition.unfunded_issuer TO coalition_reports;

ALTER TABLE settlement.policy
    DROP CONSTRAINT policy_beyond_limit_check,
    ADD CONSTRAINT policy_beyond_limit_check CHECK (beyond_limit IN ('allow', 'refuse', 'pending'));
