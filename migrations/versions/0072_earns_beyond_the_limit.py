"""Earns beyond an issuer's limit: points that are taken and not funded, and what the awards of others run into.

Safe while the version before runs: new columns have defaults, what posts is the database's own functions, and no value
of a type that it does not know is written until the programme chooses so. End its processes before it does: they would
not know the transactions.
"""

from migrations.steps import run_file

revision = "0072"
down_revision = "0071"


def upgrade() -> None:
    run_file("0072_unfunded.sql")
    run_file("0072_functions.sql")


def downgrade() -> None:
    run_file("0072_functions_down.sql")
    run_file("0072_unfunded_down.sql")
