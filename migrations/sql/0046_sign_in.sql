-- How people sign in to our pages: sessions, codes by mail, passkeys. Cookies and codes are kept as keyed hashes only.

CREATE TABLE partners.session (
    session_id       uuid        PRIMARY KEY,
    token_hash       bytea       NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    kind             text        NOT NULL CHECK (kind IN ('member', 'staff')),
    subject_id       uuid        NOT NULL,  -- a member or a member of staff; neither is ever deleted under it
    partner_id       uuid        REFERENCES partners.partner,
    methods          text[]      NOT NULL CHECK (cardinality(methods) > 0),  -- RFC 8176
    user_agent       text        NOT NULL CHECK (length(user_agent) <= 120),
    created_at       timestamptz NOT NULL,  -- since when without a break; signing in anew keeps it
    authenticated_at timestamptz NOT NULL,
    last_seen_at     timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL,
    ended_at         timestamptz
);
CREATE INDEX session_subject ON partners.session (subject_id) WHERE ended_at IS NULL;
CREATE INDEX session_expiry ON partners.session (expires_at);
ALTER TABLE partners.session ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON partners.session TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON partners.session TO coalition_tenant USING (partner_id = kit.partner());
GRANT SELECT, INSERT, UPDATE (last_seen_at, ended_at), DELETE ON partners.session TO coalition_service;

-- One row for each code asked for, whether or not the address is anybody's: both cost the same and are counted alike.
CREATE TABLE partners.sign_in_code (
    code_id      uuid        PRIMARY KEY,
    kind         text        NOT NULL CHECK (kind IN ('member', 'staff')),
    browser_hash bytea       NOT NULL CHECK (length(browser_hash) = 32),
    address_hash bytea       NOT NULL CHECK (length(address_hash) = 32),
    address      bytea       NOT NULL,  -- sealed
    code_hash    bytea       NOT NULL CHECK (length(code_hash) = 32),
    was_sent     boolean     NOT NULL,
    tries        smallint    NOT NULL DEFAULT 0 CHECK (tries BETWEEN 0 AND 5),
    asked_at     timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    used_at      timestamptz,
    network_hash bytea                  -- codes are counted by the network that asks for them, too
);
CREATE INDEX sign_in_code_browser ON partners.sign_in_code (browser_hash);
CREATE INDEX sign_in_code_address ON partners.sign_in_code (address_hash, asked_at);
CREATE INDEX sign_in_code_asked ON partners.sign_in_code (asked_at);
CREATE INDEX sign_in_code_network ON partners.sign_in_code (network_hash, asked_at);
GRANT SELECT, INSERT, UPDATE (tries, used_at), DELETE ON partners.sign_in_code TO coalition_service;

CREATE TABLE partners.passkey (
    passkey_id    uuid        PRIMARY KEY,
    credential_id bytea       NOT NULL UNIQUE CHECK (length(credential_id) BETWEEN 1 AND 1023),
    kind          text        NOT NULL CHECK (kind IN ('member', 'staff')),
    subject_id    uuid        NOT NULL,
    public_key    bytea       NOT NULL,
    sign_count    bigint      NOT NULL CHECK (sign_count >= 0),
    transports    text[]      NOT NULL,
    backed_up     boolean     NOT NULL,
    name          text        NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    created_at    timestamptz NOT NULL,
    last_used_at  timestamptz
);
CREATE INDEX passkey_subject ON partners.passkey (subject_id);
GRANT SELECT, INSERT, UPDATE (sign_count, backed_up, name, last_used_at), DELETE
    ON partners.passkey TO coalition_service;
-- Whether a member has one.
GRANT SELECT (kind, subject_id) ON partners.passkey TO coalition_tenant;

CREATE TABLE partners.passkey_challenge (
    challenge_hash bytea       PRIMARY KEY CHECK (length(challenge_hash) = 32),
    browser_hash   bytea       NOT NULL CHECK (length(browser_hash) = 32),
    kind           text        NOT NULL CHECK (kind IN ('member', 'staff')),
    session_id     uuid        REFERENCES partners.session ON DELETE CASCADE,  -- who registers; NULL: who signs in
    expires_at     timestamptz NOT NULL
);
CREATE INDEX passkey_challenge_expiry ON partners.passkey_challenge (expires_at);
CREATE INDEX passkey_challenge_session ON partners.passkey_challenge (session_id);
GRANT SELECT, INSERT, DELETE ON partners.passkey_challenge TO coalition_service;
