"""Partners read their own statements.

Safe while the version before runs: it adds grants, and an index to a table that has a row for each partner and run.
"""

from migrations.steps import run_file

revision = "0054"
down_revision = "0053"


def upgrade() -> None:
    run_file("0054_statement_files.sql")


def downgrade() -> None:
    run_file("0054_statement_files_down.sql")
