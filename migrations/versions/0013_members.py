"""Members known by more than a card: PINs, rotating codes, verified addresses, erased members."""

from migrations.steps import LOCK_TIMEOUT, run, run_file

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    run_file("0013_members.sql")


def downgrade() -> None:
    run(LOCK_TIMEOUT)
    run("""
        REVOKE SELECT (partner_id, key) ON coalition.idempotency FROM coalition_service;
        ALTER TABLE coalition.programme DROP pin_free_points;
        DROP TABLE coalition.identifier_verification, coalition.member_secret;
        ALTER TABLE coalition.member_identifier DROP identifier_id, DROP partner_id;
        ALTER TABLE coalition.member DROP erased_at;
    """)
