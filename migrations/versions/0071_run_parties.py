"""Names and addresses as a run's statements have them.

Safe while the version before runs: it keeps none, and the statements of its runs name parties as they are today.
"""

from migrations.steps import run_file

revision = "0071"
down_revision = "0070"


def upgrade() -> None:
    run_file("0071_run_parties.sql")


def downgrade() -> None:
    run_file("0071_run_parties_down.sql")
