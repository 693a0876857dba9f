-- What issuers owe that is not funded, looked at once a minute without reading history.

-- Points outstanding by issuer and day of issue at the end of the day that settlement.outstanding_until names. Made of
-- the postings, and carried on day by day.
CREATE TABLE settlement.outstanding (
    issuer_id uuid   NOT NULL,
    issued_on date   NOT NULL,
    points    bigint NOT NULL,
    PRIMARY KEY (issuer_id, issued_on)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON settlement.outstanding TO coalition_service;
GRANT SELECT ON settlement.outstanding TO coalition_reports;

CREATE TABLE settlement.outstanding_until (
    one       boolean     PRIMARY KEY DEFAULT true CHECK (one),
    day       date,                  -- NULL: nothing is kept yet
    looked_at timestamptz            -- when the levels were last looked at
);
INSERT INTO settlement.outstanding_until DEFAULT VALUES;
GRANT SELECT, UPDATE ON settlement.outstanding_until TO coalition_service;

-- The level of a partner's limit that it has reached: what was told of it is not told again while it lasts.
CREATE TABLE settlement.exposure_level (
    partner_id uuid        PRIMARY KEY REFERENCES partners.partner,
    percent    int         NOT NULL CHECK (percent IN (80, 100)),
    since      timestamptz NOT NULL
);
ALTER TABLE settlement.exposure_level ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON settlement.exposure_level TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON settlement.exposure_level TO coalition_tenant USING (partner_id = kit.partner());
GRANT SELECT, INSERT, UPDATE, DELETE ON settlement.exposure_level TO coalition_service;
GRANT SELECT ON settlement.exposure_level TO coalition_reports;

ALTER TABLE settlement.policy
    ADD COLUMN beyond_limit text NOT NULL DEFAULT 'allow' CHECK (beyond_limit IN ('allow', 'refuse'));
GRANT SELECT (beyond_limit) ON settlement.policy TO coalition_reports;

-- Issuers whose earns are refused, for their exposure exceeds their limit. The room of partners publishes it with how
-- each partner stands, which every request asks for.
CREATE TABLE partners.earn_stop (
    partner_id uuid        PRIMARY KEY REFERENCES partners.partner,
    since      timestamptz NOT NULL
);
GRANT SELECT, INSERT, DELETE ON partners.earn_stop TO coalition_service;
GRANT SELECT ON partners.earn_stop TO coalition_reports;

CREATE OR REPLACE VIEW partners.standing WITH (security_invoker = true) AS
SELECT p.partner_id, p.is_issuer, p.is_redeemer, p.status, p.earns_until, p.burns_until, p.leaves_at,
       coalesce(k.ahead, '0') AS ahead, s.partner_id IS NOT NULL AS is_over_limit
FROM partners.partner p LEFT JOIN partners.test_clock k USING (partner_id)
LEFT JOIN partners.earn_stop s USING (partner_id);
