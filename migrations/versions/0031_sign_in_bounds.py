"""A till's tokens are answered alike for a minute; codes to sign in are counted by the network that asks for them."""

from migrations.steps import LOCK_TIMEOUT, run

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    run(LOCK_TIMEOUT)
    run("ALTER TABLE partners.device_code ADD answer bytea")
    run("GRANT UPDATE (answer) ON partners.device_code TO coalition_service")
    run("ALTER TABLE partners.sign_in_code ADD network_hash bytea")
    # Small tables, emptied daily: to build their indexes takes no time.
    run("CREATE INDEX sign_in_code_network ON partners.sign_in_code (network_hash, asked_at)")


def downgrade() -> None:
    run(LOCK_TIMEOUT)
    run("ALTER TABLE partners.sign_in_code DROP network_hash")
    run("ALTER TABLE partners.device_code DROP answer")
