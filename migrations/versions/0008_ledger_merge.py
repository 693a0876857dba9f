"""A merge touches one member a statement, so that it can run where members are distributed over servers."""

from migrations.steps import run_file

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    run_file("0008_ledger_merge.sql")


def downgrade() -> None:
    """Leave the function as it is: it does what the one before did."""
