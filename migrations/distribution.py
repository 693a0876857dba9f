"""Spreading the ledger's tables over a Citus cluster by member: docs/decisions/0030 says what runs where."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from migrations import SQL

# Spread by `member_id`, the first one before those that lie beside it. All else stays on the coordinator.
BY_MEMBER = (
    "coalition.wallet",
    "coalition.lot",
    "coalition.txn",
    "coalition.posting",
    "coalition.hold",
    "coalition.debt",
)
# On the coordinator, and known to Citus: whatever posts writes here, so that it and the member's rows commit in two
# phases or not at all.
CLAIMED = "coalition.receipt"
# Of the database, for every session; a copy of it has to be given them anew.
SETTINGS = {
    "citus.enable_unsafe_triggers": "on",
    "citus.propagate_set_commands": "local",  # policies ask on every node whose transaction it is
}


@dataclass(frozen=True)
class Step:
    """One thing to do, and what to call it."""

    name: str
    do: Callable[[Connection], object]


def steps() -> Iterator[Step]:
    """What distributes a database, in order; all of it belongs into one transaction."""

    def run(statement: str) -> Callable[[Connection], object]:
        return lambda at: at.exec_driver_sql(statement, execution_options={"no_parameters": True})

    yield Step("sessions that may do this", run(_SETTINGS))
    for name, value in SETTINGS.items():
        yield Step(f"{name} = {value}", run(_OF_DATABASE.format(name=name, value=value)))
    yield Step("roles that every node knows", run(_ROLES))
    yield Step("references apart", run((SQL / "distribute.sql").read_text("utf-8")))
    yield Step(f"{CLAIMED} commits with its member", run(f"SELECT citus_add_local_table_to_metadata('{CLAIMED}')"))
    first = BY_MEMBER[0]
    for table in BY_MEMBER:
        beside = "" if table == first else f", colocate_with => '{first}'"
        yield Step(f"{table} by member", run(f"SELECT create_distributed_table('{table}', 'member_id'{beside})"))


_SETTINGS = """
    -- Tables that refer to each other are distributed one shard after the other.
    SET LOCAL citus.multi_shard_modify_mode = 'sequential';
    -- The ledger's tables refuse changes by trigger, on every shard.
    SET LOCAL citus.enable_unsafe_triggers = on;
"""
_OF_DATABASE = """
    DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET {name} = ''{value}''', current_database());
    END $$;
"""
# A node is entered as whoever asks. Said on the coordinator, for Citus makes the nodes' roles what they are here.
# Without a password only those lines of pg_hba.conf let them in that ask for none: the cluster's own nodes'.
_ROLES = """
    ALTER ROLE coalition_service LOGIN;
    ALTER ROLE coalition_tenant LOGIN;
    ALTER ROLE coalition_reports LOGIN;
"""
