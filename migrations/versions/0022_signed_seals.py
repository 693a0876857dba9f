"""Seals are signed with a key that the database doesn't hold."""

from migrations.steps import LOCK_TIMEOUT, run

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    run(LOCK_TIMEOUT)
    run("""
        -- By day and key: after a change of the secret key a person adopts the books as they stand under the new one.
        CREATE TABLE coalition.seal_signature (
            day        date        NOT NULL,
            public_key bytea       NOT NULL CHECK (length(public_key) = 32),
            adopts     boolean     NOT NULL,           -- it stands for all days before, too
            signed_at  timestamptz NOT NULL,
            signature  bytea       NOT NULL CHECK (length(signature) = 64),
            PRIMARY KEY (day, public_key, adopts)
        );
        GRANT SELECT, INSERT ON coalition.seal_signature TO coalition_service;
        CREATE TRIGGER seal_signature_append_only BEFORE UPDATE OR DELETE ON coalition.seal_signature
            FOR EACH ROW EXECUTE FUNCTION coalition.refuse_change();
        CREATE TRIGGER seal_signature_no_truncate BEFORE TRUNCATE ON coalition.seal_signature
            FOR EACH STATEMENT EXECUTE FUNCTION coalition.refuse_change();
    """)


def downgrade() -> None:
    run(LOCK_TIMEOUT)
    run("DROP TABLE coalition.seal_signature")
