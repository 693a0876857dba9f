-- A partner's requests read its own statements, with all that they are made of; row-level security says which rows.
GRANT SELECT ON settlement.obligation, settlement.line, settlement.run_position, settlement.run_payment,
    settlement.run_statement, settlement.set_aside TO coalition_tenant;
CREATE INDEX run_statement_of_partner ON settlement.run_statement (partner_id, statement_id);
