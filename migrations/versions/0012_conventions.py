"""The API's conventions: a client's version and limits, requests one can look at, ETags, the audit."""

from migrations.steps import LOCK_TIMEOUT, run, run_file

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    run_file("0012_conventions.sql")


def downgrade() -> None:
    run(LOCK_TIMEOUT)
    run("""
        DROP TABLE partners.audit_entry;
        DROP FUNCTION partners.audit_append, partners.audit_head, partners.audit_refuse;
        DROP TABLE partners.request;
        ALTER TABLE webhooks.endpoint DROP version;
        REVOKE UPDATE (api_version, rate_limit_percent) ON partners.oauth_client FROM coalition_service;
        ALTER TABLE partners.oauth_client DROP api_version, DROP rate_limit_percent;
    """)
