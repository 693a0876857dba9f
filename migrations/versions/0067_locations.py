"""Transactions know at which location they were made, and obligations what of them fell to each location.

Safe while the version before runs: new columns may be NULL and are added at once, requests get fields with defaults,
and the lines that its nights write have no location, which this version's check of them takes into account.
"""

from migrations.steps import run_file

revision = "0067"
down_revision = "0066"


def upgrade() -> None:
    run_file("0067_locations.sql")
    run_file("0067_functions.sql")


def downgrade() -> None:
    run_file("0067_functions_down.sql")
    run_file("0067_locations_down.sql")
