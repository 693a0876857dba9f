ALTER TABLE webhooks.attempt DROP COLUMN dns_ms, DROP COLUMN tls_ms, DROP COLUMN first_byte_ms;
