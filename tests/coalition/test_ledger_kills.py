"""Sessions ended and processes killed in the middle of every operation: it is done wholly or not at all.

Whoever got no answer asks again with the same key, and then it is done exactly once.
"""

from __future__ import annotations

import multiprocessing
import random
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import count
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import NamedTuple
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from coalition import business_days, ledger, members, merges, scheduled_postings
from coalition.adjustments import Adjustment
from coalition.cards import with_check_digit
from coalition.ledger import Command, Request
from kit import ids
from kit.db import Database, DatabaseUnavailable, Session
from tests.coalition.test_pairs import (
    PATIENCE_S,
    Scene,
    backend,
    findings,
    owner,
    post,
    prepare,
    said,
    set_rate,
    the_expiry,
    the_lapse,
    the_vesting,
    wait_until_blocked,
)
from tests.conftest import APPROVED, NOW, World

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])


@dataclass(frozen=True)
class Ask:
    """One posting as it is sent, and sent again."""

    partner_id: UUID
    command: Command
    now: datetime
    key: str | None


@dataclass(frozen=True)
class Merge:
    """The member merged into the other."""

    member_id: UUID
    into: UUID
    now: datetime


@dataclass(frozen=True)
class Close:
    """The end of a business day."""

    day: date


Wanted = list[Ask] | Merge | Close


class Operation(NamedTuple):
    """What is asked, how many transactions that makes, and what the answer is when it comes again."""

    ask: Callable[[Scene], Wanted]
    transactions: int = 1
    again: str = "replayed"
    statements: int = 1  # how many the operation consists of


def keyed(scene: Scene, by: str, command: Command) -> Ask:
    """A partner's own request."""
    partner_id: UUID = getattr(scene, by)
    return Ask(partner_id, command, scene.now, f"key of {command.reference}")


def nightly(scene: Scene, by: str, command: Command) -> Ask:
    """A request of the coalition's own, when its time has come."""
    partner_id: UUID = getattr(scene, by)
    return Ask(partner_id, command, scene.now + timedelta(hours=25), None)


def ask_batch(scene: Scene) -> Wanted:
    """Postings of several kinds in two wallets."""
    return [
        keyed(scene, "a", ledger.Earn(member_id=scene.member, reference="1", points=5)),
        keyed(scene, "c", ledger.Burn(member_id=scene.member, reference="2", points=72)),
        keyed(scene, "c", ledger.Capture(original_id=scene.held.transaction_id, reference="3", points=7)),
        keyed(scene, "b", ledger.Earn(member_id=scene.other, reference="4", points=5)),
    ]


def ask_return(of: str, by: str) -> Callable[[Scene], Wanted]:
    """The reversal of one of the scene's transactions."""
    return lambda s: [keyed(s, by, ledger.Reversal(original_id=getattr(s, of).transaction_id, reference="return"))]


def ask_adjustment(scene: Scene) -> Wanted:
    """Points given by hand."""
    command = Adjustment(member_id=scene.member, reference="by hand", points=5, credit=True)
    return [keyed(scene, "b", command)]


# fmt: off
OPERATIONS = {
    "earn": Operation(lambda s: [keyed(s, "a", ledger.Earn(member_id=s.member, reference="r", points=10))]),
    "pending earn": Operation(lambda s: [keyed(s, "a", ledger.Earn(
        member_id=s.member, reference="r", points=10, due_at=s.now + timedelta(hours=9)))]),
    "burn": Operation(lambda s: [keyed(s, "c", ledger.Burn(member_id=s.member, reference="r", points=65))]),
    "hold": Operation(lambda s: [keyed(s, "c", ledger.Hold(
        member_id=s.member, reference="r", points=65, due_at=s.now + timedelta(days=1)))]),
    "capture": Operation(lambda s: [keyed(s, "c", ledger.Capture(
        original_id=s.held.transaction_id, reference="r", points=20))]),
    "void": Operation(lambda s: [keyed(s, "c", ledger.Void(original_id=s.held.transaction_id, reference="r"))]),
    "return of a burn": Operation(ask_return("burned", "c")),
    "return of an earn": Operation(ask_return("soon", "a")),
    "return of a pending earn": Operation(ask_return("pending", "b")),
    "clawback": Operation(lambda s: [keyed(s, "c", ledger.Clawback(
        member_id=s.member, reference="r", amount_minor=5, currency="GBP"))]),
    "adjustment": Operation(ask_adjustment, statements=2),
    "batch": Operation(ask_batch, transactions=4),
    "vesting": Operation(lambda s: [nightly(s, "b", the_vesting(s))], again="nothing_due"),
    "lapse": Operation(lambda s: [nightly(s, "c", the_lapse(s))]),
    "expiry": Operation(lambda s: [nightly(s, "a", the_expiry(s))], again="nothing_due"),
    "merge": Operation(lambda s: Merge(s.other, s.member, s.now), transactions=2, statements=3),
    "closing the day": Operation(lambda s: Close(s.day), transactions=0, again="closed before", statements=2),
}
# fmt: on
IN_ONE_STATEMENT = [name for name, operation in OPERATIONS.items() if operation.statements == 1]


def perform(session: Session, wanted: Wanted) -> list[str]:
    """Do what is wanted; what came of each posting, in words."""
    if isinstance(wanted, Close):
        end_of_day = datetime.combine(wanted.day, NOW.timetz()) + timedelta(days=1)
        closed = business_days.close(session, day=wanted.day, now=end_of_day)
        return ["posted" if closed else "closed before"]
    if isinstance(wanted, Merge):
        from_id, into = wanted.member_id, wanted.into
        return [
            said(
                merges.merge(
                    session, replace(APPROVED, now=wanted.now), member_id=from_id, into=into, reference="merge"
                )
            )
        ]
    if len(wanted) == 1:
        return [said(post(session, each.partner_id, each.command, now=each.now, key=each.key)) for each in wanted]
    requests = [Request(partner_id=e.partner_id, key=e.key, request_hash=bytes(32), now=e.now) for e in wanted]
    pairs = zip(requests, (each.command for each in wanted), strict=True)
    return [said(outcome) for outcome in ledger.post_many(session, list(pairs))]


_TABLES = (
    "coalition.programme", "coalition.sealed_day", "coalition.member_identifier", "coalition.wallet", "coalition.lot",
    "coalition.txn", "coalition.posting", "coalition.hold", "coalition.debt", "coalition.idempotency", "kit.event",
)  # fmt: skip
_DIGEST = "SELECT count(*), md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))) FROM {} t"


@dataclass(frozen=True)
class Deed:
    """An operation in a new scene, and all there was before it."""

    world: World
    scene: Scene
    operation: Operation
    wanted: Wanted
    before: dict[str, tuple[object, ...] | None]

    @property
    def answers(self) -> int:
        """How many answers there are to it."""
        return len(self.wanted) if isinstance(self.wanted, list) else 1

    def check_that_it_has_done_nothing(self) -> None:
        """Every row of every table is what it was."""
        assert everything(self.world) == self.before

    def check_that_it_is_done_once(self, *, answers: str = "posted") -> None:
        """Asked again it is answered with `answers`, and however often it is asked then, no more is done."""
        with self.world.transaction() as session:
            assert perform(session, self.wanted) == [answers] * self.answers
        done = everything(self.world)
        with self.world.transaction() as session:
            assert perform(session, self.wanted) == [self.operation.again] * self.answers
        assert everything(self.world) == done
        assert done != self.before
        assert posted(done) == posted(self.before) + self.operation.transactions
        assert findings(self.world) == []


def begin(world: World, name: str) -> Deed:
    """A new scene for the operation."""
    scene = prepare(world)
    with world.transaction() as session:
        set_rate.run(scene, session)
    operation = OPERATIONS[name]
    return Deed(world, scene, operation, operation.ask(scene), everything(world))


def everything(world: World) -> dict[str, tuple[object, ...] | None]:
    """The number of rows and a digest of every table there is."""
    with owner(world) as connection:
        return {
            name: connection.execute(sql.SQL(_DIGEST).format(sql.Identifier(*name.split(".")))).fetchone()
            for name in _TABLES
        }


def posted(state: dict[str, tuple[object, ...] | None]) -> int:
    """How many transactions there are."""
    found = state["coalition.txn"]
    assert found is not None
    return int(str(found[0]))


def terminate(world: World, pid: int) -> None:
    """End the session of the backend `pid`, and wait until it is gone."""
    with owner(world) as connection:
        assert connection.execute("SELECT pg_terminate_backend(%s, 5000)", [pid]).fetchone() == (True,)


def wait_until_gone(world: World, pid: int) -> None:
    """Until the backend `pid` noticed that its client is dead."""
    deadline = time.monotonic() + PATIENCE_S
    with owner(world) as connection:
        while connection.execute("SELECT FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone() is not None:
            assert time.monotonic() < deadline, "the backend outlives its client"
            time.sleep(0.01)


@contextmanager
def locked(scene: Scene) -> Iterator[None]:
    """The scene's wallets locked by somebody else, and the day's gate held like a posting holds it."""
    with psycopg.connect(str(scene.world.settings.database_url)) as somebody:
        somebody.execute("SELECT pg_advisory_xact_lock_shared(coalition.day_gate())")
        somebody.execute(
            "SELECT FROM coalition.wallet WHERE member_id = ANY(%s) ORDER BY member_id FOR UPDATE",
            [[scene.member, scene.other]],
        )
        yield
        somebody.rollback()


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_session_ended_before_its_commit_has_done_nothing(shared_world: World, name: str) -> None:
    deed = begin(shared_world, name)

    def ask() -> None:
        with shared_world.transaction() as session:
            assert perform(session, deed.wanted) == ["posted"] * deed.answers
            terminate(shared_world, backend(session))

    with pytest.raises(DatabaseUnavailable):
        ask()
    deed.check_that_it_has_done_nothing()
    deed.check_that_it_is_done_once()


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_session_ended_while_it_waits_has_done_nothing(shared_world: World, name: str) -> None:
    deed = begin(shared_world, name)
    pids: SimpleQueue[int] = SimpleQueue()

    def ask() -> list[str]:
        with shared_world.transaction() as session:
            pids.put(backend(session))
            return perform(session, deed.wanted)

    with ThreadPoolExecutor(1) as beside, locked(deed.scene):
        asked = beside.submit(ask)
        pid = pids.get(timeout=PATIENCE_S)
        wait_until_blocked(shared_world, pid, asked)
        terminate(shared_world, pid)
        with pytest.raises(DatabaseUnavailable):
            asked.result(timeout=PATIENCE_S)
    deed.check_that_it_has_done_nothing()
    deed.check_that_it_is_done_once()


def ask_as_a_client(url: str, wanted: Wanted, in_a_transaction: bool, pids: Connection) -> None:
    """A client process: it sends its statement and lives no longer than that."""
    database = Database(url, pool_size=1)
    with database.transaction() if in_a_transaction else database.statements() as session:
        pids.send(backend(session))
        perform(session, wanted)


def kill_the_client(deed: Deed, *, in_a_transaction: bool) -> None:
    """Let a client send its statement, kill it while the database is at it, and let the database finish."""
    receiver, sender = PROCESSES.Pipe(duplex=False)
    url = str(deed.world.settings.database_url)
    process = PROCESSES.Process(target=ask_as_a_client, args=(url, deed.wanted, in_a_transaction, sender))
    with receiver, sender, locked(deed.scene):
        process.start()
        assert receiver.poll(timeout=30), "the client did not come up"
        pid = receiver.recv()
        wait_until_blocked(deed.world, pid)
        process.kill()
        process.join(timeout=PATIENCE_S)
        assert process.exitcode == -signal.SIGKILL
    wait_until_gone(deed.world, pid)


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_client_killed_before_it_could_commit_has_done_nothing(shared_world: World, name: str) -> None:
    deed = begin(shared_world, name)
    kill_the_client(deed, in_a_transaction=True)
    deed.check_that_it_has_done_nothing()
    deed.check_that_it_is_done_once()


@pytest.mark.parametrize("name", IN_ONE_STATEMENT)
def test_a_client_killed_before_the_answer_to_its_one_statement_finds_it_done(shared_world: World, name: str) -> None:
    deed = begin(shared_world, name)
    kill_the_client(deed, in_a_transaction=False)
    deed.check_that_it_is_done_once(answers=deed.operation.again)


WALLETS = 300
ISSUERS = [ids.new() for _ in range(3)]
CARDS = (with_check_digit(f"7022{n:011d}") for n in count())
KILLS = 6
LAST_DAY = NOW.date() + timedelta(days=1)
LAST_NIGHT = NOW + timedelta(days=2)


def fill(world: World) -> None:
    """WALLETS with 10 points of each issuer that expire after LAST_DAY and 5 that don't, and 4 of the former held."""
    long_ago = (NOW + timedelta(days=2)).replace(year=NOW.year - 2)
    wanted: list[tuple[Request, Command]] = []
    with world.transaction() as session:
        for n in range(WALLETS):
            card = next(CARDS)
            member = members.enrol(session, card=card, partner_id=ISSUERS[0], now=NOW, keyring=world.keyring).member_id
            for issuer in ISSUERS:
                asked = Request(partner_id=issuer, key=None, request_hash=None, now=NOW)
                soon = ledger.Earn(member_id=member, reference=f"soon {n}", points=10, effective_at=long_ago)
                late = ledger.Earn(member_id=member, reference=f"late {n}", points=5)
                wanted += [(asked, soon), (asked, late)]
            until = NOW + timedelta(days=9)
            wanted.append((asked, ledger.Hold(member_id=member, reference=f"held {n}", points=4, due_at=until)))
        for start in range(0, len(wanted), ledger.MOST_AT_ONCE):
            for outcome in ledger.post_many(session, wanted[start : start + ledger.MOST_AT_ONCE]):
                outcome.unwrap()
    with world.transaction() as session:
        assert business_days.close(session, day=NOW.date(), now=NOW + timedelta(days=1))


def expire_as_a_worker(url: str) -> None:
    """The nightly job in a process of its own."""
    scheduled_postings.expire(Database(url, pool_size=3), day=LAST_DAY, now=LAST_NIGHT)


def kill_the_worker(world: World, rng: random.Random) -> int:
    """Kill a worker when it comes to a wallet chosen at random; how many wallets' issuers were left to it."""
    with psycopg.connect(str(world.settings.database_url)) as somebody:
        left = somebody.execute(
            "SELECT member_id FROM coalition.lot WHERE is_open AND expires_on <= %s ORDER BY member_id", [LAST_NIGHT]
        ).fetchall()
        somebody.execute("SELECT FROM coalition.wallet WHERE member_id = %s FOR UPDATE", rng.choice(left))
        process = PROCESSES.Process(target=expire_as_a_worker, args=(str(world.settings.database_url),))
        process.start()
        wait_until_somebody_waits_for(world, somebody.info.backend_pid, process.is_alive)
        process.kill()
        process.join(timeout=PATIENCE_S)
        assert process.exitcode == -signal.SIGKILL
        somebody.rollback()
        return len(left)


def wait_until_somebody_waits_for(world: World, pid: int, is_alive: Callable[[], bool]) -> None:
    """Until the backend `pid` keeps another one waiting."""
    waiting = "SELECT FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"
    with owner(world) as connection:
        while connection.execute(waiting, [pid]).fetchone() is None:
            assert is_alive(), "the worker ended without coming by"
            time.sleep(0.01)


def test_points_expire_once_however_often_the_worker_is_killed(world: World) -> None:
    fill(world)
    rng = random.Random(20260303)
    left = [kill_the_worker(world, rng) for _ in range(KILLS)]
    assert left[0] == WALLETS * len(ISSUERS)
    assert left == sorted(left, reverse=True)
    assert 0 < left[-1] < left[0], "the kills came in the middle of the work"

    assert scheduled_postings.expire(world.database, day=LAST_DAY, now=LAST_NIGHT) <= left[-1]
    assert scheduled_postings.expire(world.database, day=LAST_DAY, now=LAST_NIGHT) == 0
    with owner(world) as connection:
        expired = connection.execute(
            "SELECT count(*), count(DISTINCT lot_id), sum(points) FROM coalition.posting WHERE credit = 'breakage'"
        ).fetchone()
        kept = connection.execute("SELECT sum(available), sum(held) FROM coalition.wallet").fetchone()
    lots = WALLETS * len(ISSUERS)
    assert expired == (lots, lots, lots * 10 - WALLETS * 4)
    assert kept == (lots * 5, WALLETS * 4)
    assert findings(world) == []


def test_points_that_come_back_after_an_expiry_that_was_cut_short_expire_when_it_runs_again(world: World) -> None:
    scene = prepare(world)
    with world.transaction() as session:
        business_days.close(session, day=scene.day, now=scene.now + timedelta(days=1))
    day, night = scene.day + timedelta(days=1), scene.now + timedelta(days=2)
    assert scheduled_postings.expire(world.database, day=day, now=night) == 1
    void = ledger.Void(original_id=scene.held.transaction_id, reference="void")
    with world.transaction() as session:
        post(session, scene.c, void, now=scene.now, key="void").unwrap()
    assert scheduled_postings.expire(world.database, day=day, now=night) == 1
