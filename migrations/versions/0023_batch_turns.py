"""Batch files: who ended one before its end, and until when one is set aside after a fault."""

from migrations.steps import LOCK_TIMEOUT, run

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    run(LOCK_TIMEOUT)
    run("""
        ALTER TABLE partners.batch_file
            ADD cancelled_because text CHECK (cancelled_because IN ('partner', 'operator', 'client_revoked')),
            ADD faults            int NOT NULL DEFAULT 0,   -- one after the other
            ADD paused_until      timestamptz;
        GRANT UPDATE (cancelled_because) ON partners.batch_file TO coalition_tenant;
    """)


def downgrade() -> None:
    run(LOCK_TIMEOUT)
    run("ALTER TABLE partners.batch_file DROP cancelled_because, DROP faults, DROP paused_until")
