ALTER TABLE webhooks.endpoint DROP COLUMN authentication, DROP COLUMN sealed_authentication;
