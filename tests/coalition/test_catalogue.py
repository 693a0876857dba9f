"""The sources of the database's functions are what a migrated database holds: definitions, callers and paths."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import fields

import psycopg
import pytest

from coalition import ledger, refusals
from coalition.ledger import posting
from migrations import catalogue, freeze, sources

NOT_SHOWN: set[str] = set()
OPEN_TO_ALL = {"kit.partner", "kit.member"}  # policies ask them, whoever reads


@pytest.fixture(scope="module")
def migrated(fresh_database: Callable[[], str]) -> Iterator[psycopg.Connection]:
    """A connection of the owner to a database at the head."""
    with psycopg.connect(fresh_database(), autocommit=True) as connection:
        yield connection


def test_the_last_step_left_what_the_sources_say(migrated: psycopg.Connection) -> None:
    found = freeze.difference(migrated)
    assert found is None, f"`python -m migrations.freeze` makes the step that is missing:\n{found and found.up}"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("ALTER FUNCTION coalition.ledger_burn SECURITY INVOKER", "coalition.ledger_burn"),
        ("ALTER FUNCTION coalition.ledger_earn RESET ALL", "coalition.ledger_earn"),
        ("GRANT EXECUTE ON FUNCTION coalition.ledger_adjust TO coalition_tenant", "coalition.ledger_adjust"),
        ("GRANT EXECUTE ON FUNCTION coalition.ledger_lock TO PUBLIC", "coalition.ledger_lock"),
        ("GRANT EXECUTE ON FUNCTION partners.post TO coalition_tenant WITH GRANT OPTION", "partners.post"),
        ("REVOKE EXECUTE ON FUNCTION partners.post FROM coalition_tenant", "partners.post"),
        ("CREATE FUNCTION coalition.forgotten() RETURNS int LANGUAGE sql AS 'SELECT 1'", "coalition.forgotten()"),
        ("DROP FUNCTION coalition.claim_warnings", "coalition.claim_warnings"),
        (
            "CREATE OR REPLACE FUNCTION coalition.day_gate() RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'",
            "coalition.day_gate",
        ),
    ],
)
def test_what_differs_from_the_sources_is_found(migrated: psycopg.Connection, change: str, named: str) -> None:
    with migrated.transaction(force_rollback=True):
        migrated.execute(change.encode())
        found = freeze.difference(migrated)
        assert found is not None
        assert named in found.up
        # What a step made of it would do is to make them the same, and its way back brings the change back.
        migrated.execute(found.up.encode())
        assert freeze.difference(migrated) is None
        migrated.execute(found.down.encode())
        assert freeze.difference(migrated) == found


def test_nobody_but_those_named_calls_a_function_and_each_that_acts_for_its_owner_has_a_path(
    migrated: psycopg.Connection,
) -> None:
    for function in catalogue.functions(migrated).values():
        assert ("PUBLIC" in function.callers) == (function.name in OPEN_TO_ALL), function.name
        if "SECURITY DEFINER" in function.definition:
            assert "SET search_path TO 'pg_catalog', 'pg_temp'" in function.definition, function.name


def test_every_function_has_one_source_that_says_what_it_is_for() -> None:
    names = [source.name for source in sources.functions()]
    assert len(names) == len(set(names))
    for source in sources.functions():
        assert source.definition.startswith("-- "), source.name


def test_what_python_says_of_requests_and_transactions_is_what_the_database_has(migrated: psycopg.Connection) -> None:
    """Fields and kinds are stated once on each side, and here they are the same."""
    kinds = migrated.execute("SELECT enum_range(NULL::coalition.txn_kind)::text[]").fetchone()
    assert kinds == (ledger.KINDS,)
    columns = """
        SELECT a.attname, format_type(a.atttypid, NULL), a.attnotnull FROM pg_attribute a
        WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
    """
    request = migrated.execute(columns, ["coalition.request"]).fetchall()
    named = {"timestamp with time zone": "timestamptz"}
    assert {name: named.get(type_, type_) for name, type_, _ in request} == posting.FIELDS
    arguments = migrated.execute("SELECT proargnames FROM pg_proc WHERE oid = 'coalition.request'::regproc").fetchone()
    assert arguments == ([name for name, _, _ in request],)
    transaction = {name for name, _, _ in migrated.execute(columns, ["coalition.txn"])}
    asked_for = {name.removeprefix("t.") for name in ledger.columns("t").split(", ")}
    assert asked_for <= transaction
    assert transaction - asked_for == NOT_SHOWN
    said = {each.name for kind in commands() for each in fields(kind)} - {"awards", "parts", "may_owe", "credit"}
    assert said <= posting.FIELDS.keys(), "those go as meta, or as requests of their own"


def commands() -> list[type[ledger.Command]]:
    """Every command there is, those of the coalition's own work too."""
    found, more = [], [ledger.Command]
    while more:
        kind = more.pop()
        found.append(kind)
        more += kind.__subclasses__()
    return found


def test_every_refusal_of_the_database_is_one_the_api_answers_with() -> None:
    """Functions name their refusals as literals: each is a code of the catalogue of problems."""
    named = re.compile(r"(?:ledger_store_refusal\(\w+, |\((?:true|false), )'(\w+)'")
    codes = {code for source in sources.functions() for code in named.findall(source.definition)}
    assert len(codes) > 15
    assert codes <= {kind.code for kind in refusals.kinds()}
