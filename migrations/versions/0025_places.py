"""What the admin may correct of a location: its code and territory, too."""

from migrations.steps import LOCK_TIMEOUT, run

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    run(LOCK_TIMEOUT)
    run("GRANT UPDATE (code, territory) ON partners.location TO coalition_service")


def downgrade() -> None:
    run(LOCK_TIMEOUT)
    run("REVOKE UPDATE (code, territory) ON partners.location FROM coalition_service")
