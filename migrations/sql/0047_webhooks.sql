-- What an endpoint asks for.
ALTER TABLE webhooks.endpoint
    DROP CONSTRAINT endpoint_status_check,
    ADD CONSTRAINT endpoint_status_check CHECK (status IN ('enabled', 'paused', 'disabled')),
    ADD COLUMN status_reason   text CHECK (status_reason IN ('gone', 'failing')),  -- why we disabled it; empty: you did
    ADD COLUMN filter          jsonb,
    ADD COLUMN body            text  NOT NULL DEFAULT 'full' CHECK (body IN ('full', 'thin')),
    ADD COLUMN ordering        text  NOT NULL DEFAULT 'none' CHECK (ordering IN ('none', 'member', 'strict')),
    ADD COLUMN on_exhausted    text  NOT NULL DEFAULT 'skip' CHECK (on_exhausted IN ('skip', 'hold')),
    ADD COLUMN batch_size      int   NOT NULL DEFAULT 1 CHECK (batch_size BETWEEN 1 AND 100),
    ADD COLUMN retry_delays_s  int[] CHECK (cardinality(retry_delays_s) BETWEEN 1 AND 20),
    ADD COLUMN rate_per_s      int   CHECK (rate_per_s BETWEEN 1 AND 1000),
    ADD COLUMN timeout_s       int   CHECK (timeout_s BETWEEN 1 AND 30),
    ADD COLUMN signatures      text[] NOT NULL DEFAULT '{v1}' CHECK (signatures IN ('{v1}', '{v1a}', '{v1,v1a}')),
    ADD COLUMN metadata        jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN header_names    text[] NOT NULL DEFAULT '{}',
    ADD COLUMN sealed_headers  bytea,              -- their values may be secrets
    ADD COLUMN former_sealed_secret bytea,         -- signs beside the newer one until
    ADD COLUMN former_until    timestamptz,
    ADD CHECK ((former_sealed_secret IS NULL) = (former_until IS NULL)),
    ADD CHECK (batch_size = 1 OR ordering = 'strict');
CREATE INDEX endpoint_not_enabled ON webhooks.endpoint (endpoint_id) WHERE status <> 'enabled' AND removed_at IS NULL;
GRANT SELECT (sealed_secret, signatures, status_reason, filter, body, ordering, on_exhausted, batch_size, retry_delays_s,
    rate_per_s, timeout_s, metadata, header_names, former_until),
    UPDATE (url, event_types, sealed_secret, signatures, status_reason, filter, body, ordering, on_exhausted, batch_size,
    retry_delays_s, rate_per_s, timeout_s, metadata, header_names, sealed_headers, former_sealed_secret, former_until)
    ON webhooks.endpoint TO coalition_tenant;
GRANT SELECT (status_reason, ordering, body, batch_size, rate_per_s, timeout_s) ON webhooks.endpoint
    TO coalition_reports;

-- How an endpoint does: of the pump, apart from what its partner asked for, so that neither changes the other's version.
CREATE TABLE webhooks.endpoint_state (
    endpoint_id   uuid        PRIMARY KEY REFERENCES webhooks.endpoint,
    last_sequence bigint      NOT NULL DEFAULT 0,  -- of its deliveries, for who looks for gaps
    failures      int         NOT NULL DEFAULT 0,  -- attempts in a row
    failing_since timestamptz,
    warned        int         NOT NULL DEFAULT 0,  -- at which per cent of the way to being disabled
    probe_at      timestamptz                      -- the breaker is open: until then nothing is sent, then one attempt
) WITH (fillfactor = 70);
ALTER TABLE webhooks.endpoint_state ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON webhooks.endpoint_state TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON webhooks.endpoint_state TO coalition_tenant
    USING (EXISTS (SELECT FROM webhooks.endpoint e WHERE e.endpoint_id = endpoint_state.endpoint_id));
GRANT SELECT, INSERT, UPDATE ON webhooks.endpoint_state TO coalition_service;
GRANT SELECT, UPDATE (failures, failing_since, warned, probe_at) ON webhooks.endpoint_state TO coalition_tenant;
GRANT SELECT ON webhooks.endpoint_state TO coalition_reports;

-- What came of attempts, by five minutes.
CREATE TABLE webhooks.traffic (
    endpoint_id uuid        NOT NULL REFERENCES webhooks.endpoint,
    began_at    timestamptz NOT NULL,
    succeeded   int         NOT NULL DEFAULT 0,
    failed      int         NOT NULL DEFAULT 0,
    given_up    int         NOT NULL DEFAULT 0,  -- of those that failed: for the last time
    duration_ms bigint      NOT NULL DEFAULT 0,  -- of all of them
    slowest_ms  int         NOT NULL DEFAULT 0,
    PRIMARY KEY (endpoint_id, began_at)
) WITH (fillfactor = 70);
ALTER TABLE webhooks.traffic ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON webhooks.traffic TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON webhooks.traffic TO coalition_tenant
    USING (EXISTS (SELECT FROM webhooks.endpoint e WHERE e.endpoint_id = traffic.endpoint_id));
GRANT SELECT, INSERT, UPDATE, DELETE ON webhooks.traffic TO coalition_service;
GRANT SELECT ON webhooks.traffic TO coalition_tenant, coalition_reports;

-- Lanes and order. A claim changes no indexed column, so that it stays within its page.
ALTER TABLE webhooks.delivery
    DROP CONSTRAINT delivery_state_check,
    ADD CONSTRAINT delivery_state_check
        CHECK (state IN ('pending', 'delivered', 'failed', 'held', 'cancelled')) NOT VALID,
    ADD COLUMN lane         smallint NOT NULL DEFAULT 0,  -- 0 first attempts, 1 retries, 2 replays, 3 and 4 behind another
    ADD COLUMN ordering_key uuid,                         -- those of one key go one after the other
    ADD COLUMN sequence     bigint,                       -- among the endpoint's deliveries
    ADD COLUMN lease_until  timestamptz,                  -- of the claim
    ADD COLUMN started_at   timestamptz,                  -- the attempt under this claim
    ADD COLUMN slot         smallint,                     -- of the pump that claimed it last
    ADD COLUMN batch_id     uuid;                         -- sent together, whenever it is sent
ALTER TABLE webhooks.delivery VALIDATE CONSTRAINT delivery_state_check;
DROP INDEX webhooks.delivery_due, webhooks.delivery_claimed;
CREATE INDEX delivery_due ON webhooks.delivery (endpoint_id, lane, due_at) WHERE state = 'pending';
CREATE INDEX delivery_in_order ON webhooks.delivery (endpoint_id, ordering_key, position)
    WHERE ordering_key IS NOT NULL;
CREATE INDEX delivery_open ON webhooks.delivery (endpoint_id, ordering_key, position)
    WHERE ordering_key IS NOT NULL AND state IN ('pending', 'held');
CREATE INDEX delivery_completed ON webhooks.delivery USING brin (completed_at);
GRANT DELETE ON webhooks.delivery TO coalition_service;
GRANT UPDATE (lane, ordering_key, batch_id) ON webhooks.delivery TO coalition_tenant;

-- The log of attempts: written as each ends, and never searched by who claims.
ALTER TABLE webhooks.attempt
    ADD COLUMN remote_ip  inet,
    ADD COLUMN connect_ms int;
CREATE INDEX attempt_started ON webhooks.attempt USING brin (started_at);
GRANT DELETE ON webhooks.attempt TO coalition_service;

-- Up to where the feed's bodies are gone.
CREATE TABLE webhooks.retention (
    only_row      boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position      bigint  NOT NULL
);
INSERT INTO webhooks.retention VALUES (true, 0);
GRANT SELECT, UPDATE (position) ON webhooks.retention TO coalition_service;
GRANT SELECT ON webhooks.retention TO coalition_tenant;

-- Events sent again, as a job of the pump.
CREATE TABLE webhooks.replay (
    replay_id     uuid        PRIMARY KEY,
    partner_id    uuid        NOT NULL REFERENCES partners.partner,
    endpoint_id   uuid        NOT NULL REFERENCES webhooks.endpoint,
    since         timestamptz NOT NULL,
    until         timestamptz NOT NULL CHECK (until > since),
    event_types   text[]      NOT NULL,
    selection     text        NOT NULL CHECK (selection IN ('failed', 'missing', 'all')),
    state         text        NOT NULL CHECK (state IN ('running', 'done', 'cancelled')),
    events        int         NOT NULL,  -- that it was found to concern as it began
    processed     int         NOT NULL DEFAULT 0,
    sent_again    int         NOT NULL DEFAULT 0,
    position      bigint      NOT NULL,  -- of the feed: how far it is
    last_position bigint      NOT NULL,
    due_at        timestamptz NOT NULL,  -- its next step
    failures      int         NOT NULL DEFAULT 0,  -- of its steps, in a row
    created_at    timestamptz NOT NULL,
    ended_at      timestamptz,
    CHECK ((state = 'running') = (ended_at IS NULL))
);
CREATE INDEX replay_partner ON webhooks.replay (partner_id, replay_id);
CREATE INDEX replay_running ON webhooks.replay (due_at) WHERE state = 'running';
ALTER TABLE webhooks.replay ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON webhooks.replay TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON webhooks.replay TO coalition_tenant USING (partner_id = kit.partner());
GRANT SELECT, INSERT, UPDATE (state, processed, sent_again, position, due_at, failures, ended_at)
    ON webhooks.replay TO coalition_service;
GRANT SELECT, INSERT, UPDATE (state, ended_at) ON webhooks.replay TO coalition_tenant;
GRANT SELECT ON webhooks.replay TO coalition_reports;

-- Who read the feed how far.
CREATE TABLE webhooks.consumer (
    partner_id   uuid        NOT NULL REFERENCES partners.partner,
    name         text        NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9_.-]{0,63}$'),
    event_types  text[]      NOT NULL CHECK (cardinality(event_types) BETWEEN 1 AND 50),
    position     bigint      NOT NULL,  -- of the last event it committed
    created_at   timestamptz NOT NULL,
    committed_at timestamptz,
    PRIMARY KEY (partner_id, name)
) WITH (fillfactor = 70);
ALTER TABLE webhooks.consumer ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON webhooks.consumer TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON webhooks.consumer TO coalition_tenant USING (partner_id = kit.partner());
GRANT SELECT, INSERT, DELETE, UPDATE ON webhooks.consumer TO coalition_service;
GRANT SELECT ON webhooks.consumer TO coalition_reports;
GRANT SELECT, INSERT, DELETE, UPDATE (position, committed_at) ON webhooks.consumer TO coalition_tenant;

CREATE TABLE webhooks.digest (
    partner_id     uuid        NOT NULL REFERENCES partners.partner,
    day            date        NOT NULL,
    after_position bigint      NOT NULL,  -- of the feed: where the digest before ends
    last_position  bigint      NOT NULL CHECK (last_position >= after_position),
    events         bigint      NOT NULL CHECK (events >= 0),
    ids_hash       bytea       NOT NULL CHECK (length(ids_hash) = 32),
    signature      bytea       NOT NULL,
    made_at        timestamptz NOT NULL,
    PRIMARY KEY (partner_id, day)
);
ALTER TABLE webhooks.digest ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON webhooks.digest TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON webhooks.digest TO coalition_tenant USING (partner_id = kit.partner());
GRANT SELECT, INSERT ON webhooks.digest TO coalition_service;
GRANT SELECT ON webhooks.digest TO coalition_tenant, coalition_reports;

-- Erasure takes what says who a member is out of events, and with it what receivers answered to them.
GRANT UPDATE (data) ON kit.event TO coalition_service;

CREATE OR REPLACE FUNCTION coalition.all_merged_into(p_member_id uuid) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT * FROM coalition.ledger_merged_into(p_member_id)
$$;
REVOKE EXECUTE ON FUNCTION coalition.all_merged_into FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.all_merged_into TO coalition_service;

CREATE OR REPLACE FUNCTION webhooks.forget_answers(p_event_ids uuid[]) RETURNS void LANGUAGE sql AS $$
    UPDATE webhooks.attempt a SET response = NULL FROM webhooks.delivery d
    WHERE d.event_id = ANY (p_event_ids) AND a.delivery_id = d.delivery_id AND a.response IS NOT NULL
$$;
REVOKE EXECUTE ON FUNCTION webhooks.forget_answers FROM PUBLIC;
GRANT EXECUTE ON FUNCTION webhooks.forget_answers TO coalition_service;
