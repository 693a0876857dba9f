-- What the API's conventions stand on: requests one can look at, the audit, batches, and what only the sandbox has.

-- Written in the background in sets: what a crash takes with it is the last tenth of a second. `sent` and `answer` are
-- json, not jsonb, for what partners send holds escapes that jsonb refuses. No reference to the partner: the row tells
-- of a principal that was found, and checking that again would cost more than writing it.
CREATE TABLE partners.request (
    partner_id      uuid        NOT NULL,
    request_id      text        NOT NULL CHECK (length(request_id) BETWEEN 8 AND 64),
    client_id       text        NOT NULL,
    at              timestamptz NOT NULL,
    method          text        NOT NULL,
    path            text        NOT NULL,
    status          int         NOT NULL,
    code            text,
    duration_us     int         NOT NULL,
    idempotency_key text,
    trace_id        text        NOT NULL,
    sent            json,
    answer          json
);
-- Ids may be the caller's own, so they count within one partner, and the same one may come twice: the newest is shown.
CREATE INDEX request_of_partner ON partners.request (partner_id, request_id);
CREATE INDEX request_age ON partners.request (at);
GRANT SELECT, INSERT, DELETE ON partners.request TO coalition_service;

-- The log of requests is written by COPY, which no table with row-level security takes; so it is read through this.
CREATE VIEW partners.request_seen WITH (security_barrier) AS
    SELECT * FROM partners.request WHERE current_user = 'coalition_service' OR partner_id = kit.partner();
GRANT SELECT ON partners.request_seen TO coalition_service, coalition_tenant;

-- Who did what, with which client: one chain, each entry's digest over its content and the digest before it. The digest
-- is keyed, and the key is not in the database, so that whoever may write here can't make a chain that holds.
CREATE TABLE partners.audit_entry (
    seq     bigint PRIMARY KEY CHECK (seq > 0),
    content text   NOT NULL CHECK (length(content) BETWEEN 2 AND 100000),
    digest  bytea  NOT NULL CHECK (length(digest) = 32)
);
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON partners.audit_entry
    FOR EACH ROW EXECUTE FUNCTION partners.audit_refuse();
CREATE TRIGGER audit_not_truncated BEFORE TRUNCATE ON partners.audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION partners.audit_refuse();
GRANT SELECT ON partners.audit_entry TO coalition_service;

CREATE TYPE partners.batch_status AS ENUM ('waiting', 'running', 'finished', 'cancelled');

-- Batches too large for one request: the file in parts, each with its answers once it is done.
CREATE TABLE partners.batch_file (
    batch_id          uuid        PRIMARY KEY,
    partner_id        uuid        NOT NULL REFERENCES partners.partner,
    client_id         text        NOT NULL REFERENCES partners.oauth_client,
    scopes            text[]      NOT NULL,            -- of the token it came with
    key               text        NOT NULL,            -- its Idempotency-Key
    content_hash      bytea       NOT NULL CHECK (length(content_hash) = 32),
    format            text        NOT NULL CHECK (format IN ('csv', 'jsonl')),
    header            text        NOT NULL,            -- the first line of a CSV, otherwise empty
    lines             int         NOT NULL CHECK (lines BETWEEN 1 AND 1000000),
    status            partners.batch_status NOT NULL DEFAULT 'waiting',
    done              int         NOT NULL DEFAULT 0,
    posted            int         NOT NULL DEFAULT 0,
    replayed          int         NOT NULL DEFAULT 0,
    refused           int         NOT NULL DEFAULT 0,
    created_at        timestamptz NOT NULL,
    finished_at       timestamptz,
    -- Who ended it before its end.
    cancelled_because text        CHECK (cancelled_because IN ('partner', 'operator', 'client_revoked')),
    faults            int         NOT NULL DEFAULT 0,  -- one after the other
    paused_until      timestamptz,                     -- set aside after a fault
    UNIQUE (partner_id, key),
    CHECK (done BETWEEN 0 AND lines AND posted + replayed + refused = done)
);
CREATE INDEX batch_file_open ON partners.batch_file (batch_id) WHERE status IN ('waiting', 'running');
ALTER TABLE partners.batch_file ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON partners.batch_file TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON partners.batch_file TO coalition_tenant USING (partner_id = kit.partner());
GRANT SELECT, INSERT, UPDATE, DELETE ON partners.batch_file TO coalition_service;
GRANT SELECT, INSERT, UPDATE (content_hash, lines, status, finished_at, cancelled_because)
    ON partners.batch_file TO coalition_tenant;

CREATE TABLE partners.batch_part (
    batch_id   uuid  NOT NULL REFERENCES partners.batch_file ON DELETE CASCADE,
    first_line int   NOT NULL,
    content    bytea NOT NULL,  -- its lines, as they came
    answers    text,            -- JSON Lines, one for each line; NULL until it is done
    PRIMARY KEY (batch_id, first_line)
);
ALTER TABLE partners.batch_part ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON partners.batch_part TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON partners.batch_part TO coalition_tenant
    USING (EXISTS (SELECT FROM partners.batch_file f WHERE f.batch_id = batch_part.batch_id));
GRANT SELECT, INSERT, UPDATE, DELETE ON partners.batch_part TO coalition_service;
GRANT SELECT, INSERT ON partners.batch_part TO coalition_tenant;

-- How far ahead of the true time a partner of the sandbox lives. Live's table stays empty.
CREATE TABLE partners.test_clock (
    partner_id uuid        PRIMARY KEY REFERENCES partners.partner,
    ahead      interval    NOT NULL CHECK (ahead > '0'),
    set_at     timestamptz NOT NULL  -- the true time
);
ALTER TABLE partners.test_clock ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON partners.test_clock TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON partners.test_clock TO coalition_tenant USING (partner_id = kit.partner());
GRANT SELECT, INSERT, UPDATE ON partners.test_clock TO coalition_service;

-- Which faults of the sandbox a request has met already, for each comes once. Live's table stays empty.
CREATE TABLE partners.fault_met (
    partner_id      uuid        NOT NULL REFERENCES partners.partner,
    idempotency_key text        NOT NULL CHECK (length(idempotency_key) <= 128),
    at              timestamptz NOT NULL,
    PRIMARY KEY (partner_id, idempotency_key)
);
CREATE INDEX fault_met_at_idx ON partners.fault_met (at);
ALTER TABLE partners.fault_met ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON partners.fault_met TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON partners.fault_met TO coalition_tenant USING (partner_id = kit.partner());
GRANT SELECT, INSERT, DELETE ON partners.fault_met TO coalition_service;
GRANT SELECT, INSERT ON partners.fault_met TO coalition_tenant;

-- What the room of partners publishes of its tables, for other rooms to read.

-- How each partner stands: what it may do, until when, and how far its test clock is ahead.
CREATE VIEW partners.standing WITH (security_invoker = true) AS
SELECT p.partner_id, p.is_issuer, p.is_redeemer, p.status, p.earns_until, p.burns_until, p.leaves_at,
       coalesce(k.ahead, '0') AS ahead
FROM partners.partner p LEFT JOIN partners.test_clock k USING (partner_id);
GRANT SELECT ON partners.standing TO coalition_service;

-- The tills that may be used: themselves active, in a location that is open.
CREATE VIEW partners.open_till WITH (security_invoker = true) AS
SELECT t.till_id, t.location_id
FROM partners.till t JOIN partners.location l USING (location_id)
WHERE t.status = 'active' AND l.status = 'open';
GRANT SELECT ON partners.open_till TO coalition_service;
