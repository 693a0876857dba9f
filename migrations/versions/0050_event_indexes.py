"""Events by partner and by id: the indexes of the feed, built while postings go on.

Safe while the version before runs: it gets more indexes, and keeps the one by which it looks for the last place.
"""

from migrations.steps import build_index, drop_index

revision = "0050"
down_revision = "0049"

# By an expression, so that only this index serves who reads one partner's feed: kit/event_feed.py says why.
_OF_PARTNER = "kit.event (partner_id, (greatest(position, 0))) WHERE position IS NOT NULL"
_BY_ID = "kit.event (event_id) WHERE position IS NOT NULL"


def upgrade() -> None:
    build_index("kit.event_of_partner", on=_OF_PARTNER)
    build_index("kit.event_by_id", on=_BY_ID)


def downgrade() -> None:
    drop_index("kit.event_by_id")
    drop_index("kit.event_of_partner")
