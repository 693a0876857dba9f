"""Partners that stopped paying, and what the coalition pays in their place.

Safe while the version before runs: it knows none of the tables, and the checks of payment_change only take more. End
its processes before you declare a default: it would cover nothing.
"""

from migrations.steps import run_file

revision = "0064"
down_revision = "0060"


def upgrade() -> None:
    run_file("0064_defaults.sql")


def downgrade() -> None:
    run_file("0064_defaults_down.sql")
