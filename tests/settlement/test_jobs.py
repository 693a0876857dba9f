"""The nightly job: what it settles, and that a run that fails is no success."""

from __future__ import annotations

from datetime import datetime, timedelta

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from coalition import programme, verify
from kit import clock
from settlement import policies
from settlement.jobs import RunsFailed, settle_due
from tests.conftest import NOW, World, act
from tests.settlement.small_coalition import agree
from tests.settlement.test_funding import Stage, over

DAY = NOW.date()


@pytest.fixture
def own(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """What the job finds in its environment."""
    for name in ("database_url", "redis_url", "data_dir", "secret_key"):
        monkeypatch.setenv(f"COALITION_{name.upper()}", str(getattr(world.settings, name)))
    return world


@pytest.fixture
def two_days_are_over(own: World) -> World:
    world = own
    with world.transaction() as session:
        programme.set_test_clock(session, to=NOW)
        programme.set_test_clock(session, to=NOW + timedelta(days=2))
    return world


def test_the_job_settles_what_is_due_and_a_second_run_finds_nothing(two_days_are_over: World) -> None:
    assert settle_due() == 2
    assert settle_due() == 0


def test_a_job_in_which_a_run_failed_fails_itself_and_the_other_days_are_settled(two_days_are_over: World) -> None:
    url = str(two_days_are_over.settings.database_url)
    with psycopg.connect(url) as owner:  # the first day can't be written down
        owner.execute(f"ALTER TABLE settlement.settled_day ADD CONSTRAINT but_this CHECK (day <> '{DAY}')")
    with pytest.raises(RunsFailed, match=str(DAY)):
        settle_due()
    with psycopg.connect(url) as owner:
        owner.execute("ALTER TABLE settlement.settled_day DROP CONSTRAINT but_this")  # databases are used again
        assert owner.execute("SELECT day FROM settlement.settled_day").fetchall() == [(DAY + timedelta(days=1),)]
    assert settle_due() == 0, "it is passed over for five minutes"


def test_the_job_marks_who_is_beyond_its_limit_and_funds_what_waits_once_it_may(two_days_are_over: World) -> None:
    world = two_days_are_over
    grocer, member = world.partner("greengrocer").partner_id, world.member()
    settle_due()
    agree(world, grocer, since=DAY + timedelta(days=2), redemption_price_minor="1", exposure_limit_minor=100)
    with world.transaction() as session:
        policies.put(session, act(), policies.Policy(beyond_limit=policies.PENDING))
    world.earn(grocer, member, 100)
    look_again(world)
    assert world.earn(grocer, member, 30).unfunded == 30
    look_again(world)
    assert world.available(member) == 100
    with psycopg.connect(str(world.settings.database_url)) as owner:
        owner.execute("UPDATE settlement.agreement SET deposit_minor = 50 WHERE partner_id = %s", [grocer])
    look_again(world)
    assert world.available(member) == 130
    look_again(world)
    assert world.earn(grocer, member, 1).unfunded == 0
    with world.transaction() as session:
        programme.set_test_clock(session, to=NOW + timedelta(days=3))
    assert settle_due() == 1
    with world.transaction() as session:
        assert [found for found in verify.run(session) if found.broken] == []


def test_a_watch_that_fails_keeps_no_points_waiting_and_hides_no_run_that_failed(two_days_are_over: World) -> None:
    world, day = two_days_are_over, DAY + timedelta(days=2)
    grocer, station = (world.partner(code).partner_id for code in ("greengrocer", "fuelway"))
    member = world.member()
    settle_due()
    for issuer in (grocer, station):
        agree(world, issuer, since=day, redemption_price_minor="1", exposure_limit_minor=100)
    with world.transaction() as session:
        policies.put(session, act(), policies.Policy(beyond_limit=policies.PENDING))
    world.earn(grocer, member, 100)
    look_again(world)
    assert world.earn(grocer, member, 30).unfunded == 30
    world.earn(station, member, 100)
    with psycopg.connect(str(world.settings.database_url)) as owner:  # neither the day nor the station's level is kept
        owner.execute("UPDATE settlement.agreement SET deposit_minor = 50 WHERE partner_id = %s", [grocer])
        owner.execute(f"ALTER TABLE settlement.settled_day ADD CONSTRAINT but_this CHECK (day <> '{day}')")
        owner.execute(f"ALTER TABLE settlement.exposure_level ADD CONSTRAINT nor CHECK (partner_id <> '{station}')")
    with world.transaction() as session:
        programme.set_test_clock(session, to=NOW + timedelta(days=3))
    try:
        with pytest.raises(RunsFailed, match=str(day)):
            look_again(world)
        with pytest.raises(IntegrityError, match="nor"):
            look_again(world)
    finally:
        with psycopg.connect(str(world.settings.database_url)) as owner:  # databases are used again
            owner.execute("ALTER TABLE settlement.settled_day DROP CONSTRAINT but_this")
            owner.execute("ALTER TABLE settlement.exposure_level DROP CONSTRAINT nor")
    assert world.available(member) == 230


def test_what_is_funded_is_booked_when_funding_starts(own: World, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = over(Stage(own))
    stage.earn(40)
    stage.raise_limit(1000)
    read: list[datetime] = []

    def now() -> datetime:
        read.append(NOW + timedelta(minutes=10 * (len(read) + 1)))
        return read[-1]

    monkeypatch.setattr(clock, "now", now)
    look_again(own)
    with own.transaction() as session:
        (booked,) = session.scalars(text("SELECT booked_at FROM coalition.txn WHERE kind = 'fund'"))
    assert booked == read[-1] > read[0]


def look_again(world: World) -> None:
    """The job, a minute after it looked at limits last."""
    with world.transaction() as session:
        session.execute(text("UPDATE settlement.outstanding_until SET looked_at = NULL"))
    settle_due()
