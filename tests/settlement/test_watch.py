"""How far settlement is, in figures for the operator."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from settlement import nightly, watch
from tests.conftest import NOW, World, act


def test_figures_say_how_far_settlement_is(world: World) -> None:
    def told(at: datetime) -> dict[str, float]:
        with world.transaction() as session:
            return {each.name: each.read(session, at) for each in watch.GAUGES}

    midnight = datetime.combine(NOW.date() + timedelta(days=1), time.min, UTC)
    first_day = (midnight - timedelta(days=1)).timestamp()
    assert told(midnight - timedelta(hours=1)) == {
        "coalition_open_day_start_timestamp_seconds": first_day,
        "coalition_settled_until_timestamp_seconds": first_day,
        "coalition_settled_day_age_seconds": 23 * 3600,
        "coalition_unsettled_days": 0,
        "coalition_settlement_late_seconds": 0,
        "coalition_settlement_runs_failing": 0,
        "coalition_set_aside_points": 0,
    }
    late = told(midnight + timedelta(hours=49))
    assert late["coalition_unsettled_days"] == 3
    assert late["coalition_settlement_late_seconds"] == 49 * 3600
    nightly.run(world.database, act(world.keyring, now=midnight), day=NOW.date())
    assert told(midnight + timedelta(hours=49)) == {
        "coalition_open_day_start_timestamp_seconds": midnight.timestamp(),
        "coalition_settled_until_timestamp_seconds": midnight.timestamp(),
        "coalition_settled_day_age_seconds": 49 * 3600,
        "coalition_unsettled_days": 2,
        "coalition_settlement_late_seconds": 25 * 3600,
        "coalition_settlement_runs_failing": 0,
        "coalition_set_aside_points": 0,
    }
