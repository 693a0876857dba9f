"""What issuers owe that is not funded: points outstanding by day of issue, levels that were told of, and the choice.

Safe while the version before runs: it knows none of the tables, and the new column has a default.
"""

from migrations.steps import run_file

revision = "0056"
down_revision = "0055"


def upgrade() -> None:
    run_file("0056_exposure.sql")


def downgrade() -> None:
    run_file("0056_exposure_down.sql")
