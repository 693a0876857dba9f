"""Phases of an attempt at a webhook: DNS, TLS and the answer's first byte beside the connection.

Safe while the version before runs: the columns may be empty, and it names those that it writes.
"""

from migrations.steps import run_file

revision = "0049"
down_revision = "0048"


def upgrade() -> None:
    run_file("0049_webhook_attempt_phases.sql")


def downgrade() -> None:
    run_file("0049_webhook_attempt_phases_down.sql")
