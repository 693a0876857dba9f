"""Spreading the hot tables over a Citus cluster by member; docs/decisions/0009 says what runs where.

Written after Citus's documentation, whose rules for tables the tests check; it has not run on a cluster yet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, text

from migrations.steps import SQL

# In the order in which they refer to each other; each with the column that says which member it is about.
BY_MEMBER = {
    "coalition.member": "member_id",
    "coalition.wallet": "member_id",
    "coalition.lot": "member_id",
    "coalition.txn": "member_id",
    "coalition.posting": "member_id",
    "coalition.hold": "member_id",
    "coalition.debt": "member_id",
    "kit.event": "subject_id",
}
# Read together with a wallet by every posting, so a copy of it lies on every node.
EVERYWHERE = ("coalition.programme",)

_UNLESS_TAKEN = re.compile(
    r"INSERT INTO coalition\.txn VALUES \((\w+)\.\*\)"
    r" ON CONFLICT \(partner_id, reference, kind, reverses_txn_id\) DO NOTHING;\s*IF NOT FOUND THEN"
)
_NEW = re.compile(r"INSERT INTO coalition\.txn VALUES \((\w+)\.\*\);")


@dataclass(frozen=True)
class Step:
    """One thing to do, and what to call it."""

    name: str
    do: Callable[[Connection], object]


def steps(connection: Connection) -> Iterator[Step]:
    """What distributes the database of `connection`, in order; all of it belongs into one transaction."""

    def run(statement: str) -> Callable[[Connection], object]:
        return lambda at: at.exec_driver_sql(statement, execution_options={"no_parameters": True})

    writers = _writers(connection)
    yield Step("sessions that may do this", run(_SETTINGS))
    yield Step("references and keys of their own", run((SQL / "distribute.sql").read_text("utf-8")))
    for name, definition in writers:
        yield Step(f"function {name}", run(definition))
    for table in EVERYWHERE:
        yield Step(f"{table} on every node", run(f"SELECT create_reference_table('{table}')"))
    first = next(iter(BY_MEMBER))
    for table, column in BY_MEMBER.items():
        together = "" if table == first else f", colocate_with => '{first}'"
        yield Step(f"{table} by {column}", run(f"SELECT create_distributed_table('{table}', '{column}'{together})"))


_SETTINGS = """
    -- Tables that refer to each other are distributed one shard after the other.
    SET LOCAL citus.multi_shard_modify_mode = 'sequential';
    -- The ledger's tables refuse changes by trigger, on every shard.
    SET LOCAL citus.enable_unsafe_triggers = on;
    -- `ledger verify` joins transactions and postings by txn_id.
    DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET citus.enable_unsafe_triggers = on', current_database());
        EXECUTE format('ALTER DATABASE %I SET citus.enable_repartition_joins = on', current_database());
    END $$;
"""


def _writers(connection: Connection) -> list[tuple[str, str]]:
    """The ledger's functions that write transactions, with the references they claim in the table of receipts."""
    found = connection.execute(
        text("""
            SELECT p.proname, pg_get_functiondef(p.oid) FROM pg_proc p
            WHERE p.pronamespace = 'coalition'::regnamespace AND p.prosrc LIKE '%INSERT INTO coalition.txn %'
            ORDER BY p.proname
        """)
    ).fetchall()
    changed = []
    for name, definition in found:
        once = _UNLESS_TAKEN.sub(r"IF NOT coalition.ledger_write(\1) THEN", definition)
        changed.append((name, _NEW.sub(r"PERFORM coalition.ledger_write_new(\1);", once)))
    for name, definition in changed:
        if "INSERT INTO coalition.txn" in definition:
            raise ValueError(f"{name} writes transactions in a way that can't be distributed")
    return changed
