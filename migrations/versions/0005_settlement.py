"""Agreements and what a night of settlement leaves."""

from migrations.steps import drop_schema, run_file

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    run_file("0005_settlement.sql")


def downgrade() -> None:
    drop_schema("settlement")
