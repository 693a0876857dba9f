"""Days of 23 and 25 hours, days on which nothing happened, and the week and month that a coalition begins in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from coalition import programme
from coalition.business_days import DayNotOver
from kit.settings import Settings
from settlement import nightly, runs, verify
from tests.conftest import act, found
from tests.settlement.months import agree
from tests.settlement.plain import Plain
from tests.settlement.test_random_months import check_runs, kept, shown

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("begun", "day", "hours", "ends"),
    [  # a Friday before the clock changes, on a Sunday
        (datetime(2026, 3, 27, 12, tzinfo=UTC), date(2026, 3, 29), 23, datetime(2026, 3, 29, 22, tzinfo=UTC)),
        (datetime(2026, 10, 23, 12, tzinfo=UTC), date(2026, 10, 25), 25, datetime(2026, 10, 25, 23, tzinfo=UTC)),
    ],
)
def test_a_day_on_which_the_clock_changes_is_settled_when_it_is_over(
    engines: Settings, fresh_database: Callable[[], str], tmp_path: Path,
    begun: datetime, day: date, hours: int, ends: datetime,
) -> None:  # fmt: skip
    world = found(engines, fresh_database(), tmp_path, time_zone="Europe/Berlin", now=begun)
    grocer, shop = (world.partner(code, now=begun).partner_id for code in ("grocer", "shop"))
    agree(world, grocer, begun.date(), cycle="weekly", fee_per_point_minor=1, vat_percent=20)
    with world.transaction() as session:
        current = programme.get(session)
    begins = current.ends_at(day - timedelta(days=1)).astimezone(UTC)
    assert current.ends_at(day).astimezone(UTC) - begins == timedelta(hours=hours)
    member = world.member()

    def settle(each: date, at: datetime) -> None:
        nightly.run(world.database, act(world.keyring, now=at), day=each)

    settle(begun.date(), current.ends_at(begun.date()))
    settle(day - timedelta(days=1), ends - timedelta(hours=hours))
    world.earn(grocer, member, 90)
    world.burn(shop, member, 40, reference="last")
    with pytest.raises(DayNotOver):
        settle(day, ends - SECOND)
    settle(day, ends)
    for later in range(1, 9):  # over the end of March or of October; nothing happens any more
        settle(day + timedelta(days=later), current.ends_at(day + timedelta(days=later)))
    plain = Plain(str(world.settings.database_url))
    owed = plain.owed()
    assert shown(kept(world)) == shown(owed)
    assert {(key.day, key.kind) for key in owed} == {(day, "redemption"), (day, "fee"), (day, "vat")}
    assert check_runs(world, plain, owed) == {"daily", "weekly", "monthly"}
    with world.transaction() as session:
        first_week = runs.of_day(session, day, cycle="weekly")
        assert (first_week.first_day, first_week.last_day) == (day - timedelta(days=6), day)
        assert first_week.content_hash is not None
        month = runs.of_day(session, day, cycle="monthly")
        assert (month.first_day.day, month.state) == (1, "settled"), "nobody settles by the month"
        empty = runs.of_day(session, day + timedelta(days=1))
        assert (empty.state, runs.payments(session, empty.run_id)) == ("settled", [])
        assert verify.first_broken(session) is None
    world.database.close()
