"""The nightly job: what it settles, and that a run that fails is no success."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import text

from coalition import programme, verify
from settlement import policies
from settlement.jobs import RunsFailed, settle_due
from tests.conftest import NOW, World, act
from tests.settlement.small_coalition import agree

DAY = NOW.date()


@pytest.fixture
def two_days_are_over(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    for name in ("database_url", "redis_url", "data_dir", "secret_key"):
        monkeypatch.setenv(f"COALITION_{name.upper()}", str(getattr(world.settings, name)))
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


def look_again(world: World) -> None:
    """The job, a minute after it looked at limits last."""
    with world.transaction() as session:
        session.execute(text("UPDATE settlement.outstanding_until SET looked_at = NULL"))
    settle_due()
