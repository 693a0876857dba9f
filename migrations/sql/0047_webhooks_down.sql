DROP FUNCTION webhooks.forget_answers, coalition.all_merged_into;
REVOKE UPDATE (data) ON kit.event FROM coalition_service;
DROP TABLE webhooks.retention, webhooks.digest, webhooks.consumer, webhooks.replay, webhooks.traffic,
    webhooks.endpoint_state;
REVOKE DELETE ON webhooks.attempt FROM coalition_service;
DROP INDEX webhooks.attempt_started;
ALTER TABLE webhooks.attempt DROP COLUMN remote_ip, DROP COLUMN connect_ms;

-- What the version before does not know: it is tried again, or has failed.
UPDATE webhooks.delivery SET state = 'failed' WHERE state IN ('held', 'cancelled');
REVOKE DELETE ON webhooks.delivery FROM coalition_service;
DROP INDEX webhooks.delivery_due, webhooks.delivery_in_order, webhooks.delivery_open,
    webhooks.delivery_completed;
ALTER TABLE webhooks.delivery
    DROP CONSTRAINT delivery_state_check,
    ADD CONSTRAINT delivery_state_check CHECK (state IN ('pending', 'delivered', 'failed')),
    DROP COLUMN lane, DROP COLUMN ordering_key, DROP COLUMN sequence, DROP COLUMN lease_until, DROP COLUMN started_at,
    DROP COLUMN slot, DROP COLUMN batch_id;
CREATE INDEX delivery_due ON webhooks.delivery (endpoint_id, due_at) WHERE state = 'pending';
CREATE INDEX delivery_claimed ON webhooks.delivery (claim_id) WHERE claim_id IS NOT NULL;

DROP INDEX webhooks.endpoint_not_enabled;
UPDATE webhooks.endpoint SET status = 'disabled' WHERE status = 'paused';
REVOKE SELECT (sealed_secret), UPDATE (url, event_types, sealed_secret) ON webhooks.endpoint FROM coalition_tenant;
ALTER TABLE webhooks.endpoint
    DROP CONSTRAINT endpoint_status_check,
    ADD CONSTRAINT endpoint_status_check CHECK (status IN ('enabled', 'disabled')),
    DROP COLUMN status_reason, DROP COLUMN filter, DROP COLUMN body, DROP COLUMN ordering, DROP COLUMN on_exhausted,
    DROP COLUMN batch_size, DROP COLUMN retry_delays_s, DROP COLUMN rate_per_s, DROP COLUMN timeout_s, DROP COLUMN signatures,
    DROP COLUMN metadata, DROP COLUMN header_names, DROP COLUMN sealed_headers, DROP COLUMN former_sealed_secret,
    DROP COLUMN former_until;
