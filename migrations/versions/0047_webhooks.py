"""Webhooks, complete: what an endpoint asks for, lanes and order, replays, consumers of the feed, digests.

Safe while the version before runs: every column has a default or may be empty, and pumps of both versions keep each
other out by one lock.
"""

from migrations.steps import run_file

revision = "0047"
down_revision = "0046"


def upgrade() -> None:
    run_file("0047_webhooks.sql")


def downgrade() -> None:
    run_file("0047_webhooks_down.sql")
