"""The log of closed days: a leaf for each, which checkpoints are signed over (docs/decisions/0034).

Safe while the version before runs: it is one more table, which that version doesn't know.
"""

from migrations.steps import run_file

revision = "0060"
down_revision = "0056"


def upgrade() -> None:
    run_file("0060_checkpoints.sql")


def downgrade() -> None:
    run_file("0060_checkpoints_down.sql")
