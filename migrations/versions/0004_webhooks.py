"""Webhook endpoints, deliveries and attempts."""

from migrations.steps import drop_schema, run_file

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run_file("0004_webhooks.sql")


def downgrade() -> None:
    drop_schema("webhooks")
