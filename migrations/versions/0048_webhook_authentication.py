"""Webhooks authenticate at a receiver: with a token of its OAuth server, or with a client certificate.

Safe while the version before runs: both columns may be empty, and its pumps go on sending as they did.
"""

from migrations.steps import run_file

revision = "0048"
down_revision = "0047"


def upgrade() -> None:
    run_file("0048_webhook_authentication.sql")


def downgrade() -> None:
    run_file("0048_webhook_authentication_down.sql")
