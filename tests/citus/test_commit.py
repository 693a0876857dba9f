"""A posting and its receipt commit together or not at all, whichever process dies between the nodes' commits."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import make_url, text

from coalition import ledger, merges, verify
from coalition.cards import with_check_digit
from kit import ids
from kit.db import DatabaseUnavailable, shown
from tests.conftest import APPROVED, World, request

# A pool that was given up because its server died leaves the sessions that were out to the collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
PARTNER = ids.new()
KILLS = 25
GATE = 4711  # the advisory lock that a worker waits for as it prepares


def test_a_receipt_is_posted_once_though_the_coordinator_dies_between_two_commits(
    own_world: World,
) -> None:
    """With receipts in a table Citus doesn't know, this posted 2,000 points under one receipt."""
    world, member = own_world, own_world.member()
    receipt = ledger.Earn(member_id=member, reference="receipt", points=1_000)
    with at_the_workers_commit(world, member) as kill_the_coordinator:
        lost = threading.Thread(target=lambda: given_up(world, receipt))
        lost.start()
        kill_the_coordinator()
        lost.join(timeout=30)
    settle(world)
    assert not until_answered(world, receipt).replayed
    assert world.available(member) == 1_000
    assert world.count("coalition.txn") == receipts_of(world) == 1
    assert findings(world) == []


def test_what_the_coordinator_committed_reaches_a_node_that_was_away(own_world: World) -> None:
    world = own_world
    one, other = members_of_two_workers(world)
    world.earn(PARTNER, one, 70)
    world.earn(PARTNER, other, 30)
    with at_the_workers_commit(world, other):
        merged = threading.Thread(target=lambda: merge(world, one, into=other))
        merged.start()
        until_prepared(world, one)
        # The connection over which the node is told to commit what it prepared: it is told later.
        of_node(
            world,
            one,
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name LIKE 'citus_internal%'",
        )
    merged.join(timeout=30)
    meanwhile = ledger.Earn(member_id=one, reference="meanwhile", points=1)
    with pytest.raises(DatabaseUnavailable):
        post(world, meanwhile, within_s=1)  # a node knows no lock_timeout of ours
    settle(world)
    outcome = post(world, meanwhile)
    assert outcome.refusal
    assert outcome.refusal.code == "member_merged"
    assert world.available(other) == 100
    assert findings(world) == []


def test_receipts_sent_again_and_again_while_sessions_are_ended_are_posted_once_each(own_world: World) -> None:
    world = own_world
    members = [world.member(with_check_digit(f"700100000{n:06}")) for n in range(8)]
    receipts = [
        ledger.Earn(member_id=members[n % len(members)], reference=f"receipt {n}", points=10 + n) for n in range(40)
    ]
    done = threading.Event()
    with ThreadPoolExecutor(9) as pool:
        killer = pool.submit(end_sessions, world, done)
        for answered in [pool.submit(until_answered, world, receipt) for receipt in receipts * 3]:
            answered.result(timeout=120)
        done.set()
        assert killer.result(timeout=30) > 0
    settle(world)
    assert world.count("coalition.txn") == receipts_of(world) == len(receipts)
    assert sum(world.available(member) for member in members) == sum(receipt.points or 0 for receipt in receipts)
    assert findings(world) == []


def post(world: World, command: ledger.Command, *, within_s: int = 30) -> ledger.Outcome:
    with world.transaction() as session:
        session.execute(text(f"SET LOCAL statement_timeout = '{within_s}s'"))
        return ledger.post(session, request(PARTNER), command)


def given_up(world: World, command: ledger.Command) -> None:
    with suppress(DatabaseUnavailable):
        post(world, command)


def until_answered(world: World, command: ledger.Command) -> ledger.Outcome:
    asked = request(PARTNER)
    for _ in range(600):
        time.sleep(0.05)
        with suppress(DatabaseUnavailable), world.transaction() as session:
            outcome = ledger.post(session, asked, command)
            assert outcome.refusal is None
            return outcome
    raise AssertionError("never answered")


def merge(world: World, member: UUID, *, into: UUID) -> None:
    with world.transaction() as session:
        merges.merge(session, APPROVED, member_id=member, into=into, reference="M")


def findings(world: World) -> list[str]:
    with world.transaction() as session:
        verify.snapshot(session)
        return [f"{each.invariant}: {each.broken}" for each in verify.run(session) if each.broken]


def end_sessions(world: World, done: threading.Event) -> int:
    """End a session of the service every now and then, KILLS at most; returns how many.

    What one had prepared keeps its wallet locked until it is recovered, which Citus does once a minute.
    """
    chance, ended = random.Random(1), 0
    with coordinator(world) as watch:
        while not done.is_set():
            time.sleep(chance.uniform(0.02, 0.2))
            watch.execute("SELECT recover_prepared_transactions()")
            found = watch.execute("""
                SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'
                    AND application_name LIKE 'coalition%'
            """).fetchall()
            if found and ended < KILLS:
                ended += bool(watch.execute("SELECT pg_terminate_backend(%s::int)", chance.choice(found)).fetchone())
    return ended


@contextmanager
def at_the_workers_commit(world: World, member: UUID) -> Iterator[Any]:
    """Let whatever posts for `member` stop inside its worker's commit or prepare until the end of the block.

    What is handed out kills the coordinator's process that waits there, and the coordinator starts anew.
    """
    for statement in (
        f"""
            CREATE FUNCTION public.stop() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                PERFORM pg_advisory_xact_lock({GATE});
                RETURN NULL;
            END $$
        """,
        "GRANT EXECUTE ON FUNCTION public.stop TO PUBLIC",
        f"""
            CREATE CONSTRAINT TRIGGER stop AFTER INSERT ON {shard(world, member)} DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION public.stop()
        """,
    ):
        of_node(world, member, statement)
    with node(world, member) as held:
        held.execute("SELECT pg_advisory_lock(%s)", [GATE])

        def kill() -> None:
            until_waiting(held)
            with suppress(psycopg.OperationalError), coordinator(world) as watch:
                found = watch.execute("""
                    SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'
                        AND application_name LIKE 'coalition%'
                """).fetchall()
                for (pid,) in found:
                    os.kill(pid, signal.SIGKILL)  # told to end, it would end its commit first
                while True:  # until the coordinator has ended all of its sessions
                    watch.execute("SELECT 1")
            coordinator(world).close()

        yield kill
    of_node(world, member, f"DROP TRIGGER stop ON {shard(world, member)}")


def until_waiting(held: psycopg.Connection) -> None:
    for _ in range(1_500):
        waiting = held.execute(
            "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted", [GATE]
        ).fetchone()
        if waiting:
            return
        time.sleep(0.02)
    raise AssertionError("no worker came to its commit")


def until_prepared(world: World, member: UUID) -> None:
    for _ in range(1_500):
        if of_node(world, member, "SELECT 1 FROM pg_prepared_xacts WHERE database = current_database()"):
            return
        time.sleep(0.02)
    raise AssertionError("nothing was prepared")


def receipts_of(world: World) -> int:
    with coordinator(world) as connection:
        return int((connection.execute("SELECT count(*) FROM coalition.receipt").fetchone() or (0,))[0])


def settle(world: World) -> None:
    """What Citus does by itself once a minute: end what was prepared as the coordinator says.

    Sessions that were ended as they went back to the pool go as well: whoever takes one is told to try again.
    """
    world.database.close()
    with coordinator(world) as connection:
        connection.execute("SELECT recover_prepared_transactions()")


def members_of_two_workers(world: World) -> tuple[UUID, UUID]:
    one = world.member()
    for n in range(50):
        other = world.member(with_check_digit(f"700100000{n:06}"))
        if port(world, other) != port(world, one):
            return one, other
    raise AssertionError("all members are on one worker")


def coordinator(world: World) -> psycopg.Connection[Any]:
    for _ in range(300):
        with suppress(psycopg.OperationalError):  # it may be starting anew
            return psycopg.connect(str(world.settings.database_url), autocommit=True)
        time.sleep(0.1)
    raise AssertionError("the coordinator is gone")


def node(world: World, member: UUID) -> psycopg.Connection[Any]:
    url = make_url(str(world.settings.database_url)).set(port=port(world, member))
    return psycopg.connect(shown(url), autocommit=True)


def of_node(world: World, member: UUID, statement: str) -> list[Any]:
    with node(world, member) as connection:
        connection.execute("SET citus.enable_ddl_propagation = off")
        found = connection.execute(statement.encode())
        return found.fetchall() if found.description else []


def shard(world: World, member: UUID) -> str:
    return f"coalition.txn_{_place(world, member)[0]}"


def port(world: World, member: UUID) -> int:
    return int(_place(world, member)[1])


def _place(world: World, member: UUID) -> tuple[Any, ...]:
    with coordinator(world) as connection:
        row = connection.execute(
            "SELECT s.shardid, s.nodeport FROM citus_shards s "
            "WHERE s.shardid = get_shard_id_for_distribution_column('coalition.txn', %s)",
            [member],
        ).fetchone()
    assert row
    return tuple(row)
