"""Test clocks: how far ahead of the true time a partner of the sandbox lives. Live's table stays empty."""

from migrations.steps import LOCK_TIMEOUT, run

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    run(LOCK_TIMEOUT)
    run("""
        CREATE TABLE partners.test_clock (
            partner_id uuid        PRIMARY KEY REFERENCES partners.partner,
            ahead      interval    NOT NULL CHECK (ahead > '0'),
            set_at     timestamptz NOT NULL  -- the true time
        );
        GRANT SELECT, INSERT, UPDATE ON partners.test_clock TO coalition_service;
    """)


def downgrade() -> None:
    run(LOCK_TIMEOUT)
    run("DROP TABLE partners.test_clock")
