"""kill -9 of the nightly job at each of its stages, two of them at once, and tills that post while the day closes."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta

import psycopg
import pytest
from sqlalchemy import text

from coalition import verify as ledger_verify
from coalition.ledger import Award
from coalition.refusals import InsufficientPoints
from settlement import runs, verify
from settlement.nightly import LOCK
from tests.conftest import NOW, World, audited, until_somebody_waits
from tests.settlement import nights
from tests.settlement.months import agree
from tests.settlement.plain import Plain
from tests.settlement.test_random_months import check_runs, kept, shown

DAY = NOW.date()
SUNDAY = DAY + timedelta(days=6)
OVER = NOW + timedelta(days=7)  # Monday noon: a week has ended
SETTLEMENT = f"SELECT pg_advisory_xact_lock(hashtextextended('{LOCK}', 0))"


def table(name: str) -> str:
    """Let others read a table, and write it once this transaction is over."""
    return f"LOCK TABLE {name} IN SHARE MODE"


# In the order in which a night comes to them: a job that is killed where it waits for one has done what is before.
STAGES = {
    "closing the days": "SELECT pg_advisory_xact_lock_shared(coalition.day_gate())",
    "between the postings and the seal": "SELECT pg_advisory_xact_lock(hashtextextended('sealing 2026-03-02', 0))",
    "sealing": table("coalition.sealed_day"),
    "between the seal and the settlement": SETTLEMENT,
    "opening the runs": table("settlement.run"),
    "setting aside": table("settlement.set_aside"),
    "writing lines": table("settlement.line"),
    "writing obligations": table("settlement.obligation"),
    "settling the day": table("settlement.settled_day"),
    "auditing": table("partners.audit_entry"),
    "writing positions": table("settlement.run_position"),
    "writing payments": table("settlement.run_payment"),
    "writing statements": table("settlement.run_statement"),
    "telling of statements": table("kit.event"),
    "expiring points, the next day": table("coalition.lot"),
}


@contextmanager
def held(world: World, statement: str) -> Iterator[None]:
    """Whoever needs what `statement` takes waits meanwhile."""
    with psycopg.connect(str(world.settings.database_owner_url or world.settings.database_url)) as owner:
        owner.execute(statement.encode())
        yield
        owner.rollback()


def killed_at(world: World, statement: str) -> None:
    """Run the job until it waits for `statement`, and kill it there."""
    with held(world, statement):
        job = nights.start(world.settings, OVER)
        until_somebody_waits(world)
        nights.kill(job)
    until_nobody_works(world)


def until_nobody_works(world: World) -> None:
    """Return once the server has noticed that who asked it is dead: it does when it has no answer to give to."""
    deadline = time.monotonic() + 30
    with psycopg.connect(str(world.settings.database_url), autocommit=True) as watch:
        while watch.execute(
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' "
            "AND pid <> pg_backend_pid()"
        ).fetchone():
            assert time.monotonic() < deadline
            time.sleep(0.01)


def finish(world: World, now: datetime = OVER) -> None:
    job = nights.start(world.settings, now)
    job.join()
    assert job.exitcode == 0


def check(world: World, last: date) -> None:
    """All days are settled once, all runs calculated once, each statement told of once, and the books are clean."""
    plain = Plain(str(world.settings.database_url))
    owed = plain.owed()
    assert plain.days == [DAY + timedelta(days=n) for n in range((last - DAY).days + 1)]
    assert shown(kept(world)) == shown(owed)
    check_runs(world, plain, owed)
    with world.transaction() as session:
        steps = session.execute(
            text("SELECT run_id, state, count(*) FROM settlement.run_change GROUP BY 1, 2 HAVING count(*) > 1")
        )
        assert steps.all() == []
        assert session.scalars(text("SELECT day FROM settlement.settled_day ORDER BY day")).all() == plain.days
        told = session.scalars(text("SELECT data ->> 'content_hash' FROM kit.event WHERE type = "
                                    "'settlement.statement_ready'")).all()  # fmt: skip
        made = session.scalars(text("SELECT encode(content_hash, 'hex') FROM settlement.run_statement")).all()
        assert sorted(told) == sorted(made) != []
        assert not [run for run in runs.newest(session, limit=99) if run.last_day <= last and not run.content_hash]
        assert world.count("settlement.run_failure") == 0
        entries = Counter((entry["action"], entry["subject"]) for entry in audited(world.database))
        assert {entries["day.closed", day.isoformat()] for day in plain.days} == {1}
        assert {entries["day.settled", day.isoformat()] for day in plain.days} == {1}
        assert verify.first_broken(session) is None
        assert [one for one in ledger_verify.run(session, keyring=world.keyring) if one.broken] == []


@pytest.fixture
def week(world: World) -> World:
    """A day's postings of every kind: burned elsewhere, funded, expiring tonight, and without an agreement."""
    partners = [world.partner(code).partner_id for code in ("grocer", "station", "stray")]
    agree(world, partners[0], DAY, cycle="daily", redemption_price_minor="0.95", fee_per_point_minor="0.1")
    agree(
        world, partners[1], DAY, cycle="weekly", funding="on_earn", issue_price_minor=1, vat_percent=20,
        breakage_share_percent=50, fee_minimum_minor=300,
    )  # fmt: skip
    member = world.member()
    for partner in partners:
        world.earn(partner, member, 101)
    world.burn(partners[2], member, 150)
    world.burn(partners[0], member, 100)
    world.earn(partners[1], member, None, awards=(Award(points=40, expires_on=DAY + timedelta(days=2)),))
    return world


def test_a_job_that_is_killed_in_every_stage_goes_on_where_it_was(week: World) -> None:
    for statement in STAGES.values():
        killed_at(week, statement)
    finish(week)
    check(week, SUNDAY)


def test_a_job_that_is_killed_before_and_within_a_longer_run_calculates_it_later(week: World) -> None:
    finish(week, NOW + timedelta(days=6))
    weekly = "SELECT FROM settlement.run WHERE cycle = 'weekly' AND last_day = '2026-03-08' FOR UPDATE"
    killed_at(week, weekly)  # where the night closes it with its last day
    killed_at(week, STAGES["writing positions"])
    killed_at(week, weekly)
    with week.transaction() as session:
        states = {(run.cycle, run.last_day): run.state for run in runs.newest(session, limit=99)}
    assert states["daily", SUNDAY] == "settled", "there is nothing to pay for it"
    assert states["weekly", SUNDAY] == "closed"
    for stage in ("writing positions", "writing payments", "writing statements"):
        killed_at(week, STAGES[stage])
    finish(week)
    check(week, SUNDAY)


def test_two_jobs_at_once_settle_each_day_once(week: World) -> None:
    with held(week, SETTLEMENT):
        jobs = [nights.start(week.settings, OVER) for _ in range(2)]
        until_somebody_waits(week, how_many=2)
    for job in jobs:
        job.join()
    assert [job.exitcode for job in jobs] == [0, 0]
    check(week, SUNDAY)


def test_tills_that_post_while_days_close_lose_nothing_and_hold_up_nothing(week: World) -> None:
    with week.transaction() as session:
        partners = session.scalars(text("SELECT partner_id FROM partners.partner ORDER BY 1")).all()
    over = threading.Event()
    posted = [0, 0]

    def hammer(n: int) -> None:
        member = week.member(("7001000000178511", "7001000000178529")[n])
        while not over.is_set():
            week.earn(partners[n], member, 7)
            try:
                week.burn(partners[1 - n], member, 5)
            except InsufficientPoints:
                continue
            posted[n] += 1

    threads = [threading.Thread(target=hammer, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    try:
        for night in range(1, 8):
            jobs = [nights.start(week.settings, NOW + timedelta(days=night)) for _ in range(2)]
            for job in jobs:
                job.join()
                assert job.exitcode == 0
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert min(posted) > 20
    check(week, SUNDAY)
