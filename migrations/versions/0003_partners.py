"""Partners, their OAuth clients and tokens."""

from migrations.steps import drop_schema, run_file

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run_file("0003_partners.sql")


def downgrade() -> None:
    drop_schema("partners")
