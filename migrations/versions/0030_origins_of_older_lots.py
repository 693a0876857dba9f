"""Lots made by merges and returns before lots knew which earn issued them are told, from their postings."""

from migrations.steps import LOCK_TIMEOUT, run

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    run(LOCK_TIMEOUT)
    run("""
        CREATE TEMP TABLE made_of ON COMMIT DROP AS
        -- A merge: its two transactions post lot for lot, under the same numbers.
        SELECT here.lot_id, away.lot_id AS source_id
        FROM coalition.txn t
        JOIN coalition.txn u ON u.partner_id = t.partner_id AND u.kind = 'merge'
             AND t.reference = 'into-' || u.reference
        JOIN coalition.posting here ON here.member_id = t.member_id AND here.txn_id = t.txn_id
        JOIN coalition.posting away ON away.member_id = u.member_id AND away.txn_id = u.txn_id AND away.seq = here.seq
        WHERE t.kind = 'merge' AND t.meta ? 'merged_from'
        UNION ALL
        -- A return to whom the member was merged into: of what the burn took of the same issuer and day, what expires
        -- as the new lot does before others.
        (SELECT DISTINCT ON (back.lot_id) back.lot_id, taken.lot_id
        FROM coalition.txn t
        JOIN coalition.txn u ON u.txn_id = t.reverses_txn_id AND u.member_id <> t.member_id AND u.kind <> 'earn'
        JOIN coalition.posting back ON back.member_id = t.member_id AND back.txn_id = t.txn_id
        JOIN coalition.lot made ON made.member_id = back.member_id AND made.lot_id = back.lot_id
        JOIN coalition.posting taken ON taken.member_id = u.member_id AND taken.txn_id = u.txn_id
             AND taken.issuer_id = back.issuer_id AND taken.issued_on = back.issued_on
        JOIN coalition.lot source ON source.member_id = taken.member_id AND source.lot_id = taken.lot_id
        WHERE t.kind = 'reversal' AND back.debit = 'redemption' AND taken.credit = 'redemption'
        ORDER BY back.lot_id, source.expires_on <> made.expires_on, taken.seq);
        WITH RECURSIVE known AS (
            SELECT m.lot_id, m.source_id FROM made_of m
            UNION ALL
            SELECT k.lot_id, m.source_id FROM known k JOIN made_of m ON m.lot_id = k.source_id
        )
        UPDATE coalition.lot l SET origin_id = k.source_id
        FROM known k
        WHERE l.lot_id = k.lot_id AND l.origin_id IS NULL
          AND NOT EXISTS (SELECT FROM made_of m WHERE m.lot_id = k.source_id);
    """)


def downgrade() -> None:
    """What lots know stays true."""
