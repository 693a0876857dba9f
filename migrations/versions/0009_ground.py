"""What partners, members, staff and clients stand on together: states, staff, kinds of identifiers."""

from migrations.steps import LOCK_TIMEOUT, run, run_file

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    run_file("0009_ground.sql")


def downgrade() -> None:
    run(LOCK_TIMEOUT)
    run("""
        DELETE FROM coalition.member_identifier WHERE kind <> 'card';
        ALTER TABLE coalition.member_identifier
            DROP CONSTRAINT member_identifier_kind_check,
            ADD CONSTRAINT member_identifier_kind_check CHECK (kind IN ('card')),
            DROP sealed, DROP verified_at, DROP created_at;
        REVOKE UPDATE, DELETE ON coalition.member_identifier FROM coalition_service;
        GRANT UPDATE (member_id) ON coalition.member_identifier TO coalition_service;
        DELETE FROM partners.access_token t USING partners.oauth_client c
            WHERE c.client_id = t.client_id AND c.partner_id IS NULL;
        DELETE FROM partners.oauth_client WHERE partner_id IS NULL;
        ALTER TABLE partners.oauth_client ALTER partner_id SET NOT NULL;
        DROP TABLE partners.staff;
        REVOKE UPDATE ON partners.partner FROM coalition_service;
        ALTER TABLE partners.partner DROP status;
        DROP TYPE partners.partner_status;
    """)
