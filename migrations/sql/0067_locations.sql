-- At which location of its partner a transaction was made, and what of an obligation fell to each location.

-- Those that post hold this gate until they end. So none is on its way, with one table read and another waited
-- for, while the ledger's table gets its column; those that come wait here.
SELECT pg_advisory_xact_lock(coalition.day_gate());
ALTER TABLE coalition.txn ADD COLUMN location_id uuid;  -- of partner_id; no key, for members may lie on several nodes
GRANT SELECT (location_id) ON coalition.txn TO coalition_reports;
ALTER TYPE coalition.request
    ADD ATTRIBUTE location_id uuid,
    ADD ATTRIBUTE location_code text;  -- the same as its partner calls it; partners.post finds which one that is

ALTER TABLE settlement.line ADD COLUMN location_id uuid;  -- of the partner that posted it; NULL: none was named
GRANT SELECT (location_id) ON settlement.line TO coalition_reports;

-- The sum of an obligation's lines at one location. What no location has is the rest of the obligation.
CREATE TABLE settlement.location_share (
    obligation_id uuid   NOT NULL,
    location_id   uuid   NOT NULL,
    points        bigint NOT NULL,
    amount_minor  bigint NOT NULL,
    PRIMARY KEY (obligation_id, location_id)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON settlement.location_share
    FOR EACH ROW EXECUTE FUNCTION settlement.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON settlement.location_share
    FOR EACH STATEMENT EXECUTE FUNCTION settlement.refuse_change();
ALTER TABLE settlement.location_share ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON settlement.location_share TO coalition_service, coalition_reports USING (true);
-- A subquery is itself answered as that partner.
CREATE POLICY own ON settlement.location_share TO coalition_tenant
    USING (EXISTS (SELECT FROM settlement.obligation o WHERE o.obligation_id = location_share.obligation_id));
GRANT SELECT, INSERT ON settlement.location_share TO coalition_service;
GRANT SELECT ON settlement.location_share TO coalition_reports;

-- It gives one column more, so it is made anew. Whoever reads it names the columns.
DROP FUNCTION coalition.flow_lines_on(date);
