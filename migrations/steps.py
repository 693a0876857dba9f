"""What the migration steps share: running an SQL file, under a lock timeout."""

from pathlib import Path

from alembic import op

SQL = Path(__file__).with_name("sql")
LOCK_TIMEOUT = "SET LOCAL lock_timeout = '3s'"


def run_file(name: str) -> None:
    """Run the statements of `sql/<name>`; a lock that can't be had in 3 s ends the step and changes nothing."""
    run(LOCK_TIMEOUT)
    run((SQL / name).read_text("utf-8"))


def drop_schema(name: str) -> None:
    """Undo a step that made a whole schema."""
    run(LOCK_TIMEOUT)
    run(f"DROP SCHEMA {name} CASCADE")


def run(sql: str) -> None:
    """Run `sql` as it stands: colons and per cent signs in it mean themselves."""
    op.get_bind().exec_driver_sql(sql, execution_options={"no_parameters": True})


# The service and reports see all rows of a table; grants say which columns, and what may be done with them.
NOT_OPEN = """
    ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
    CREATE POLICY everything ON {table} TO coalition_service, coalition_reports USING (true);
"""


def isolate(table: str, own: str = "partner_id = kit.partner()") -> None:
    """Let the requests of a partner see and change only rows of `table` that are its `own`, once they are granted any.

    For every new table that holds what is one partner's; docs/decisions/0016 says why.
    """
    run(NOT_OPEN.format(table=table) + f"CREATE POLICY own ON {table} TO coalition_tenant USING ({own});")
