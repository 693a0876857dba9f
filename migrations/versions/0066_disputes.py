"""Lines of statements that a party disputes, what the other party says to it, and what comes of it.

Safe while the version before runs: it knows none of the tables. What a dispute moves is a money entry, which it settles
like any other; end its processes before you dispute a line all the same: its statements would not name the line.
"""

from migrations.steps import run_file

revision = "0066"
down_revision = "0065"


def upgrade() -> None:
    run_file("0066_disputes.sql")


def downgrade() -> None:
    run_file("0066_disputes_down.sql")
