"""Pumps killed at every edge, and what they stand on taken away: what is committed is received, or still to be sent."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
import redis
from sqlalchemy import text

from benchmarks.harness import free_port
from kit import clock, embedded, ids, outbox, schema
from kit.errors import Unavailable
from kit.settings import Settings
from tests import receiving
from tests.conftest import World, _trust_the_machine, act, found, until_somebody_waits
from tests.e2e.conftest import wait_for
from tests.e2e.pumps import Message, MovedClock, Pumps, Receiver, takes_it
from webhooks import endpoints, slots

HOUR_S = 3600
SUBJECTS = [ids.new() for _ in range(6)]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().listening() as listening:
        yield listening


@pytest.fixture
def moved(tmp_path: Path) -> MovedClock:
    return MovedClock(tmp_path / "moved")


class Books:
    """What is committed for some partners, what is pending, and which events a kill found in flight."""

    def __init__(self, world: World, receiver: Receiver) -> None:
        self.world, self._receiver = world, receiver
        self.committed: set[UUID] = set()
        self.in_flight: Counter[UUID] = Counter()

    def subscribe(self, partner_id: UUID, path: str, **settings: object) -> None:
        with self.world.transaction() as session:
            _, secret = endpoints.register(
                session, act(self.world.keyring, now=clock.now()), partner_id=partner_id,
                url=f"{self._receiver.url}/{path}", event_types=["*"], settings=settings or None,
            )  # fmt: skip
        receiving.trust(f"{self._receiver.url}/{path}", secret)

    def commit(self, *partner_ids: UUID, rolled_back: bool = False) -> list[str]:
        """Let an event happen for each in one transaction, or not after all; their ids as receivers know them."""
        told = [
            outbox.Event(
                type="points.earned", subject_id=random.choice(SUBJECTS), partner_id=partner_id,
                occurred_at=clock.now(), data={"points": 1},
            )
            for partner_id in partner_ids
        ]  # fmt: skip
        with self.world.transaction() as session:
            for event in told:
                outbox.append(session, event)
            if rolled_back:
                session.get_transaction().rollback()
        if not rolled_back:
            self.committed |= {event.event_id for event in told}
        return [ids.show(ids.EVENT, event.event_id) for event in told]

    def pending(self) -> set[UUID]:
        return self._ids("""
            SELECT event_id FROM kit.event WHERE position IS NULL AND type = 'points.earned'
            UNION SELECT event_id FROM webhooks.delivery WHERE state = 'pending'
        """)

    def claimed(self) -> set[UUID]:
        return self._ids("SELECT event_id FROM webhooks.delivery WHERE state = 'pending' AND claim_id IS NOT NULL")

    def disturbed(self, claimed: set[UUID] | None = None) -> None:
        """What is in flight now, or was, may come once more."""
        self.in_flight.update(self.claimed() if claimed is None else claimed)

    def check(self) -> None:
        """While pumps run or none does: nothing is lost."""
        committed = set(self.committed)
        pending = self.pending()
        assert committed - pending - self._received().keys() == set(), "lost"

    def check_at_the_end(self) -> None:
        """Everything was received, what never happened was not, and no more came twice than was in flight."""
        received = self._received()
        with self.world.transaction() as session:
            rows = session.execute(text("SELECT event_id, state, attempts FROM webhooks.delivery"))
            attempts = Counter({event_id: attempts for event_id, state, attempts in rows if state == "delivered"})
        told = self._ids("SELECT event_id FROM kit.event WHERE type = 'points.earned'")
        assert told == received.keys() == attempts.keys()
        assert told >= self.committed
        assert received - attempts == Counter(), "one attempt sent twice"
        assert (received - Counter(told)).total() <= self.in_flight.total()

    def twice(self) -> set[UUID]:
        return {event_id for event_id, times in self._received().items() if times > 1}

    def in_order(self, path: str) -> bool:
        """Whether what came to `path` came in the feed's order, repetitions left out."""
        first = list(dict.fromkeys(event_id for to, event_id in self._receiver.taken if to == f"/{path}"))
        with self.world.transaction() as session:
            rows = session.execute(text("SELECT event_id, position FROM kit.event WHERE position IS NOT NULL"))
            positions = {ids.show(ids.EVENT, event_id): position for event_id, position in rows}
        return first == sorted(first, key=positions.__getitem__)

    def _received(self) -> Counter[UUID]:
        return Counter(ids.parse(ids.EVENT, shown) for shown in self._receiver.event_ids)

    def _ids(self, statement: str) -> set[UUID]:
        with self.world.transaction() as session:
            return set(session.scalars(text(statement)))


def is_pumping(world: World, *, how_many: int = 1) -> bool:
    with world.transaction() as session:
        return len(slots.taken(session)) >= how_many


def _owner(world: World) -> str:
    return str(world.settings.database_owner_url or world.settings.database_url)


@contextmanager
def locked(world: World, table: str) -> Iterator[None]:
    with psycopg.connect(_owner(world)) as connection:
        connection.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
        yield


# Each edge lets the pump come to it, with events that `commit` makes happen, and returns when it is there.
Edge = Callable[[ExitStack, World, Receiver, Callable[[], None]], None]


def before_the_claim(stack: ExitStack, world: World, receiver: Receiver, commit: Callable[[], None]) -> None:
    stack.enter_context(locked(world, "webhooks.delivery"))
    commit()
    until_somebody_waits(world)


def before_the_send(stack: ExitStack, world: World, receiver: Receiver, commit: Callable[[], None]) -> None:
    """It is connected, and nobody reads what it sends."""
    there, over = threading.Event(), threading.Event()

    def connected() -> None:
        there.set()
        over.wait(20)

    receiver.connected = connected
    stack.callback(over.set)
    commit()
    assert there.wait(20)
    receiver.connected = lambda: None


def within_the_send(stack: ExitStack, world: World, receiver: Receiver, commit: Callable[[], None]) -> None:
    """The message is read, and not answered."""
    there = threading.Event()

    async def never_answers(message: Message) -> int:
        there.set()
        return await asyncio.Future()

    receiver.answer = never_answers
    commit()
    assert there.wait(20)
    receiver.answer = takes_it


def before_the_record(stack: ExitStack, world: World, receiver: Receiver, commit: Callable[[], None]) -> None:
    """The message is taken, and the log of attempts can't be written."""
    there, locks = threading.Event(), threading.Event()

    async def lets_nobody_record(message: Message) -> int:
        there.set()
        while not locks.is_set():
            await asyncio.sleep(0.005)
        return 204

    receiver.answer = lets_nobody_record
    commit()
    assert there.wait(20)
    stack.enter_context(locked(world, "webhooks.attempt"))
    locks.set()
    until_somebody_waits(world)
    receiver.answer = takes_it


def after_the_record(stack: ExitStack, world: World, receiver: Receiver, commit: Callable[[], None]) -> None:
    commit()
    wait_for(lambda: world.count("webhooks.delivery WHERE state = 'pending'") == 0 == _unsequenced(world))


def _unsequenced(world: World) -> int:
    return world.count("kit.event WHERE position IS NULL")


EDGES = (before_the_claim, before_the_send, within_the_send, before_the_record, after_the_record)


def test_killed_at_any_edge_a_pump_loses_nothing_and_repeats_no_more_than_it_had_in_flight(
    world, receiver, moved
) -> None:
    books, pumps = Books(world, receiver), Pumps(world.settings, moved)
    partner_ids = [world.partner(f"partner-{n}").partner_id for n in range(3)]
    asks = ({}, {"ordering": "strict", "batch_size": 4}, {"ordering": "member"})
    for n, (partner_id, settings) in enumerate(zip(partner_ids, asks, strict=True)):
        books.subscribe(partner_id, str(n), **settings)

    def commit() -> None:
        for n in range(8):
            books.commit(*partner_ids, rolled_back=n == 3)

    try:
        for edge in EDGES * 2:
            pump = pumps.start()
            wait_for(lambda: is_pumping(world))
            wait_for(lambda: books.claimed() == set())
            with ExitStack() as stack:
                edge(stack, world, receiver, commit)
                pumps.end(pump)
                books.check()
            # What its sessions had begun they may finish without it; then they are gone.
            wait_for(lambda: not is_pumping(world))
            wait_for(lambda: _is_quiet(world))
            books.disturbed()
            books.check()
        pumps.start()
        wait_for(lambda: not books.pending())
    finally:
        pumps.kill_all()
    books.check_at_the_end()
    assert books.twice() <= books.in_flight.keys()
    assert len(books.committed) == len(EDGES) * 2 * 7 * 3
    assert books.in_order("1")


def _is_quiet(world: World) -> bool:
    """Whether no session is at something: only an owner sees what others are at."""
    with psycopg.connect(_owner(world)) as connection:
        busy = connection.execute("""
            SELECT FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
            AND state <> 'idle' AND pid <> pg_backend_pid()
        """)
        return busy.rowcount == 0


def test_a_claim_held_past_its_lease_is_sent_by_another_pump_and_the_late_answer_changes_nothing(
    world, receiver, moved
) -> None:
    books, pumps = Books(world, receiver), Pumps(world.settings, moved)
    partner_id = world.partner("greengrocer").partner_id
    books.subscribe(partner_id, "hook")
    waiting, go_on = threading.Event(), threading.Event()

    async def hangs(message: Message) -> int:
        waiting.set()
        while not go_on.is_set():
            await asyncio.sleep(0.005)
        return 500

    receiver.answer = hangs
    try:
        hanging = pumps.start()
        wait_for(lambda: is_pumping(world))
        books.commit(partner_id)
        assert waiting.wait(20)
        os.kill(hanging.pid, signal.SIGSTOP)
        books.disturbed()
        receiver.answer = takes_it
        moved.move(100)  # beyond the lease; a partner alone falls to the second of two pumps
        pumps.start()
        wait_for(lambda: world.count("webhooks.delivery WHERE state = 'delivered'") == 1)
        go_on.set()
        os.kill(hanging.pid, signal.SIGCONT)
        wait_for(lambda: world.count("webhooks.attempt WHERE outcome = 'failed'") == 1)
        books.commit(partner_id)
        wait_for(lambda: not books.pending())
    finally:
        go_on.set()
        with suppress(OSError):
            os.kill(hanging.pid, signal.SIGCONT)
        pumps.kill_all()
    books.check_at_the_end()
    assert len(receiver.taken) == 2
    assert world.count("webhooks.delivery WHERE state = 'delivered' AND attempts = 2") == 1


def test_beside_receivers_that_hang_fail_and_hold_their_order_the_healthy_ones_get_everything_at_once(
    world, receiver, moved
) -> None:
    books, pumps = Books(world, receiver), Pumps(world.settings, moved)
    partner_ids = [world.partner(f"partner-{n}").partner_id for n in range(3)]
    hold = {"ordering": "strict", "on_exhausted": "hold", "retry_delays_s": [1]}
    for partner_id in partner_ids:
        for path, settings in (("well", {}), ("hangs", {}), ("hangs/strict", {"ordering": "strict"}), ("fails", hold)):
            books.subscribe(partner_id, f"{path}/{partner_id}", **settings)
    began: dict[str, float] = {}
    seen: dict[str, float] = {}
    failed: set[str] = set()

    async def answers_some(message: Message) -> int:
        if message.path.startswith("/hangs"):
            return await asyncio.Future()
        if message.path.startswith("/fails"):
            failed.update(message.event_ids)
            return 500
        seen.update(dict.fromkeys(message.event_ids, time.monotonic()))
        return 204

    receiver.answer = answers_some
    try:
        pumps.start()
        pumps.start()
        wait_for(lambda: is_pumping(world, how_many=2))
        for _ in range(60):
            at = time.monotonic()
            began |= dict.fromkeys(books.commit(*partner_ids), at)
            time.sleep(0.03)  # a load that goes on, not a burst
        wait_for(lambda: seen.keys() == began.keys(), within_s=10)
        wait_for(lambda: world.count("webhooks.delivery WHERE state = 'held'") == len(partner_ids), within_s=10)
    finally:
        pumps.kill_all()
    latest = max(at - began[event_id] for event_id, at in seen.items())
    assert latest < 2, "far less than the fifteen seconds that an answer is waited for"
    assert len(failed) == len(partner_ids), "the first of each holds those behind it"
    assert len(receiver.taken) == len(books.committed), "each once"


class OwnRedis:
    """A server to take away: it keeps nothing, so that each start is as after a loss."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._port = folder, free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        words = ["--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder)]
        self.process = subprocess.Popen([embedded._redis_binary(), *words], stdout=subprocess.DEVNULL)
        wait_for(self._answers)

    def _answers(self) -> bool:
        with suppress(redis.RedisError), redis.Redis.from_url(self.url) as client:
            return bool(client.ping())
        return False

    def flush(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def own_engines(folder: Path) -> Iterator[tuple[World, OwnRedis]]:
    """A coalition on a PostgreSQL and a Redis of its own, which may be killed."""
    queue = OwnRedis(folder)
    queue.start()
    try:
        with embedded.running(Settings(data_dir=folder / "data", redis_url=queue.url)) as chosen:
            _trust_the_machine(str(chosen.database_url))
            schema.migrate(str(chosen.database_url))
            world = found(chosen, str(chosen.database_url), folder / "data")
            yield world, queue
            world.database.close()
    finally:
        queue.stop()


@dataclass(frozen=True)
class Found:
    """An answer of a database that is back."""

    claimed: set[UUID]


class Disturbances:
    """What befalls the pumps and what they stand on, each a moment; each keeps what it met in flight."""

    def __init__(self, books: Books, pumps: Pumps, moved: MovedClock, queue: OwnRedis) -> None:
        self._books, self._pumps, self._moved, self._queue = books, pumps, moved, queue
        self._folder = books.world.settings.data_dir / "engines" / "postgres"

    def kill_one(self) -> None:
        self._pumps.end(random.choice(self._pumps.running))
        self._books.disturbed()
        self._pumps.start()

    def take_one_away(self) -> None:
        """In good order: nothing comes twice for it."""
        self._pumps.end(self._pumps.running[0], signal.SIGTERM)

    def flush_redis(self) -> None:
        self._queue.flush()

    def stop_redis(self) -> None:
        self._queue.stop()

    def start_redis(self) -> None:
        self._queue.start()

    def end_sessions(self) -> None:
        self._all_pump()
        with psycopg.connect(_owner(self._books.world), autocommit=True) as owner:
            owner.execute("""
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
            """)
        self._after_sessions_ended()

    def restart_postgres(self) -> None:
        self._signal_postgres(signal.SIGINT)

    def kill_postgres(self) -> None:
        self._signal_postgres(signal.SIGQUIT)

    def an_hour_ahead(self) -> None:
        self._move(HOUR_S)

    def an_hour_back(self) -> None:
        self._move(-HOUR_S)

    def _move(self, seconds: float) -> None:
        before = self._books.claimed()
        self._moved.move(seconds)
        self._books.disturbed(before | self._books.claimed())

    def _signal_postgres(self, number: signal.Signals) -> None:
        self._all_pump()
        pid = int((self._folder / "postmaster.pid").read_text().split()[0])
        os.kill(pid, number)
        wait_for(lambda: not Path(f"/proc/{pid}").exists())
        self._after_sessions_ended()

    def _all_pump(self) -> None:
        # One that has no slot yet would take one that is lost, from a pump that still sends.
        wait_for(lambda: is_pumping(self._books.world, how_many=len(self._pumps.running)))

    def _after_sessions_ended(self) -> None:
        # They see that their slots are lost, write down what they can and end; only then somebody else comes.
        lost = list(self._pumps.running)
        for process in lost:
            process.join(20)
            assert process.exitcode is not None, "it goes on without its slot"
        self._books.disturbed(wait_for(self._found_claimed).claimed)
        for process in lost:
            self._pumps.end(process)
            self._pumps.start()

    def _found_claimed(self) -> Found | None:
        with suppress(Unavailable):
            return Found(self._books.claimed())
        return None


def test_whatever_is_taken_away_under_load_nothing_is_lost_and_all_arrives_in_the_end(
    tmp_path, receiver, moved
) -> None:
    async def takes_its_time(message: Message) -> int:
        await asyncio.sleep(random.expovariate(200))
        return 204

    receiver.answer = takes_its_time
    with own_engines(tmp_path) as (world, queue):
        books, pumps = Books(world, receiver), Pumps(world.settings, moved)
        partner_ids = [world.partner(f"partner-{n}").partner_id for n in range(5)]
        asks = ({}, {"ordering": "strict", "batch_size": 4}, {"ordering": "member"}, {}, {})
        for n, (partner_id, settings) in enumerate(zip(partner_ids, asks, strict=True)):
            books.subscribe(partner_id, str(n), **settings)
        over = threading.Event()

        def earn() -> None:
            while not over.wait(0.01):
                with suppress(Unavailable):
                    books.commit(*partner_ids, rolled_back=secrets.randbelow(10) == 0)

        writer = threading.Thread(target=earn)
        befalls = Disturbances(books, pumps, moved, queue)
        try:
            pumps.start()
            pumps.start()
            wait_for(lambda: is_pumping(world, how_many=2))
            writer.start()
            for befall in (
                befalls.kill_one, befalls.kill_one, pumps.start, pumps.start, befalls.flush_redis, befalls.kill_one,
                befalls.stop_redis, befalls.kill_one, befalls.take_one_away, befalls.end_sessions, befalls.kill_one,
                befalls.start_redis, befalls.restart_postgres, befalls.kill_one, befalls.an_hour_ahead,
                befalls.kill_one, befalls.an_hour_back, befalls.take_one_away, befalls.kill_postgres,
                befalls.kill_one, befalls.kill_one,
            ):  # fmt: skip
                seen = len(receiver.taken)
                wait_for(lambda seen=seen: len(receiver.taken) > seen + 20, within_s=20)
                befall()
                books.check()
            over.set()
            writer.join()
            pumps.kill_all()
            books.disturbed()
            moved.move(2 * HOUR_S)  # what an hour ahead was put off is due
            pumps.start()
            wait_for(lambda: not books.pending())
        finally:
            over.set()
            pumps.kill_all()
        books.check_at_the_end()
        assert books.in_order("1")
