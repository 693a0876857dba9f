"""Partners' own files: how each is read, what came of comparing them, and what differs.

Safe while the version before runs: these are more tables and functions, which that version doesn't know. End its
processes before you reconcile: an erasure of theirs would not clear a member from what differs.
"""

from migrations.steps import run_file

revision = "0065"
down_revision = "0064"


def upgrade() -> None:
    run_file("0065_reconciliation.sql")


def downgrade() -> None:
    run_file("0065_reconciliation_down.sql")
