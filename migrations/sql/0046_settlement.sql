-- Settlement: the dated prices, and what each settled day left. A settled day is written once and never again.
CREATE SCHEMA settlement;
GRANT USAGE ON SCHEMA settlement TO coalition_service, coalition_tenant, coalition_reports;

-- What a settlement run wrote stays as it is.
CREATE OR REPLACE FUNCTION settlement.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% refuses %: what is settled stays', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;
REVOKE EXECUTE ON FUNCTION settlement.refuse_change FROM PUBLIC;

-- A version that a settled day refers to can't be taken out: its obligations hold on to it.
CREATE TABLE settlement.agreement (
    agreement_id           uuid        PRIMARY KEY,
    partner_id             uuid        NOT NULL REFERENCES partners.partner,
    version                int         NOT NULL CHECK (version > 0),
    valid                  daterange   NOT NULL CHECK (NOT isempty(valid)),
    currency               text        NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    redemption_price_minor numeric     NOT NULL CHECK (redemption_price_minor >= 0),  -- minor units per point
    created_at             timestamptz NOT NULL,
    revision               int         NOT NULL DEFAULT 1,  -- raised when it is corrected, before it bites
    UNIQUE (partner_id, version),
    EXCLUDE USING gist (coalition.uuid_range(partner_id, partner_id, '[]') WITH &&, valid WITH &&)
);
GRANT SELECT, INSERT, UPDATE (valid), DELETE ON settlement.agreement TO coalition_service;
GRANT SELECT (agreement_id, partner_id, version, valid, currency, redemption_price_minor, created_at, revision)
    ON settlement.agreement TO coalition_tenant;
GRANT SELECT ON settlement.agreement TO coalition_reports;

CREATE TABLE settlement.settled_day (
    day           date        PRIMARY KEY,
    content_hash  bytea       NOT NULL CHECK (length(content_hash) = 32),
    calculated_at timestamptz NOT NULL
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON settlement.settled_day
    FOR EACH ROW EXECUTE FUNCTION settlement.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON settlement.settled_day
    FOR EACH STATEMENT EXECUTE FUNCTION settlement.refuse_change();
GRANT SELECT, INSERT ON settlement.settled_day TO coalition_service;
GRANT SELECT ON settlement.settled_day TO coalition_reports;

CREATE TABLE settlement.obligation (
    day          date   NOT NULL REFERENCES settlement.settled_day,
    payer_id     uuid   NOT NULL REFERENCES partners.partner,
    payee_id     uuid   NOT NULL REFERENCES partners.partner,
    agreement_id uuid   NOT NULL REFERENCES settlement.agreement,
    currency     text   NOT NULL,
    points       bigint NOT NULL,  -- burned less given back: negative when returns outweigh
    amount_minor bigint NOT NULL,  -- same sign as points
    PRIMARY KEY (day, payer_id, payee_id, agreement_id)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON settlement.obligation
    FOR EACH ROW EXECUTE FUNCTION settlement.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON settlement.obligation
    FOR EACH STATEMENT EXECUTE FUNCTION settlement.refuse_change();
ALTER TABLE settlement.obligation ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON settlement.obligation TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON settlement.obligation TO coalition_tenant USING (kit.partner() IN (payer_id, payee_id));
GRANT SELECT, INSERT ON settlement.obligation TO coalition_service;
GRANT SELECT ON settlement.obligation TO coalition_reports;

CREATE TABLE settlement.net_position (
    day          date   NOT NULL REFERENCES settlement.settled_day,
    partner_id   uuid   NOT NULL REFERENCES partners.partner,
    currency     text   NOT NULL,
    amount_minor bigint NOT NULL,  -- what the partner receives; negative: what it owes
    PRIMARY KEY (day, partner_id, currency)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON settlement.net_position
    FOR EACH ROW EXECUTE FUNCTION settlement.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON settlement.net_position
    FOR EACH STATEMENT EXECUTE FUNCTION settlement.refuse_change();
ALTER TABLE settlement.net_position ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON settlement.net_position TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON settlement.net_position TO coalition_tenant USING (partner_id = kit.partner());
GRANT SELECT, INSERT ON settlement.net_position TO coalition_service;
GRANT SELECT ON settlement.net_position TO coalition_reports;

CREATE TABLE settlement.payment (
    day          date   NOT NULL REFERENCES settlement.settled_day,
    seq          int    NOT NULL CHECK (seq > 0),
    payer_id     uuid   NOT NULL REFERENCES partners.partner,
    payee_id     uuid   NOT NULL REFERENCES partners.partner,
    currency     text   NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    PRIMARY KEY (day, seq),
    CHECK (payer_id <> payee_id)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON settlement.payment
    FOR EACH ROW EXECUTE FUNCTION settlement.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON settlement.payment
    FOR EACH STATEMENT EXECUTE FUNCTION settlement.refuse_change();
ALTER TABLE settlement.payment ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON settlement.payment TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON settlement.payment TO coalition_tenant USING (kit.partner() IN (payer_id, payee_id));
GRANT SELECT, INSERT ON settlement.payment TO coalition_service;
GRANT SELECT ON settlement.payment TO coalition_reports;

CREATE TABLE settlement.statement (
    statement_id uuid  PRIMARY KEY,
    day          date  NOT NULL REFERENCES settlement.settled_day,
    partner_id   uuid  NOT NULL REFERENCES partners.partner,
    body         bytea NOT NULL,  -- a gzip file of JSON, frozen; the hash is of the JSON
    content_hash bytea NOT NULL CHECK (length(content_hash) = 32),
    UNIQUE (day, partner_id)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON settlement.statement
    FOR EACH ROW EXECUTE FUNCTION settlement.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON settlement.statement
    FOR EACH STATEMENT EXECUTE FUNCTION settlement.refuse_change();
ALTER TABLE settlement.statement ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON settlement.statement TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON settlement.statement TO coalition_tenant USING (partner_id = kit.partner());
GRANT SELECT, INSERT ON settlement.statement TO coalition_service;
GRANT SELECT ON settlement.statement TO coalition_reports;

-- What was burned on `day` and could not be priced: left out of that day's run, and taken into a later one once it
-- can be.
CREATE TABLE settlement.set_aside (
    day        date   NOT NULL REFERENCES settlement.settled_day,
    payer_id   uuid   NOT NULL REFERENCES partners.partner,
    payee_id   uuid   NOT NULL REFERENCES partners.partner,
    issued_on  date   NOT NULL,
    points     bigint NOT NULL,
    code       text   NOT NULL,
    settled_on date   REFERENCES settlement.settled_day,
    PRIMARY KEY (day, payer_id, payee_id, issued_on),
    CHECK (settled_on > day)
);
CREATE INDEX set_aside_settled ON settlement.set_aside (settled_on);
CREATE TRIGGER append_only BEFORE UPDATE ON settlement.set_aside
    FOR EACH ROW WHEN (
        OLD.settled_on IS NOT NULL
        OR (OLD.day, OLD.payer_id, OLD.payee_id, OLD.issued_on, OLD.points, OLD.code)
           IS DISTINCT FROM (NEW.day, NEW.payer_id, NEW.payee_id, NEW.issued_on, NEW.points, NEW.code)
    ) EXECUTE FUNCTION settlement.refuse_change();
CREATE TRIGGER no_delete BEFORE DELETE ON settlement.set_aside
    FOR EACH ROW EXECUTE FUNCTION settlement.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON settlement.set_aside
    FOR EACH STATEMENT EXECUTE FUNCTION settlement.refuse_change();
ALTER TABLE settlement.set_aside ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON settlement.set_aside TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON settlement.set_aside TO coalition_tenant USING (kit.partner() IN (payer_id, payee_id));
GRANT SELECT, INSERT, UPDATE (settled_on) ON settlement.set_aside TO coalition_service;
GRANT SELECT ON settlement.set_aside TO coalition_reports;

-- What keeps a day from being settled, until it is.
CREATE TABLE settlement.run_failure (
    day     date        PRIMARY KEY,
    code    text        NOT NULL,
    detail  text        NOT NULL,
    since   timestamptz NOT NULL,
    last_at timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON settlement.run_failure TO coalition_service;
GRANT SELECT ON settlement.run_failure TO coalition_reports;
