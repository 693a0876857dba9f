"""Many writers at once: real processes, real locks."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import text

from coalition import business_days, ledger, rates, verify
from coalition.refusals import InsufficientPoints
from kit import ids
from kit.db import Database, Session
from tests.conftest import NOW, World, act, request, until_somebody_waits

ISSUERS = [ids.new() for _ in range(4)]
PROCESSES = 32


def burn_until_empty(url: str, member: UUID, results: multiprocessing.Queue) -> None:
    """Burn 7 points a time until the wallet refuses; report how many points were burned."""
    database = Database(url, pool_size=1)
    burned = 0
    partner = ids.new()
    while True:
        command = ledger.Burn(member_id=member, reference=str(ids.new()), points=7)
        with database.transaction() as session:
            outcome = ledger.post(session, request(partner), command)
        if isinstance(outcome.refusal, InsufficientPoints):
            break
        burned += outcome.unwrap().points
    database.close()
    results.put(burned)


def test_32_processes_burning_one_wallet_never_overspend_and_never_lose_a_point(world: World) -> None:
    member = world.member()
    for n in range(40):
        world.earn(ISSUERS[n % 4], member, 50, effective_at=NOW - timedelta(days=n))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    results: multiprocessing.Queue = context.Queue()
    url = str(world.settings.database_url)
    processes = [context.Process(target=burn_until_empty, args=(url, member, results)) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    burned = sum(results.get(timeout=120) for _ in processes)
    for process in processes:
        process.join(timeout=30)
    assert burned == 2000 // 7 * 7
    assert world.available(member) == 2000 - burned
    with world.transaction() as session:
        verify.snapshot(session)
        assert [finding for finding in verify.run(session) if finding.broken] == []


def test_a_burn_that_waited_sees_what_the_burn_before_it_left(world: World) -> None:
    """The stale-snapshot trap: as one SQL statement, the second burn read the lots as they were before it waited.

    It left a wallet of 80 against lots of 140, with no error.
    """
    member, partner = world.member(), ids.new()
    world.earn(ISSUERS[0], member, 100, effective_at=NOW - timedelta(days=1))
    world.earn(ISSUERS[1], member, 100)
    second_done = threading.Event()

    def second() -> None:
        world.burn(partner, member, 60)
        second_done.set()

    with world.transaction() as session:
        command = ledger.Burn(member_id=member, reference="first", points=60)
        ledger.post(session, request(partner), command).unwrap()
        waiting = threading.Thread(target=second)
        waiting.start()
        until_somebody_waits(world)
        assert not second_done.is_set()
    waiting.join(timeout=10)
    with world.transaction() as session:
        lots = session.scalars(text("SELECT remaining FROM coalition.lot ORDER BY expires_on")).all()
    assert lots == [0, 80]
    assert world.available(member) == 80


def test_the_same_key_at_the_same_time_is_posted_once_and_answered_twice(world: World) -> None:
    member = world.member()
    asked = request(ISSUERS[0])
    command = ledger.Earn(member_id=member, reference="r", points=10)
    outcomes: list[ledger.Outcome] = []

    def second() -> None:
        with world.transaction() as session:
            outcomes.append(ledger.post(session, asked, command))

    with world.transaction() as session:
        outcomes.append(ledger.post(session, asked, command))
        waiting = threading.Thread(target=second)
        waiting.start()
        until_somebody_waits(world)
    waiting.join(timeout=10)
    assert [outcome.replayed for outcome in outcomes] == [False, True]
    assert outcomes[0].unwrap() == outcomes[1].unwrap()
    assert world.available(member) == 10


def test_closing_a_day_waits_for_who_is_writing_into_it_and_nothing_lands_in_it_afterwards(
    world: World,
) -> None:
    member = world.member()
    closed = threading.Event()
    midnight = NOW + timedelta(days=1)

    def close() -> None:
        with world.transaction() as session:
            business_days.close(session, day=NOW.date(), now=midnight)
        closed.set()

    with world.transaction() as session:
        before = ledger.Earn(member_id=member, reference="before", points=1)
        ledger.post(session, request(ISSUERS[0]), before).unwrap()
        closing = threading.Thread(target=close)
        closing.start()
        until_somebody_waits(world)
        assert not closed.is_set()
    closing.join(timeout=10)
    after = world.earn(ISSUERS[0], member, 1)
    with world.transaction() as session:
        seal = business_days.seal(session, day=NOW.date(), now=midnight, keyring=world.keyring)
    assert after.business_date == NOW.date() + timedelta(days=1)
    assert after.original_business_date == NOW.date()
    assert seal.postings == 1


def test_terms_postings_and_the_close_take_their_locks_in_one_order(world: World) -> None:
    member, midnight = world.member(), NOW + timedelta(days=1)

    def set_rate(session: Session, partner: UUID) -> None:
        rates.set_rate(
            session, act(), partner_id=partner, points_per_unit=Decimal(1), minor_per_unit=100, currency="GBP",
            since=midnight.date(),
        )  # fmt: skip

    def earn(session: Session, partner: UUID) -> None:
        ledger.post(session, request(partner), ledger.Earn(member_id=member, reference=str(partner), points=1)).unwrap()

    def in_order(partner: UUID, *steps: Callable[[Session, UUID], None]) -> None:
        with world.transaction() as session:
            for step in steps:
                step(session, partner)

    def close() -> bool:
        with world.transaction() as session:
            return business_days.close(session, day=NOW.date(), now=midnight)

    with ThreadPoolExecutor(3) as pool, world.transaction() as session:
        business_days.hold_open(session)
        closing = pool.submit(close)
        until_somebody_waits(world)
        others = [pool.submit(in_order, ISSUERS[1], set_rate, earn), pool.submit(in_order, ISSUERS[2], earn)]
        until_somebody_waits(world, how_many=3)
        set_rate(session, ISSUERS[0])
        earn(session, ISSUERS[0])
    assert closing.result()
    assert [other.result() for other in others] == [None, None]


def test_no_posting_is_lost_between_days_that_close_under_writers(world: World) -> None:
    member = world.member()
    stop = threading.Event()
    posted = [0] * 4

    def write(n: int) -> None:
        while not stop.is_set():
            world.earn(ISSUERS[n], member, 1)
            posted[n] += 1

    writers = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for writer in writers:
        writer.start()
    seals = []
    for n in range(5):
        day = NOW.date() + timedelta(days=n)
        time.sleep(0.1)
        with world.transaction() as session:
            business_days.close(session, day=day, now=NOW + timedelta(days=n + 1))
        with world.transaction() as session:
            seals.append(business_days.seal(session, day=day, now=NOW, keyring=world.keyring))
    stop.set()
    for writer in writers:
        writer.join()
    last = NOW.date() + timedelta(days=5)
    with world.transaction() as session:
        rest = session.scalar(text("SELECT count(*) FROM coalition.posting WHERE business_date = :d"), {"d": last})
        for seal in seals:
            assert business_days.compute_seal(session, seal.day, previous=previous_chain(seals, seal)) == seal
    assert sum(seal.postings for seal in seals) + (rest or 0) == sum(posted)


def previous_chain(seals: list[business_days.Seal], seal: business_days.Seal) -> bytes:
    """The chain of the seal before `seal`."""
    at = seals.index(seal)
    return seals[at - 1].chain if at else business_days.GENESIS
