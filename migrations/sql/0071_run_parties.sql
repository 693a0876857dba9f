-- Who the parties of a run are on paper, as they were when it was calculated: its statements name them so for good.
CREATE TABLE settlement.run_party (
    run_id        uuid NOT NULL REFERENCES settlement.run,
    party_id      uuid NOT NULL,
    code          text NOT NULL,
    name          text NOT NULL,
    legal_name    text,
    legal_address text,
    tax_id        text,
    PRIMARY KEY (run_id, party_id)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON settlement.run_party
    FOR EACH ROW EXECUTE FUNCTION settlement.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON settlement.run_party
    FOR EACH STATEMENT EXECUTE FUNCTION settlement.refuse_change();
ALTER TABLE settlement.run_party ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON settlement.run_party TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON settlement.run_party TO coalition_tenant USING (party_id = kit.partner());
GRANT SELECT, INSERT ON settlement.run_party TO coalition_service;
GRANT SELECT (run_id, party_id, code, name) ON settlement.run_party TO coalition_reports;
