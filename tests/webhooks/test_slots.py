"""Slots: pumps share the partners, take over from each other, and send nothing twice for it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import psycopg

from kit import clock
from tests.conftest import World
from tests.receiving import Receiver
from tests.webhooks.test_pump import UntilNothingIsDue, pump, register
from webhooks import queue, slots
from webhooks.addresses import LOOPBACK
from webhooks.fan_out import fan_out
from webhooks.places import Places
from webhooks.pump import Pump
from webhooks.slots import Share


@contextmanager
def lock_of(world: World):
    with world.database.engine.connect() as lock:
        lock.detach()
        yield lock


def until(holds: Callable[[], bool]) -> None:
    for _ in range(1_500):
        if holds():
            return
        time.sleep(0.02)
    raise AssertionError("never")


def test_who_is_there_shares_and_who_goes_leaves_its_share(world: World) -> None:
    with ExitStack() as locks:
        held = [locks.enter_context(lock_of(world)) for _ in range(3)]
        assert [slots.take(lock, most=3) for lock in held] == [0, 1, 2]
        with lock_of(world) as late:
            assert slots.take(late, most=3) is None
        assert [slots.share(lock, slot) for slot, lock in enumerate(held)] == [Share(n, 3) for n in range(3)]
        held[1].close()
        until(lambda: slots.share(held[2], 2) != Share(2, 3))  # the server ends a session a moment later
        assert slots.share(held[2], 2) == Share(1, 2)
        with world.transaction() as session:
            assert slots.taken(session) == [0, 2]
        with lock_of(world) as newcomer:
            assert slots.take(newcomer, most=3) == 1
        with psycopg.connect(str(world.settings.database_url), autocommit=True) as operator:
            pid = held[0].exec_driver_sql("SELECT pg_backend_pid()").scalar()
            operator.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        assert slots.share(held[0], 0) is None


def test_a_pump_of_the_version_before_and_ours_keep_each_other_out(world: World) -> None:
    alone = "SELECT pg_try_advisory_lock(hashtextextended('webhooks.pump', 0))"
    with psycopg.connect(str(world.settings.database_url), autocommit=True) as older, lock_of(world) as ours:
        assert older.execute(alone).fetchone() == (True,)
        assert slots.take(ours) is None
        older.execute("SELECT pg_advisory_unlock_all()")
        assert slots.take(ours) == 0
        assert older.execute(alone).fetchone() == (False,)


def test_every_partner_falls_to_one_of_the_pumps_that_are_there(world: World) -> None:
    partners = [world.partner(f"p{n}") for n in range(7)]
    member = world.member()
    for partner in partners:
        register(world, partner, f"https://{partner.code}.example/", ["points.*"])
        world.earn(partner.partner_id, member, 1)
    with world.transaction() as session:
        fan_out(session, now=clock.now(), keyring=world.keyring)
        shares = [
            queue.claim(session, now=clock.now(), free=Places().free([]), share=Share(rank, 3), slot=rank)
            for rank in range(3)
        ]
    assert sorted(len(claims) for claims in shares) == [2, 2, 3]
    assert {claim.partner_id for claims in shares for claim in claims} == {one.partner_id for one in partners}
    with world.transaction() as session:
        assert queue.release(session, slot=1, now=clock.now()) == len(shares[1])
        again = queue.claim(session, now=clock.now(), free=Places().free([]), share=Share(0, 1), slot=0)
    assert {claim.delivery_id for claim in again} == {claim.delivery_id for claim in shares[1]}


def test_pumps_beside_each_other_deliver_everything_once(world: World, receiver: Receiver) -> None:
    partners = [world.partner(f"p{n}") for n in range(6)]
    for partner in partners:
        register(world, partner, receiver.url, ["points.*"])
    member = world.member()
    running = [
        UntilNothingIsDue(_allowing(world), world.database, world.keyring, redis_url=str(world.settings.redis_url))
        for _ in range(2)
    ]
    for n in range(120):
        world.earn(partners[n % 6].partner_id, member, 1)
    threads = [threading.Thread(target=Pump.run, args=(one,), kwargs={"run_s": 60}) for one in running]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pump(world)
    assert len(receiver.bodies) == len(set(receiver.bodies)) == 120
    with world.transaction() as session:
        used = session.exec_driver_sql("SELECT slot, count(*) FROM webhooks.delivery GROUP BY slot").all()
    assert sum(number for _, number in used) == 120


def _allowing(world: World):
    return replace(world.settings, webhook_allowed_networks=LOOPBACK, webhook_timeout_s=5)


HANGS = """
import time
from webhooks import jobs, pump

class Hangs(pump.Pump):
    def _begin(self, *_):
        time.sleep(60)  # on its loop

pump.HUNG_S = 2.0
jobs.Pump = Hangs
jobs.pump()
"""


def test_a_pump_whose_loop_hangs_ends_with_its_process_and_another_takes_over(world: World, receiver: Receiver) -> None:
    partner = world.partner("p0")
    register(world, partner, receiver.url, ["points.*"])
    world.earn(partner.partner_id, world.member(), 1)
    own = {
        "COALITION_DATABASE_URL": str(world.settings.database_url),
        "COALITION_REDIS_URL": str(world.settings.redis_url),
        "COALITION_SECRET_KEY": str(world.settings.secret_key),
        "COALITION_DATA_DIR": str(world.settings.data_dir),
    }
    ended = subprocess.run(
        [sys.executable, "-c", HANGS], env={**os.environ, **own}, capture_output=True, timeout=30, check=False
    )
    assert ended.returncode == 1, ended.stderr
    assert b"in _begin" in ended.stderr, "it says where it hung"
    with world.transaction() as session:
        until(lambda: slots.taken(session) == [])
    assert receiver.bodies == []
    pump(world)
    assert len(receiver.bodies) == 1
