DROP INDEX settlement.run_statement_of_partner;
REVOKE SELECT ON settlement.obligation, settlement.line, settlement.run_position, settlement.run_payment,
    settlement.run_statement, settlement.set_aside FROM coalition_tenant;
