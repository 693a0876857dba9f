-- Webhooks: the retry schedule lives here; Redis only rings the doorbell.
CREATE SCHEMA webhooks;
GRANT USAGE ON SCHEMA webhooks TO coalition_service;

CREATE TABLE webhooks.endpoint (
    endpoint_id    uuid        PRIMARY KEY,
    partner_id     uuid        NOT NULL REFERENCES partners.partner,
    url            text        NOT NULL CHECK (length(url) <= 2000),
    event_types    text[]      NOT NULL CHECK (cardinality(event_types) BETWEEN 1 AND 50),
    sealed_secret  bytea       NOT NULL,
    status         text        NOT NULL CHECK (status IN ('enabled', 'disabled')),
    created_at     timestamptz NOT NULL
);
CREATE INDEX endpoint_partner ON webhooks.endpoint (partner_id);

CREATE TABLE webhooks.delivery (
    delivery_id    uuid        PRIMARY KEY,
    endpoint_id    uuid        NOT NULL REFERENCES webhooks.endpoint,
    subject_id     uuid        NOT NULL,
    event_id       uuid        NOT NULL,
    position       bigint      NOT NULL,   -- the event's place in the feed: the order of first attempts
    state          text        NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts       int         NOT NULL DEFAULT 0,
    due_at         timestamptz NOT NULL,   -- while claimed: when the claim lapses and it is due again
    claim_id       uuid,
    completed_at   timestamptz,
    UNIQUE (event_id, endpoint_id),
    CHECK ((state = 'pending') = (completed_at IS NULL)),
    FOREIGN KEY (subject_id, event_id) REFERENCES kit.event
) WITH (fillfactor = 70);
CREATE INDEX delivery_due ON webhooks.delivery (endpoint_id, due_at) WHERE state = 'pending';
CREATE INDEX delivery_claimed ON webhooks.delivery (claim_id) WHERE claim_id IS NOT NULL;
CREATE INDEX delivery_of_endpoint ON webhooks.delivery (endpoint_id, delivery_id);

CREATE TABLE webhooks.attempt (
    delivery_id    uuid        NOT NULL REFERENCES webhooks.delivery,
    attempt_no     int         NOT NULL CHECK (attempt_no > 0),
    started_at     timestamptz NOT NULL,
    outcome        text        NOT NULL CHECK (outcome IN ('unknown', 'succeeded', 'failed')),
    status_code    int,
    error          text,
    duration_ms    int,
    response       bytea,
    PRIMARY KEY (delivery_id, attempt_no)
) WITH (fillfactor = 85);

GRANT SELECT, INSERT, UPDATE ON webhooks.endpoint, webhooks.delivery, webhooks.attempt TO coalition_service;
