"""Agreements, complete: funding, issue price, fees, breakage share, VAT, cycle, limit, deposit, legal entity, account.

Safe while the version before runs: every column has a default or may be empty. What that version corrects meanwhile
has the defaults again, so give agreements their new terms once it is gone.
"""

from migrations.steps import run_file

revision = "0052"
down_revision = "0050"


def upgrade() -> None:
    run_file("0052_agreements.sql")


def downgrade() -> None:
    run_file("0052_agreements_down.sql")
