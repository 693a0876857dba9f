"""Earns beyond an issuer's limit: points that are taken and not funded, and what the awards of others run into.

Safe while the version before runs, where `beyond_limit` is `allow`: new columns have defaults, what posts is the
database's own functions, and no value of a type that it does not know is written until the programme chooses `pending`.
End its processes before it does: they would not know the transactions. Where `refuse` is set, end them before this
step: from then on the database refuses awards of a partner beyond its limit with `exposure_exceeded`, which they do not
know, and they answer such an award with 500.
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
