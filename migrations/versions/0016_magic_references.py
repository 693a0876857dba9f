"""Which faults of the sandbox a request has met already, for each comes once. Live's table stays empty."""

from migrations.steps import LOCK_TIMEOUT, run

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    run(LOCK_TIMEOUT)
    run("""
        CREATE TABLE partners.fault_met (
            partner_id      uuid        NOT NULL REFERENCES partners.partner,
            idempotency_key text        NOT NULL CHECK (length(idempotency_key) <= 128),
            at              timestamptz NOT NULL,
            PRIMARY KEY (partner_id, idempotency_key)
        );
        CREATE INDEX ON partners.fault_met (at);
        GRANT SELECT, INSERT, DELETE ON partners.fault_met TO coalition_service;
    """)


def downgrade() -> None:
    run(LOCK_TIMEOUT)
    run("DROP TABLE partners.fault_met")
