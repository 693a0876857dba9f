"""The lots that wait to be funded: an index of them alone, built while postings go on. Most programmes have none.

Safe while the version before runs: it gets an index more.
"""

from migrations.steps import build_index, drop_index

revision = "0074"
down_revision = "0073"


def upgrade() -> None:
    build_index("coalition.lot_unfunded", on="coalition.lot (expires_on) WHERE is_unfunded")


def downgrade() -> None:
    drop_index("coalition.lot_unfunded")
