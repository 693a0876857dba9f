"""Webhooks: endpoints that were removed, and how many attempts were asked for by hand."""

from migrations.steps import LOCK_TIMEOUT, run

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    run(LOCK_TIMEOUT)
    run("""
        ALTER TABLE webhooks.endpoint ADD removed_at timestamptz CHECK (removed_at IS NULL OR status = 'disabled');
        ALTER TABLE webhooks.delivery ADD by_hand int NOT NULL DEFAULT 0;  -- of its attempts: beside the schedule
        GRANT SELECT (removed_at), UPDATE (removed_at) ON webhooks.endpoint TO coalition_tenant;
        GRANT UPDATE (by_hand) ON webhooks.delivery TO coalition_tenant;
    """)


def downgrade() -> None:
    run(LOCK_TIMEOUT)
    run("ALTER TABLE webhooks.delivery DROP by_hand; ALTER TABLE webhooks.endpoint DROP removed_at")
