"""Settlement runs: obligations of every kind with their lines, runs with states, positions, payments and statements.

Safe while the version before runs: what it writes has a default for every new column, its tables stay, and both
versions' nights take turns by one lock and know a settled day by one row.
"""

from migrations.steps import run_file

revision = "0053"
down_revision = "0052"


def upgrade() -> None:
    run_file("0053_settlement_runs.sql")
    run_file("0053_functions.sql")


def downgrade() -> None:
    run_file("0053_settlement_runs_down.sql")
