-- From here on connect_ms is of TCP alone; before, it was the time until there was a connection.
ALTER TABLE webhooks.attempt
    ADD COLUMN dns_ms        int,
    ADD COLUMN tls_ms        int,
    ADD COLUMN first_byte_ms int;
