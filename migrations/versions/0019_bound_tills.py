"""Which till of which location a till's client was let in as; NULL: let in before, or where no till is registered."""

from migrations.steps import LOCK_TIMEOUT, run

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    run(LOCK_TIMEOUT)
    run("ALTER TABLE partners.oauth_grant ADD till_id uuid REFERENCES partners.till")


def downgrade() -> None:
    run(LOCK_TIMEOUT)
    run("ALTER TABLE partners.oauth_grant DROP till_id")
