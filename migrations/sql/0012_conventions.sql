-- What the API's conventions stand on: a client's version and limits, requests one can look at, and the audit.
ALTER TABLE partners.oauth_client
    ADD api_version        text CHECK (api_version ~ '^\d{4}-\d{2}-\d{2}$'),  -- NULL until its first request
    ADD rate_limit_percent int  NOT NULL DEFAULT 100 CHECK (rate_limit_percent BETWEEN 1 AND 10000);
GRANT UPDATE (api_version, rate_limit_percent) ON partners.oauth_client TO coalition_service;

ALTER TABLE webhooks.endpoint ADD version int NOT NULL DEFAULT 1;

-- Written in the background in sets: what a crash takes with it is the last tenth of a second. `sent` and `answer` are
-- json, not jsonb, for what partners send holds escapes that jsonb refuses. No reference to the partner: the row tells
-- of a principal that was found, and checking that again would cost more than writing it.
CREATE TABLE partners.request (
    partner_id       uuid        NOT NULL,
    request_id       text        NOT NULL CHECK (length(request_id) BETWEEN 8 AND 64),
    client_id        text        NOT NULL,
    at               timestamptz NOT NULL,
    method           text        NOT NULL,
    path             text        NOT NULL,
    status           int         NOT NULL,
    code             text,
    duration_us      int         NOT NULL,
    idempotency_key  text,
    trace_id         text        NOT NULL,
    sent             json,
    answer           json
);
-- Ids may be the caller's own, so they count within one partner, and the same one may come twice: the newest is shown.
CREATE INDEX request_of_partner ON partners.request (partner_id, request_id);
CREATE INDEX request_age ON partners.request (at);
GRANT SELECT, INSERT, DELETE ON partners.request TO coalition_service;

-- Who did what, with which client: one chain, each entry's digest over its content and the digest before it. The digest
-- is keyed, and the key is not in the database, so that whoever may write here can't make a chain that holds.
CREATE TABLE partners.audit_entry (
    seq      bigint PRIMARY KEY CHECK (seq > 0),
    content  text   NOT NULL CHECK (length(content) BETWEEN 2 AND 100000),
    digest   bytea  NOT NULL CHECK (length(digest) = 32)
);

CREATE FUNCTION partners.audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is append-only';
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON partners.audit_entry
    FOR EACH ROW EXECUTE FUNCTION partners.audit_refuse();
CREATE TRIGGER audit_not_truncated BEFORE TRUNCATE ON partners.audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION partners.audit_refuse();

-- The end of the chain, held until the end of the transaction: who appends next waits here.
CREATE FUNCTION partners.audit_head(OUT seq bigint, OUT digest bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('partners.audit', 0));
    SELECT e.seq, e.digest INTO seq, digest FROM partners.audit_entry e ORDER BY e.seq DESC LIMIT 1;
    seq := coalesce(seq, 0);
    digest := coalesce(digest, decode(repeat('00', 32), 'hex'));
END $$;

CREATE FUNCTION partners.audit_append(p_seq bigint, p_content text, p_digest bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF p_seq IS DISTINCT FROM (SELECT head.seq + 1 FROM partners.audit_head() head) THEN
        RAISE EXCEPTION 'audit entry % does not follow the last one', p_seq;
    END IF;
    INSERT INTO partners.audit_entry (seq, content, digest) VALUES (p_seq, p_content, p_digest);
END $$;

REVOKE ALL ON FUNCTION partners.audit_head(), partners.audit_append(bigint, text, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION partners.audit_head(), partners.audit_append(bigint, text, bytea) TO coalition_service;
GRANT SELECT ON partners.audit_entry TO coalition_service;
