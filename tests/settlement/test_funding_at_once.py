"""Two releases at once, and one whose process is killed: every lot is funded once, the earliest first."""

from __future__ import annotations

import multiprocessing
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from threading import Event

import psycopg
import pytest
from sqlalchemy import text

from coalition import ledger, unfunded, verify
from kit.db import Database
from settlement import funding
from tests.coalition.test_pairs import owner
from tests.conftest import NOW, World, act, request
from tests.settlement.test_funding import Stage, over

PROCESSES = multiprocessing.get_context("forkserver")
LOTS = 9
A_WHILE_S = 60
A_SET = 2  # lots funded in one transaction here


@pytest.fixture
def stage(world: World) -> Stage:
    """Points of three members wait in nine lots, and there is room."""
    stage = over(Stage(world))
    stage.members = [stage.member, world.member("7001000000178511"), world.member("7001000000178529")]
    for n in range(LOTS):
        world.earn(stage.grocer.partner_id, stage.members[n % 3], n + 1)
    stage.raise_limit(10_000)
    return stage


@contextmanager
def locked(stage: Stage, member):
    """A wallet that somebody else has for now."""
    with psycopg.connect(str(stage.world.settings.database_url)) as somebody:
        somebody.execute("SELECT FROM coalition.wallet WHERE member_id = %s FOR UPDATE", [member])
        yield
        somebody.rollback()


def waiting_for_it(world: World) -> int:
    with owner(world) as connection:
        row = connection.execute("""
            SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
        """).fetchone()
    return row[0] if row else 0


def until(holds) -> int:
    with ThreadPoolExecutor(1) as threads:

        def wait() -> int:
            while not (found := holds()):
                pass
            return found

        return threads.submit(wait).result(timeout=A_WHILE_S)


def points_left(stage: Stage) -> list[int]:
    with stage.world.transaction() as session:
        return [lot.points for lot in unfunded.lots(session, stage.grocer.partner_id, at_most=100)]


def is_done_once(stage: Stage) -> None:
    assert points_left(stage) == []
    with stage.world.transaction() as session:
        funded = session.scalars(text("SELECT points FROM coalition.txn WHERE kind = 'fund'")).all()
        assert [found for found in verify.run(session) if found.broken] == []
    assert sorted(funded) == list(range(1, LOTS + 1))


def test_of_two_releases_at_once_one_does_nothing(stage: Stage) -> None:
    with ThreadPoolExecutor(1) as beside, locked(stage, stage.members[0]):
        first = beside.submit(stage.release)
        until(lambda: waiting_for_it(stage.world))
        assert stage.release() == 0
    assert first.result() == LOTS
    is_done_once(stage)


def release_in_sets(url: str) -> None:
    """A process that funds two lots at a time."""
    funding.MOST_AT_ONCE = A_SET
    funding.release(Database(url, pool_size=3), NOW + timedelta(minutes=1))


def test_a_release_that_is_killed_has_funded_what_was_earned_first_and_the_next_goes_on(stage: Stage) -> None:
    process = PROCESSES.Process(target=release_in_sets, args=(str(stage.world.settings.database_url),))
    with locked(stage, stage.members[2]):  # the third lot's, in the second set
        process.start()
        until(lambda: waiting_for_it(stage.world))
        process.kill()
        process.join(timeout=A_WHILE_S)
        assert process.exitcode == -signal.SIGKILL
    until(lambda: not waiting_for_it(stage.world))
    left = points_left(stage)
    assert left == list(range(LOTS - len(left) + 1, LOTS + 1)), "what is left was earned last"
    assert len(left) in (LOTS - A_SET, LOTS - 2 * A_SET), "the set that it was at is funded whole or not at all"
    assert until(stage.release) == len(left)
    is_done_once(stage)


def test_a_wallet_that_cannot_be_posted_to_keeps_no_other_waiting(stage: Stage) -> None:
    with owner(stage.world) as connection:
        connection.execute("UPDATE coalition.wallet SET pending = 0 WHERE member_id = %s", [stage.members[1]])
    assert stage.release() == LOTS - 3


def test_an_earn_that_meets_the_end_of_waiting_is_funded_or_keeps_its_issuer_waiting(stage: Stage) -> None:
    assert stage.release() == LOTS
    with ThreadPoolExecutor(1) as beside:
        with stage.world.transaction() as session:
            command = ledger.Earn(member_id=stage.member, reference="late", points=5)
            late = ledger.post(session, request(stage.grocer.partner_id), command).unwrap()
            assert late.unfunded == 5
            watched = beside.submit(stage.watch)
            until(lambda: waiting_for_it(stage.world))
        watched.result(timeout=A_WHILE_S)
    with stage.world.transaction() as session:
        assert unfunded.issuers(session) == {stage.grocer.partner_id}
    assert stage.release() == 1
    stage.watch()
    with stage.world.transaction() as session:
        assert not unfunded.are_any(session)
        unfunded.put(session, act(), ())


def test_an_earn_that_meets_a_watch_which_finds_points_waiting_waits_behind_them(stage: Stage) -> None:
    assert stage.release() == LOTS
    has_put, may_commit = Event(), Event()

    def watch() -> None:
        with stage.world.transaction() as session:
            unfunded.put(session, act(), ())
            has_put.set()
            may_commit.wait(A_WHILE_S)

    with ThreadPoolExecutor(2) as beside:
        try:
            with stage.world.transaction() as session:
                command = ledger.Earn(member_id=stage.member, reference="first", points=5)
                assert ledger.post(session, request(stage.grocer.partner_id), command).unwrap().unfunded == 5
                watched = beside.submit(watch)
                until(lambda: waiting_for_it(stage.world))
            assert has_put.wait(A_WHILE_S)
            second = beside.submit(stage.earn, 7)  # begins between the watch's end of waiting and its commit
            until(lambda: waiting_for_it(stage.world))
        finally:
            may_commit.set()
        watched.result(timeout=A_WHILE_S)
        assert second.result(timeout=A_WHILE_S).unfunded == 7
    assert points_left(stage) == [5, 7]
    assert stage.release() == 2


def test_a_watch_does_not_touch_an_issuer_whose_points_wait(stage: Stage) -> None:
    with stage.world.transaction() as session:
        unfunded.put(session, act(), ())
        assert stage.earn(5).unfunded == 5, "it waits for nobody"
    assert stage.release() == LOTS + 1
