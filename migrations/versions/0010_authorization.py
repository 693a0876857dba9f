"""The authorization server, complete: grants, codes, refresh tokens, devices, keys, overlapping secrets."""

from migrations.steps import LOCK_TIMEOUT, run, run_file

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    run_file("0010_authorization.sql")


def downgrade() -> None:
    run(LOCK_TIMEOUT)
    run("""
        DROP TABLE partners.signing_key, partners.client_assertion, partners.device_code, partners.refresh_token,
            partners.authorization_code;
        DELETE FROM partners.access_token WHERE grant_id IS NOT NULL;
        ALTER TABLE partners.access_token DROP grant_id;
        DROP TABLE partners.oauth_grant;
        UPDATE partners.oauth_client c SET secret_hash = s.secret_hash
            FROM partners.client_secret s WHERE s.client_id = c.client_id AND s.expires_at IS NULL;
        DROP TABLE partners.client_secret;
        UPDATE partners.oauth_client SET secret_hash = decode(repeat('00', 32), 'hex') WHERE secret_hash IS NULL;
        REVOKE UPDATE ON partners.oauth_client FROM coalition_service;
        GRANT UPDATE (revoked_at) ON partners.oauth_client TO coalition_service;
        ALTER TABLE partners.oauth_client ALTER secret_hash SET NOT NULL,
            DROP kind, DROP name, DROP redirect_uris, DROP auth_method, DROP jwks;
    """)
