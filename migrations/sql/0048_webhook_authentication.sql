ALTER TABLE webhooks.endpoint
    ADD COLUMN authentication        jsonb,  -- what may be shown
    ADD COLUMN sealed_authentication bytea,  -- all of it, secrets too
    ADD CHECK ((authentication IS NULL) = (sealed_authentication IS NULL));
GRANT SELECT (authentication), UPDATE (authentication, sealed_authentication) ON webhooks.endpoint TO coalition_tenant;
