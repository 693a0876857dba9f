-- Batches too large for one request: the file in parts, each with its answers once it is done.
CREATE TYPE partners.batch_status AS ENUM ('waiting', 'running', 'finished', 'cancelled');

CREATE TABLE partners.batch_file (
    batch_id       uuid        PRIMARY KEY,
    partner_id     uuid        NOT NULL REFERENCES partners.partner,
    client_id      text        NOT NULL REFERENCES partners.oauth_client,
    scopes         text[]      NOT NULL,          -- of the token it came with
    key            text        NOT NULL,          -- its Idempotency-Key
    content_hash   bytea       NOT NULL CHECK (length(content_hash) = 32),
    format         text        NOT NULL CHECK (format IN ('csv', 'jsonl')),
    header         text        NOT NULL,          -- the first line of a CSV, otherwise empty
    lines          int         NOT NULL CHECK (lines BETWEEN 1 AND 1000000),
    status         partners.batch_status NOT NULL DEFAULT 'waiting',
    done           int         NOT NULL DEFAULT 0,
    posted         int         NOT NULL DEFAULT 0,
    replayed       int         NOT NULL DEFAULT 0,
    refused        int         NOT NULL DEFAULT 0,
    created_at     timestamptz NOT NULL,
    finished_at    timestamptz,
    UNIQUE (partner_id, key),
    CHECK (done BETWEEN 0 AND lines AND posted + replayed + refused = done)
);
CREATE INDEX batch_file_open ON partners.batch_file (batch_id) WHERE status IN ('waiting', 'running');

CREATE TABLE partners.batch_part (
    batch_id       uuid        NOT NULL REFERENCES partners.batch_file ON DELETE CASCADE,
    first_line     int         NOT NULL,
    content        bytea       NOT NULL,          -- its lines, as they came
    answers        text,                          -- JSON Lines, one for each line; NULL until it is done
    PRIMARY KEY (batch_id, first_line)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON partners.batch_file, partners.batch_part TO coalition_service;
