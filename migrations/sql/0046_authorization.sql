-- The authorization server, complete. Codes, tokens and secrets are kept as keyed hashes only, each used up by one
-- conditional UPDATE.

-- A client without a partner is the coalition's own: it administers, and posts nothing.
CREATE TABLE partners.oauth_client (
    client_id          text        PRIMARY KEY CHECK (client_id ~ '^co_client_[A-Za-z0-9_-]{22}$'),
    partner_id         uuid        REFERENCES partners.partner,
    scopes             text[]      NOT NULL,
    created_at         timestamptz NOT NULL,
    revoked_at         timestamptz,
    kind               text        NOT NULL DEFAULT 'backend' CHECK (kind IN ('backend', 'app', 'till')),
    name               text        NOT NULL DEFAULT '' CHECK (length(name) <= 100),
    -- Where an app may be sent back to; compared as they stand.
    redirect_uris      text[]      NOT NULL DEFAULT '{}' CHECK (cardinality(redirect_uris) <= 10),
    auth_method        text        NOT NULL DEFAULT 'client_secret_basic'
        CHECK (auth_method IN ('client_secret_basic', 'private_key_jwt', 'none')),
    jwks               jsonb,  -- the client's public keys (RFC 7517), for private_key_jwt
    api_version        text        CHECK (api_version ~ '^\d{4}-\d{2}-\d{2}$'),  -- NULL until its first request
    rate_limit_percent int         NOT NULL DEFAULT 100 CHECK (rate_limit_percent BETWEEN 1 AND 10000),
    version            int         NOT NULL DEFAULT 1,
    -- Only a client without a partner administers, and that is all it does.
    CONSTRAINT oauth_client_admin CHECK (
        CASE WHEN partner_id IS NULL THEN scopes <@ ARRAY['admin:read', 'admin:write']
             ELSE NOT scopes && ARRAY['admin:read', 'admin:write'] END
    )
);
CREATE INDEX oauth_client_partner ON partners.oauth_client (partner_id);
-- Of a client only what its owner decided: what it remembers by itself is no change.
CREATE TRIGGER version BEFORE UPDATE OF name, redirect_uris, jwks, scopes, revoked_at ON partners.oauth_client
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION kit.raise_version();
ALTER TABLE partners.oauth_client ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON partners.oauth_client TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON partners.oauth_client TO coalition_tenant USING (partner_id = kit.partner());
GRANT SELECT, INSERT, UPDATE (scopes, revoked_at, name, redirect_uris, jwks, api_version, rate_limit_percent)
    ON partners.oauth_client TO coalition_service;
GRANT SELECT (client_id, partner_id, revoked_at) ON partners.oauth_client TO coalition_tenant;
GRANT SELECT (client_id, partner_id, scopes, created_at, revoked_at, kind)
    ON partners.oauth_client TO coalition_reports;

-- Two may be valid at once, so that a partner can change its secret without a pause.
CREATE TABLE partners.client_secret (
    secret_hash bytea       PRIMARY KEY CHECK (length(secret_hash) = 32),
    client_id   text        NOT NULL REFERENCES partners.oauth_client,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz  -- NULL: until it is replaced
);
CREATE INDEX client_secret_client ON partners.client_secret (client_id);
GRANT SELECT, INSERT, UPDATE (expires_at), DELETE ON partners.client_secret TO coalition_service;

-- Assertions (RFC 7523) that were taken: each counts once.
CREATE TABLE partners.client_assertion (
    client_id  text        NOT NULL REFERENCES partners.oauth_client,
    jti        text        NOT NULL CHECK (length(jti) <= 200),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (client_id, jti)
);
CREATE INDEX client_assertion_expiry ON partners.client_assertion (expires_at);
GRANT SELECT, INSERT, DELETE ON partners.client_assertion TO coalition_service;

-- What somebody allowed a client: a member an app (the consent), a partner's staff a till. Ended, all its tokens end.
CREATE TABLE partners.oauth_grant (
    grant_id          uuid        PRIMARY KEY,
    client_id         text        NOT NULL REFERENCES partners.oauth_client,
    subject_kind      text        NOT NULL CHECK (subject_kind IN ('member', 'staff')),
    subject_id        uuid        NOT NULL,
    till              text,  -- a till's name, as the staff member gave it
    scopes            text[]      NOT NULL,
    -- Points the partner may spend without asking again (RFC 9396); NULL: none.
    most_per_purchase bigint      CHECK (most_per_purchase > 0),
    most_per_day      bigint,
    created_at        timestamptz NOT NULL,
    revoked_at        timestamptz,
    revoked_because   text,
    -- Which till of which location a till's client was let in as; NULL where no till is registered.
    till_id           uuid        REFERENCES partners.till,
    CHECK (most_per_day >= most_per_purchase),
    CHECK ((most_per_purchase IS NULL) = (most_per_day IS NULL))
);
CREATE INDEX oauth_grant_subject ON partners.oauth_grant (subject_id) WHERE revoked_at IS NULL;
CREATE INDEX oauth_grant_client ON partners.oauth_grant (client_id) WHERE revoked_at IS NULL;
ALTER TABLE partners.oauth_grant ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON partners.oauth_grant TO coalition_service, coalition_reports USING (true);
-- A partner's request sees or locks rows, and changes none.
CREATE POLICY own_seen ON partners.oauth_grant FOR SELECT TO coalition_tenant
    USING (EXISTS (SELECT FROM partners.oauth_client c WHERE c.client_id = oauth_grant.client_id));
CREATE POLICY own_made ON partners.oauth_grant FOR INSERT TO coalition_tenant WITH CHECK (false);
CREATE POLICY own_locked ON partners.oauth_grant FOR UPDATE TO coalition_tenant
    USING (EXISTS (SELECT FROM partners.oauth_client c WHERE c.client_id = oauth_grant.client_id)) WITH CHECK (false);
GRANT SELECT, INSERT, UPDATE (revoked_at, revoked_because) ON partners.oauth_grant TO coalition_service;
GRANT SELECT, UPDATE (revoked_at) ON partners.oauth_grant TO coalition_tenant;

CREATE TABLE partners.authorization_code (
    code_hash        bytea       PRIMARY KEY CHECK (length(code_hash) = 32),
    grant_id         uuid        NOT NULL REFERENCES partners.oauth_grant,
    client_id        text        NOT NULL REFERENCES partners.oauth_client,
    redirect_uri     text        NOT NULL,
    challenge        text        NOT NULL,  -- PKCE, S256
    nonce            text,
    authenticated_at timestamptz NOT NULL,
    methods          text[]      NOT NULL,  -- how the member signed in (RFC 8176)
    expires_at       timestamptz NOT NULL,
    used_at          timestamptz
);
CREATE INDEX authorization_code_expiry ON partners.authorization_code (expires_at);
GRANT SELECT, INSERT, UPDATE (used_at), DELETE ON partners.authorization_code TO coalition_service;

CREATE TABLE partners.access_token (
    token_hash bytea       PRIMARY KEY CHECK (length(token_hash) = 32),
    client_id  text        NOT NULL REFERENCES partners.oauth_client,
    scopes     text[]      NOT NULL,
    issued_at  timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    grant_id   uuid        REFERENCES partners.oauth_grant  -- NULL: the client's own
);
CREATE INDEX access_token_expiry ON partners.access_token (expires_at);
CREATE INDEX access_token_grant ON partners.access_token (grant_id) WHERE grant_id IS NOT NULL;
GRANT SELECT, INSERT, DELETE ON partners.access_token TO coalition_service;

CREATE TABLE partners.refresh_token (
    token_hash bytea       PRIMARY KEY CHECK (length(token_hash) = 32),
    grant_id   uuid        NOT NULL REFERENCES partners.oauth_grant,
    client_id  text        NOT NULL REFERENCES partners.oauth_client,
    issued_at  timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,  -- moved on by each use
    used_at    timestamptz,           -- of one that rotates: when its successor was made
    answer     bytea                  -- that answer, sealed: repeated for a minute, in case it got lost
);
CREATE INDEX refresh_token_grant ON partners.refresh_token (grant_id);
CREATE INDEX refresh_token_expiry ON partners.refresh_token (expires_at);
GRANT SELECT, INSERT, UPDATE (expires_at, used_at, answer), DELETE ON partners.refresh_token TO coalition_service;

CREATE TABLE partners.device_code (
    device_hash bytea       PRIMARY KEY CHECK (length(device_hash) = 32),
    user_hash   bytea       NOT NULL UNIQUE CHECK (length(user_hash) = 32),
    client_id   text        NOT NULL REFERENCES partners.oauth_client,
    scopes      text[]      NOT NULL,
    expires_at  timestamptz NOT NULL,
    poll_after  timestamptz NOT NULL,
    interval_s  int         NOT NULL DEFAULT 5,
    denied      boolean     NOT NULL DEFAULT false,
    grant_id    uuid        REFERENCES partners.oauth_grant,  -- once staff have confirmed it
    used_at     timestamptz,
    answer      bytea                                         -- sealed: repeated for a minute, as a refresh token's is
);
CREATE INDEX device_code_expiry ON partners.device_code (expires_at);
GRANT SELECT, INSERT, UPDATE (poll_after, interval_s, denied, grant_id, used_at, answer), DELETE
    ON partners.device_code TO coalition_service;

-- What id tokens are signed with. A key is published before it signs and for as long as something it signed is valid.
CREATE TABLE partners.signing_key (
    kid             text        PRIMARY KEY,
    sealed          bytea       NOT NULL,  -- the private key
    created_at      timestamptz NOT NULL,
    signs_from      timestamptz NOT NULL,
    published_until timestamptz            -- NULL: until it is replaced
);
GRANT SELECT, INSERT, UPDATE (published_until), DELETE ON partners.signing_key TO coalition_service;
