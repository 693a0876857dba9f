"""Another file for payments that came back.

Safe while the version before runs, until the first further file is written: end its processes before that, for it would
take its parties and payments for those of the first. It can't read a bank's answer (pain.002) any more, and takes
nothing from one: import answers with this version. The step back refuses once a run has two files of a payer.
"""

from migrations.steps import run_file

revision = "0070"
down_revision = "0067"


def upgrade() -> None:
    run_file("0070_returned_payments.sql")


def downgrade() -> None:
    run_file("0070_returned_payments_down.sql")
