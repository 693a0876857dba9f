-- The end of the chain, held until the end of the transaction: who appends next waits here.
CREATE OR REPLACE FUNCTION partners.audit_head(OUT seq bigint, OUT digest bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('partners.audit', 0));
    SELECT e.seq, e.digest INTO seq, digest FROM partners.audit_entry e ORDER BY e.seq DESC LIMIT 1;
    seq := coalesce(seq, 0);
    digest := coalesce(digest, decode(repeat('00', 32), 'hex'));
END $$;
REVOKE EXECUTE ON FUNCTION partners.audit_head FROM PUBLIC;
GRANT EXECUTE ON FUNCTION partners.audit_head TO coalition_service, coalition_tenant;

-- Append the entry p_seq to the chain; whoever read the head before it has to be the one who appends.
CREATE OR REPLACE FUNCTION partners.audit_append(p_seq bigint, p_content text, p_digest bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF p_seq IS DISTINCT FROM (SELECT head.seq + 1 FROM partners.audit_head() head) THEN
        RAISE EXCEPTION 'audit entry % does not follow the last one', p_seq;
    END IF;
    INSERT INTO partners.audit_entry (seq, content, digest) VALUES (p_seq, p_content, p_digest);
END $$;
REVOKE EXECUTE ON FUNCTION partners.audit_append FROM PUBLIC;
GRANT EXECUTE ON FUNCTION partners.audit_append TO coalition_service, coalition_tenant;

-- An entry of the audit stays as it is.
CREATE OR REPLACE FUNCTION partners.audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is append-only';
END $$;
REVOKE EXECUTE ON FUNCTION partners.audit_refuse FROM PUBLIC;
