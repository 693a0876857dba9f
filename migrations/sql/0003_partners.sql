-- Partners and what their programs sign in with. Secrets and tokens are kept as keyed hashes only.
CREATE SCHEMA partners;
GRANT USAGE ON SCHEMA partners TO coalition_service;

CREATE TABLE partners.partner (
    partner_id     uuid        PRIMARY KEY,
    code           text        NOT NULL UNIQUE CHECK (code ~ '^[a-z][a-z0-9-]{1,31}$'),
    name           text        NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    is_issuer      boolean     NOT NULL,
    is_redeemer    boolean     NOT NULL,
    created_at     timestamptz NOT NULL,
    CHECK (is_issuer OR is_redeemer)
);

CREATE TABLE partners.oauth_client (
    client_id      text        PRIMARY KEY CHECK (client_id ~ '^co_client_[A-Za-z0-9_-]{22}$'),
    partner_id     uuid        NOT NULL REFERENCES partners.partner,
    secret_hash    bytea       NOT NULL CHECK (length(secret_hash) = 32),
    scopes         text[]      NOT NULL,
    created_at     timestamptz NOT NULL,
    revoked_at     timestamptz
);
CREATE INDEX oauth_client_partner ON partners.oauth_client (partner_id);

CREATE TABLE partners.access_token (
    token_hash     bytea       PRIMARY KEY CHECK (length(token_hash) = 32),
    client_id      text        NOT NULL REFERENCES partners.oauth_client,
    scopes         text[]      NOT NULL,
    issued_at      timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL
);
CREATE INDEX access_token_expiry ON partners.access_token (expires_at);

GRANT SELECT, INSERT ON partners.partner, partners.oauth_client, partners.access_token TO coalition_service;
GRANT UPDATE (revoked_at) ON partners.oauth_client TO coalition_service;
GRANT DELETE ON partners.access_token TO coalition_service;
