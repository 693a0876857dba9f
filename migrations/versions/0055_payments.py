"""Payments on their way: the files that banks were given, the banks' entries, and what became of each payment.

Safe while the version before runs: these are more tables, which that version doesn't know, and runs in states it has.
"""

from migrations.steps import run_file

revision = "0055"
down_revision = "0054"


def upgrade() -> None:
    run_file("0055_payments.sql")


def downgrade() -> None:
    run_file("0055_payments_down.sql")
