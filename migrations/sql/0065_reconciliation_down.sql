DROP FUNCTION settlement.forget_members, coalition.known_members, coalition.posted_by;
DROP TABLE settlement.compared_pair, settlement.compared_row, settlement.reconciliation_break,
    settlement.reconciliation, settlement.partner_mapping;
REVOKE EXECUTE ON FUNCTION coalition.new_id FROM coalition_service;
