-- The house's own schema: what all rooms stand on. Each room has a schema of its name; what another room may do there
-- is granted. Functions are frozen copies: today's stand in `<room>/sql/`.
CREATE SCHEMA kit;
GRANT USAGE ON SCHEMA kit TO coalition_service, coalition_tenant;

-- Whose request this transaction is for, said as it begins; NULL: nobody's.
CREATE OR REPLACE FUNCTION kit.partner() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT nullif(current_setting('coalition.partner', true), '')::uuid
$$;

-- The member who gave the consent behind it, if one did.
CREATE OR REPLACE FUNCTION kit.member() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT nullif(current_setting('coalition.member', true), '')::uuid
$$;

-- Every change of a row makes it another version of itself: what an ETag says.
CREATE OR REPLACE FUNCTION kit.raise_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := OLD.version + 1;
    RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION kit.raise_version FROM PUBLIC;

-- The outbox.
CREATE TABLE kit.event (
    subject_id  uuid        NOT NULL,  -- whom it happened to: the member, or the partner for its own statement
    event_id    uuid        NOT NULL,
    partner_id  uuid        NOT NULL,  -- whom it is told to
    type        text        NOT NULL,
    occurred_at timestamptz NOT NULL,
    data        jsonb       NOT NULL,
    position    bigint,                -- its place in the feed, given by the one sequencer after the commit
    body        bytea,                 -- what receivers get, frozen as bytes with the position
    PRIMARY KEY (subject_id, event_id)
) WITH (fillfactor = 85);
CREATE INDEX event_not_sequenced ON kit.event (event_id) WHERE position IS NULL;
CREATE UNIQUE INDEX event_position ON kit.event (position) WHERE position IS NOT NULL;
-- The service and reports see all rows of a table; grants say which columns, and what may be done with them. A
-- partner's request sees the rows that are its own (docs/decisions/0016).
ALTER TABLE kit.event ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON kit.event TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON kit.event TO coalition_tenant USING (partner_id = kit.partner());
GRANT SELECT, INSERT, UPDATE (position, body) ON kit.event TO coalition_service;
GRANT SELECT, INSERT ON kit.event TO coalition_tenant;

-- What everything derives from, wrapped under the secret key (docs/decisions/0024). A row for each secret key these
-- books had; two open them while one takes the other's place.
CREATE TABLE kit.root_key (
    key_id       text        PRIMARY KEY CHECK (key_id ~ '^[0-9a-f]{16}$'),
    programme_id uuid        NOT NULL,
    wrapped      bytea       CHECK (length(wrapped) BETWEEN 1 AND 200),  -- NULL: the key opens nothing more
    added_at     timestamptz NOT NULL,
    retired_at   timestamptz,
    CHECK ((wrapped IS NULL) = (retired_at IS NOT NULL))
);
-- The first one is put in by whoever opens the books; to add another, or to take one away, takes the owner.
GRANT SELECT, INSERT ON kit.root_key TO coalition_service;
