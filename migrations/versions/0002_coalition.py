"""The programme, its members, the ledger's tables, and the functions that are their only door."""

from migrations.steps import drop_schema, run_file

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run_file("0002_coalition.sql")
    run_file("0002_ledger_functions.sql")


def downgrade() -> None:
    drop_schema("coalition")
