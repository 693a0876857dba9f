"""Partner accounts: legal entity, states with their history, brands, places, people, categories and exclusivity."""

from migrations.steps import LOCK_TIMEOUT, run, run_file

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    run_file("0014_partner_accounts.sql")


def downgrade() -> None:
    run(LOCK_TIMEOUT)
    run("""
        ALTER TABLE partners.oauth_client DROP CONSTRAINT oauth_client_admin;
        DROP TABLE partners.claim, partners.presence, partners.category, partners.till, partners.location,
            partners.contact, partners.brand, partners.agreement_signature, partners.state_change;
        DROP FUNCTION partners.claim_presence;
        DROP TYPE partners.path_range;
        ALTER TABLE partners.partner
            DROP legal_name, DROP registration_no, DROP country,
            DROP earns_until, DROP burns_until, DROP leaves_at;
        REVOKE UPDATE (is_issuer, is_redeemer) ON partners.partner FROM coalition_service;
    """)
