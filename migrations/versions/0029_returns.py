"""Returns: bounded by what the partner issued, one operation for a purchase; lots know which earn issued them."""

from migrations.steps import LOCK_TIMEOUT, SQL, run, run_file

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    run(LOCK_TIMEOUT)
    run("""
        -- The earn or adjustment that issued the points, where a merge or a return made a lot of its own of them; NULL:
        -- the lot's own id is that. Lots that were merged before know no more than they did.
        ALTER TABLE coalition.lot ADD origin_id uuid;
        CREATE INDEX wallet_merged_into ON coalition.wallet (merged_into) WHERE merged_into IS NOT NULL;
    """)
    run_file("0029_returns.sql")


def downgrade() -> None:
    run(LOCK_TIMEOUT)
    run("""
        DROP FUNCTION coalition.ledger_return, coalition.ledger_same_request, coalition.ledger_spendable,
            coalition.ledger_lapse_overdue, coalition.ledger_reclaimable, coalition.ledger_give_back,
            coalition.ledger_take_back, coalition.new_id, coalition.day_in;
        DROP INDEX coalition.wallet_merged_into;
        ALTER TABLE coalition.lot DROP origin_id;
    """)
    before = (SQL / "0006_ledger_functions.sql").read_text("utf-8")
    functions = before[before.index("CREATE FUNCTION") :].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
    run(functions)
    run_file("0008_ledger_merge.sql")
