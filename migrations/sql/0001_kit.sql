-- The house's own schema: the outbox. Each room has a schema of its name; what another room may do there is granted.
CREATE SCHEMA kit;
GRANT USAGE ON SCHEMA kit TO coalition_service;

CREATE TABLE kit.event (
    subject_id   uuid        NOT NULL,  -- whom it happened to: the member, or the partner for its own statement
    event_id     uuid        NOT NULL,
    partner_id   uuid        NOT NULL,  -- whom it is told to
    type         text        NOT NULL,
    occurred_at  timestamptz NOT NULL,
    data         jsonb       NOT NULL,
    position     bigint,                -- its place in the feed, given by the one sequencer after the commit
    body         bytea,                 -- what receivers get, frozen as bytes with the position
    PRIMARY KEY (subject_id, event_id),
    CHECK ((position IS NULL) = (body IS NULL))
) WITH (fillfactor = 85);

CREATE INDEX event_not_sequenced ON kit.event (event_id) WHERE position IS NULL;
CREATE UNIQUE INDEX event_position ON kit.event (position) WHERE position IS NOT NULL;

GRANT SELECT, INSERT ON kit.event TO coalition_service;
GRANT UPDATE (position, body) ON kit.event TO coalition_service;
