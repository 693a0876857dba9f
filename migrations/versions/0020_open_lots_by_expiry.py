"""Open lots by their expiry: the night finds what expires, and what is to be warned of, without reading all others."""

from migrations.steps import LOCK_TIMEOUT, run

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    run(LOCK_TIMEOUT)
    run("CREATE INDEX lot_expiring ON coalition.lot (expires_on) WHERE is_open")


def downgrade() -> None:
    run(LOCK_TIMEOUT)
    run("DROP INDEX coalition.lot_expiring")
