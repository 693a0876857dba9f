"""The nightly job: what it settles, and that a run that fails is no success."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from coalition import programme
from settlement.jobs import RunsFailed, settle_due
from tests.conftest import NOW, World

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
