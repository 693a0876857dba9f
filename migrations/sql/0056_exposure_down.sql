DROP VIEW partners.standing;
CREATE VIEW partners.standing WITH (security_invoker = true) AS
SELECT p.partner_id, p.is_issuer, p.is_redeemer, p.status, p.earns_until, p.burns_until, p.leaves_at,
       coalesce(k.ahead, '0') AS ahead
FROM partners.partner p LEFT JOIN partners.test_clock k USING (partner_id);
GRANT SELECT ON partners.standing TO coalition_service;
DROP TABLE partners.earn_stop;
ALTER TABLE settlement.policy DROP COLUMN beyond_limit;
DROP TABLE settlement.exposure_level, settlement.outstanding_until, settlement.outstanding;
