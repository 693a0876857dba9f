"""What the migration steps share: running an SQL file under a lock timeout, and building an index beside writers."""

from alembic import op

from migrations import SQL

LOCK_TIMEOUT = "SET LOCAL lock_timeout = '3s'"
# An index that is built beside its writers waits, holding up nobody, for transactions that began before it: such as a
# backup's, or that of a process of an older version that waits for us to have migrated.
BUILD_TIMEOUT = "SET lock_timeout = '10min'"


def run_file(name: str) -> None:
    """Run the statements of `sql/<name>`; a lock that can't be had in 3 s ends the step and changes nothing."""
    run(LOCK_TIMEOUT)
    run((SQL / name).read_text("utf-8"))


def build_index(name: str, on: str) -> None:
    """Build the index `name` (with its schema) `on` a table and its columns, while rows are written to that table.

    For a step that does nothing else: it is done on a connection of its own, outside of any transaction. A build that
    was interrupted leaves an index that nobody reads and every writer pays for; taken again, the step replaces it.
    """
    _beside_writers(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    _beside_writers(f"CREATE INDEX CONCURRENTLY {name.partition('.')[2]} ON {on}")


def drop_index(name: str) -> None:
    """Drop an index while its table is read and written; like `build_index`, in a step that does nothing else."""
    _beside_writers(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


def _beside_writers(statement: str) -> None:
    with op.get_bind().engine.connect() as made:
        connection = made.execution_options(isolation_level="AUTOCOMMIT")
        connection.exec_driver_sql(BUILD_TIMEOUT)
        connection.exec_driver_sql(statement)


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
