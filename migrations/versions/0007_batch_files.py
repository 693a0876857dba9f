"""Batches too large for one request: files, worked off by a job."""

from migrations.steps import LOCK_TIMEOUT, run, run_file

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    run_file("0007_batch_files.sql")


def downgrade() -> None:
    run(LOCK_TIMEOUT)
    run("DROP TABLE partners.batch_part, partners.batch_file; DROP TYPE partners.batch_status")
