DROP FUNCTION coalition.flows_on, coalition.flow_lines_on;
DROP TABLE settlement.run_statement, settlement.run_payment, settlement.run_position, settlement.run_change,
    settlement.run, settlement.policy, settlement.entry, settlement.line;
ALTER TABLE settlement.agreement DROP COLUMN agreed_on;
ALTER TABLE settlement.settled_day DROP COLUMN form;
-- What the version before does not know goes: it settles points burned, and each partner with each other.
ALTER TABLE settlement.obligation DISABLE TRIGGER append_only;
DELETE FROM settlement.obligation WHERE kind <> 'redemption' OR agreement_id IS NULL
    OR payer_id NOT IN (SELECT partner_id FROM partners.partner)
    OR payee_id NOT IN (SELECT partner_id FROM partners.partner);
ALTER TABLE settlement.obligation ENABLE TRIGGER append_only;
ALTER TABLE settlement.obligation
    DROP CONSTRAINT obligation_pkey,
    DROP COLUMN obligation_id, DROP COLUMN kind, DROP COLUMN cycle, DROP COLUMN lines_digest,
    ALTER COLUMN agreement_id SET NOT NULL,
    ADD PRIMARY KEY (day, payer_id, payee_id, agreement_id),
    ADD CONSTRAINT obligation_payer_id_fkey FOREIGN KEY (payer_id) REFERENCES partners.partner,
    ADD CONSTRAINT obligation_payee_id_fkey FOREIGN KEY (payee_id) REFERENCES partners.partner,
    ALTER CONSTRAINT obligation_day_fkey NOT DEFERRABLE;
ALTER TABLE settlement.set_aside
    ALTER CONSTRAINT set_aside_day_fkey NOT DEFERRABLE,
    ALTER CONSTRAINT set_aside_settled_on_fkey NOT DEFERRABLE;
