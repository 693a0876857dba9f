-- Webhooks: the retry schedule lives here; Redis only rings the doorbell.
CREATE SCHEMA webhooks;
GRANT USAGE ON SCHEMA webhooks TO coalition_service, coalition_tenant, coalition_reports;

CREATE TABLE webhooks.endpoint (
    endpoint_id   uuid        PRIMARY KEY,
    partner_id    uuid        NOT NULL REFERENCES partners.partner,
    url           text        NOT NULL CHECK (length(url) <= 2000),
    event_types   text[]      NOT NULL CHECK (cardinality(event_types) BETWEEN 1 AND 50),
    sealed_secret bytea       NOT NULL,
    status        text        NOT NULL CHECK (status IN ('enabled', 'disabled')),
    created_at    timestamptz NOT NULL,
    version       int         NOT NULL DEFAULT 1,
    removed_at    timestamptz,
    CHECK (removed_at IS NULL OR status = 'disabled')
);
CREATE INDEX endpoint_partner ON webhooks.endpoint (partner_id);
CREATE TRIGGER version BEFORE UPDATE ON webhooks.endpoint
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION kit.raise_version();
ALTER TABLE webhooks.endpoint ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON webhooks.endpoint TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON webhooks.endpoint TO coalition_tenant USING (partner_id = kit.partner());
GRANT SELECT, INSERT, UPDATE ON webhooks.endpoint TO coalition_service;
GRANT SELECT (endpoint_id, partner_id, url, event_types, status, created_at, version, removed_at), INSERT,
    UPDATE (status, removed_at) ON webhooks.endpoint TO coalition_tenant;
GRANT SELECT (endpoint_id, partner_id, event_types, status, created_at) ON webhooks.endpoint TO coalition_reports;

CREATE TABLE webhooks.delivery (
    delivery_id  uuid        PRIMARY KEY,
    endpoint_id  uuid        NOT NULL REFERENCES webhooks.endpoint,
    subject_id   uuid        NOT NULL,
    event_id     uuid        NOT NULL,
    position     bigint      NOT NULL,            -- the event's place in the feed: the order of first attempts
    state        text        NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts     int         NOT NULL DEFAULT 0,
    due_at       timestamptz NOT NULL,            -- while claimed: when the claim lapses and it is due again
    claim_id     uuid,
    completed_at timestamptz,
    by_hand      int         NOT NULL DEFAULT 0,  -- of its attempts: beside the schedule
    UNIQUE (event_id, endpoint_id),
    FOREIGN KEY (subject_id, event_id) REFERENCES kit.event,
    CHECK ((state = 'pending') = (completed_at IS NULL))
) WITH (fillfactor = 70);
CREATE INDEX delivery_due ON webhooks.delivery (endpoint_id, due_at) WHERE state = 'pending';
CREATE INDEX delivery_claimed ON webhooks.delivery (claim_id) WHERE claim_id IS NOT NULL;
CREATE INDEX delivery_of_endpoint ON webhooks.delivery (endpoint_id, delivery_id);
ALTER TABLE webhooks.delivery ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON webhooks.delivery TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON webhooks.delivery TO coalition_tenant
    USING (EXISTS (SELECT FROM webhooks.endpoint e WHERE e.endpoint_id = delivery.endpoint_id));
GRANT SELECT, INSERT, UPDATE ON webhooks.delivery TO coalition_service;
GRANT SELECT, UPDATE (state, due_at, completed_at, by_hand) ON webhooks.delivery TO coalition_tenant;
GRANT SELECT ON webhooks.delivery TO coalition_reports;

CREATE TABLE webhooks.attempt (
    delivery_id uuid        NOT NULL REFERENCES webhooks.delivery,
    attempt_no  int         NOT NULL CHECK (attempt_no > 0),
    started_at  timestamptz NOT NULL,
    outcome     text        NOT NULL CHECK (outcome IN ('unknown', 'succeeded', 'failed')),
    status_code int,
    error       text,
    duration_ms int,
    response    bytea,
    PRIMARY KEY (delivery_id, attempt_no)
) WITH (fillfactor = 85);
ALTER TABLE webhooks.attempt ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON webhooks.attempt TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON webhooks.attempt TO coalition_tenant
    USING (EXISTS (SELECT FROM webhooks.delivery d WHERE d.delivery_id = attempt.delivery_id));
GRANT SELECT, INSERT, UPDATE ON webhooks.attempt TO coalition_service;
GRANT SELECT ON webhooks.attempt TO coalition_tenant;
GRANT SELECT (delivery_id, attempt_no, started_at, outcome, status_code, duration_ms)
    ON webhooks.attempt TO coalition_reports;
