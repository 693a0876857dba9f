"""Distributing by member: refused plainly without Citus; with its rules for tables checked, the ledger works as before.

There is no Citus server to test on. What stands in for it here refuses what its documentation says it refuses when a
table is distributed (a unique index or foreign key without the distribution column, triggers unless allowed), and
leaves the rows where they are; so this shows that the steps are in order and that the ledger is right on the tables
they leave, not how a cluster behaves.
"""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy.exc import DatabaseError

from coalition import closing, ledger, merges, programme, verify
from kit import ids, schema
from kit.db import Database
from migrations import distribution
from tests.conftest import APPROVED, NOW, World, request

A, B = ids.new(), ids.new()

_STAND_IN = """
CREATE TABLE public.citus_table (name regclass PRIMARY KEY, distributed_by text);

CREATE FUNCTION public.create_reference_table(p_table regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.citus_table VALUES (p_table, NULL);
END $$;

CREATE FUNCTION public.create_distributed_table(p_table regclass, p_column text, colocate_with text DEFAULT 'default')
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    n int2 := (SELECT attnum FROM pg_attribute WHERE attrelid = p_table AND attname = p_column);
    bad text;
BEGIN
    SELECT indexrelid::regclass INTO bad FROM pg_index
    WHERE indrelid = p_table AND indisunique AND n <> ALL (indkey::int2[]);
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION 'cannot create constraint on %: % lacks %', p_table, bad, p_column;
    END IF;
    SELECT conname INTO bad FROM pg_constraint c WHERE contype = 'f' AND p_table IN (conrelid, confrelid) AND NOT (
        c.conrelid = p_table AND EXISTS (SELECT FROM public.citus_table t WHERE t.name = c.confrelid
                                         AND (t.distributed_by IS NULL OR n = ANY (c.conkey)))
        OR c.confrelid = p_table AND n = ANY (c.confkey)
           AND c.conrelid IN ('coalition.wallet'::regclass));  -- distributed next, by the same column
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION 'cannot create foreign key constraint % of %', bad, p_table;
    END IF;
    IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = p_table AND NOT tgisinternal)
       AND current_setting('citus.enable_unsafe_triggers', true) IS DISTINCT FROM 'on' THEN
        RAISE EXCEPTION 'triggers are not supported on distributed tables';
    END IF;
    INSERT INTO public.citus_table VALUES (p_table, p_column);
END $$;
"""


@pytest.fixture
def distributed(world: World) -> World:
    """A coalition whose tables went through all steps."""
    world.earn(A, world.member(), 5, reference="before")
    owner = Database(str(world.settings.database_url), owner=True)
    try:
        with owner.transaction() as session:
            session.exec_driver_sql(_STAND_IN, execution_options={"no_parameters": True})
            for step in distribution.steps(session):
                step.do(session)
    finally:
        owner.close()
    return world


def post(world: World, command, partner=A) -> ledger.Outcome:
    with world.transaction() as session:
        return ledger.post(session, request(partner), command)


@pytest.mark.skipif("COALITION_DATABASE_URL" in os.environ, reason="a server of the user's may have the extension")
def test_without_the_extension_it_says_so_and_changes_nothing(world: World) -> None:
    reports: list[str] = []
    with pytest.raises(schema.CitusMissing, match="doesn't offer the Citus extension"):
        schema.distribute(str(world.settings.database_url), report=reports.append)
    assert reports == []
    assert world.count("pg_extension WHERE extname = 'citus'") == 0


def test_undistributed_tables_break_the_rules_so_the_stand_in_can_fail(world: World) -> None:
    owner = Database(str(world.settings.database_url), owner=True)
    try:
        for table, column in {**distribution.BY_MEMBER, "coalition.idempotency": "partner_id"}.items():
            with pytest.raises(DatabaseError) if table in _BREAKING else nullcontext(), owner.trial() as session:
                session.exec_driver_sql(_STAND_IN, execution_options={"no_parameters": True})
                session.exec_driver_sql(f"SELECT create_distributed_table('{table}', '{column}')")
    finally:
        owner.close()


_BREAKING = ("coalition.member", "coalition.wallet", "coalition.txn", "coalition.posting", "kit.event")


def test_every_table_of_a_member_is_distributed_by_it(distributed: World) -> None:
    with psycopg.connect(str(distributed.settings.database_url)) as owner:
        placed = dict(owner.execute("SELECT name::text, distributed_by FROM public.citus_table").fetchall())
        about_members = owner.execute("""
            SELECT attrelid::regclass::text FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
            WHERE attname = 'member_id' AND relkind = 'r' AND relnamespace = 'coalition'::regnamespace
        """).fetchall()
    assert placed == {**distribution.BY_MEMBER, "coalition.programme": None}
    on_the_coordinator = {"coalition.member_identifier", "coalition.member_secret"}
    assert {name for (name,) in about_members} - placed.keys() == on_the_coordinator


def test_the_ledger_is_as_right_as_before(distributed: World) -> None:
    world = distributed
    member, soon = world.member("7001000000178511"), NOW + timedelta(hours=1)
    earned = world.earn(A, member, 100, reference="E")
    world.earn(A, member, 5, due_at=soon)
    burned = world.burn(B, member, 30)
    hold = post(world, ledger.Hold(member_id=member, reference="H", points=20, due_at=soon)).unwrap()
    post(world, ledger.Capture(original_id=hold.transaction_id, reference="C", points=15)).unwrap()
    post(world, ledger.Reversal(original_id=burned.transaction_id, reference="R", points=10), B).unwrap()
    post(world, ledger.Reversal(original_id=earned.transaction_id, reference="R2", points=40)).unwrap()
    again = post(world, ledger.Earn(member_id=member, reference="E", points=100))
    assert (again.replayed, again.unwrap().transaction_id) == (True, earned.transaction_id)
    known = post(world, ledger.Earn(member_id=world.member("7001000000178529"), reference="before", points=5))
    assert known.refusal
    assert known.refusal.code == "reference_of_another_member"
    other = world.member("7001000000178537")
    world.earn(B, other, 7)
    with world.transaction() as session:
        merges.merge(session, member_id=other, into=member, reference="M", now=NOW, approval=APPROVED)
    assert world.available(member) == 100 - 30 - 15 + 10 - 40 + 7
    closing.close_day(world.database, day=NOW.date(), now=NOW + timedelta(days=1), keyring=world.keyring)
    with world.transaction() as session:
        verify.snapshot(session)
        assert [finding.broken for finding in verify.run(session) if finding.broken] == []
        assert programme.get(session).open_day == NOW.date() + timedelta(days=1)


def test_one_receipt_for_many_members_at_once_is_posted_once(distributed: World) -> None:
    cards = [f"7001{n:012d}" for n in range(0, 160, 10)]
    members = [distributed.member(_with_check_digit(card)) for card in cards]

    def earn(member) -> str:
        outcome = post(distributed, ledger.Earn(member_id=member, reference="ONE", points=3))
        return outcome.refusal.code if outcome.refusal else "posted"

    with ThreadPoolExecutor(8) as pool:
        outcomes = sorted(pool.map(earn, members))
    assert outcomes == ["posted"] + ["reference_of_another_member"] * 15


def _with_check_digit(card: str) -> str:
    """The card with its last digit set so that Luhn's sum is right."""
    digits = [int(d) for d in card[:-1]]
    total = sum(d if n % 2 else sum(divmod(2 * d, 10)) for n, d in enumerate(reversed(digits)))
    return card[:-1] + str(-total % 10)


def test_the_steps_name_every_function_that_writes_transactions() -> None:
    text = (distribution.SQL / "0006_ledger_functions.sql").read_text("utf-8")
    writers = re.findall(r"INSERT INTO coalition\.txn (?:VALUES|\()", text)
    assert len(writers) == len(distribution._UNLESS_TAKEN.findall(text)) + len(distribution._NEW.findall(text)) == 10
