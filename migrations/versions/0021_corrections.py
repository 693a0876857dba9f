"""Rates and agreements can be corrected and withdrawn before they bite: how often, and the right to take one out.

A version that a settled day refers to can't be taken out: its obligations hold on to it.
"""

from migrations.steps import LOCK_TIMEOUT, run

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    run(LOCK_TIMEOUT)
    run("ALTER TABLE coalition.earning_rate ADD version int NOT NULL DEFAULT 1")
    run("ALTER TABLE settlement.agreement ADD revision int NOT NULL DEFAULT 1")
    run("GRANT SELECT (created_at, revision) ON settlement.agreement TO coalition_tenant")
    run("GRANT DELETE ON coalition.earning_rate, settlement.agreement TO coalition_service")


def downgrade() -> None:
    run(LOCK_TIMEOUT)
    run("REVOKE DELETE ON coalition.earning_rate, settlement.agreement FROM coalition_service")
    run("REVOKE SELECT (created_at) ON settlement.agreement FROM coalition_tenant")
    run("ALTER TABLE settlement.agreement DROP revision")
    run("ALTER TABLE coalition.earning_rate DROP version")
