"""Days close by themselves, before what comes after them is posted, and not by a clock that is in doubt."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from coalition import business_days, closing, programme
from coalition.business_days import ClockDoubtful, DayWatch
from kit import clock, ids
from tests.conftest import NOW, World, act

DAY = NOW.date()
PARTNER = ids.new()


def open_day(world: World) -> Any:
    with world.transaction() as session:
        return programme.get(session).open_day


def test_the_first_posting_after_nights_that_are_late_lands_in_its_own_day(world: World) -> None:
    member, watch = world.member(), DayWatch(world.database)
    watch.look(NOW)
    assert world.earn(PARTNER, member, 1).business_date == DAY
    for days in (1, 5):  # one night late, then four
        watch.look(NOW + timedelta(days=days))
        assert world.earn(PARTNER, member, 1).business_date == DAY + timedelta(days=days)
    with world.transaction() as session:
        assert business_days.unsealed_days(session) == [DAY + timedelta(days=n) for n in range(5)]
    closing.close_day(
        world.database, act(world.keyring, now=NOW + timedelta(days=5)), day=DAY + timedelta(days=4)
    )  # what the late nights have to do comes after it
    with world.transaction() as session:
        assert business_days.unsealed_days(session) == []


def test_while_the_day_lasts_looking_asks_nothing(world: World) -> None:
    watch, asked = DayWatch(world.database), []
    watch.look(NOW)
    event.listen(world.database.engine, "before_cursor_execute", lambda *heard: asked.append(heard[2]))
    midnight = datetime(2026, 3, 3, tzinfo=UTC)
    for moment in (NOW, NOW + timedelta(hours=6), midnight - timedelta(microseconds=1)):
        watch.look(moment)
    assert asked == []
    watch.look(midnight)
    assert asked
    assert open_day(world) == DAY + timedelta(days=1)


def test_of_many_processes_that_come_first_after_midnight_each_finds_the_day_closed_once(world: World) -> None:
    met: list[Exception] = []

    def look() -> None:
        try:
            DayWatch(world.database).look(NOW + timedelta(days=2))
        except Exception as error:  # noqa: BLE001
            met.append(error)

    together = [threading.Thread(target=look) for _ in range(6)]
    for one in together:
        one.start()
    for one in together:
        one.join(30)
    assert met == []
    with world.transaction() as session:
        assert [day for day, _ in business_days.closed_days(session)] == [DAY, DAY + timedelta(days=1)]


def test_a_clock_ahead_of_the_databases_closes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(business_days, "CLOCKS_APART", timedelta(hours=1))
    ahead, close_by = clock.now() + timedelta(hours=2), clock.now() + timedelta(minutes=30)
    watch = DayWatch(world.database)
    for _ in range(2):  # and it goes on refusing
        with pytest.raises(ClockDoubtful, match="correct the clocks"):
            watch.look(ahead)
    assert open_day(world) == DAY
    watch.look(close_by)
    assert open_day(world) == close_by.date()


def test_more_days_than_a_coalition_stands_still_are_closed_once_somebody_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 92
    monkeypatch.setattr(business_days, "MOST_DAYS_AT_ONCE", most)
    far = NOW + timedelta(days=most + 1)
    with pytest.raises(ClockDoubtful, match=f"would be {most + 1} at once.*--however-many"):
        DayWatch(world.database).look(far)
    with pytest.raises(ClockDoubtful), world.transaction() as session:
        business_days.close_over(session, now=far)
    assert open_day(world) == DAY
    with world.transaction() as session:
        assert len(business_days.close_over(session, now=far, however_many=True)) == most + 1
    DayWatch(world.database).look(far + timedelta(days=most))
    assert open_day(world) == (far + timedelta(days=most)).date()


def test_a_demo_goes_as_far_as_its_test_clock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(business_days, "MOST_DAYS_AT_ONCE", 1)
    with world.transaction() as session:
        programme.set_test_clock(session, to=NOW)
        programme.set_test_clock(session, to=NOW + timedelta(days=400))
        assert business_days.close_over(session, now=clock.now()) == []
    assert open_day(world) == (NOW + timedelta(days=400)).date()
