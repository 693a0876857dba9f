"""Days that are over close by themselves; what can't be priced is set aside; a settled day's rows stay as they are."""

from migrations.steps import LOCK_TIMEOUT, isolate, run, run_file

revision = "0033"
down_revision = "0032"

APPEND_ONLY = ("settled_day", "obligation", "net_position", "payment", "statement")


def upgrade() -> None:
    run_file("0033_nights.sql")
    for table in APPEND_ONLY:
        run(f"""
            CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON settlement.{table}
                FOR EACH ROW EXECUTE FUNCTION settlement.refuse_change();
            CREATE TRIGGER no_truncate BEFORE TRUNCATE ON settlement.{table}
                FOR EACH STATEMENT EXECUTE FUNCTION settlement.refuse_change();
        """)
    isolate("settlement.set_aside", "kit.partner() IN (payer_id, payee_id)")


def downgrade() -> None:
    run(LOCK_TIMEOUT)
    run("DROP TABLE settlement.set_aside, settlement.night_fault")
    for table in APPEND_ONLY:
        run(f"DROP TRIGGER append_only ON settlement.{table}; DROP TRIGGER no_truncate ON settlement.{table}")
    run("DROP FUNCTION settlement.refuse_change, coalition.close_days_over")
    run_file("0033_nights_down.sql")
