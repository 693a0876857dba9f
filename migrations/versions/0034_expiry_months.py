"""How long points live is the operator's to set, for what is earned from then on."""

from migrations.steps import LOCK_TIMEOUT, run

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    run(LOCK_TIMEOUT)
    run("GRANT UPDATE (expiry_months) ON coalition.programme TO coalition_service")


def downgrade() -> None:
    run(LOCK_TIMEOUT)
    run("REVOKE UPDATE (expiry_months) ON coalition.programme FROM coalition_service")
