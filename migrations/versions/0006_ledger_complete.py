"""The ledger, complete: every operation behind functions of one shape, fewer CHECKs on the hot tables.

The ledger's functions change their arguments here, so processes of the version before can't post until they are
replaced: they get an error and nothing is half-done.
"""

from migrations.steps import run, run_file

revision = "0006"
down_revision = "0005"

_FUNCTIONS = """
    DO $$ DECLARE f regprocedure; BEGIN
        FOR f IN SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'coalition'::regnamespace
                 AND (proname ~ '^(ledger_(?!open_wallet|close_day)|points_for|forget_outcomes|claim_warnings)'
                      OR proname IN ({also})) LOOP
            EXECUTE 'DROP FUNCTION ' || f;
        END LOOP;
    END $$;
    DROP TYPE coalition.outcome;
"""


def upgrade() -> None:
    run_file("0006_ledger_tables.sql")
    run(_FUNCTIONS.format(also="'day_gate'"))
    run_file("0006_ledger_functions.sql")


def downgrade() -> None:
    run_file("0006_ledger_down.sql")
    run(
        _FUNCTIONS.format(
            also="'day_gate', 'set_test_clock', 'ledger_open_wallet', 'ledger_close_day', 'ledger_seal_day'"
        )
    )
    run("DROP TYPE coalition.request")
    run_file("0002_ledger_functions.sql")
