"""What the operator is told of deliveries: what waits, for how long, and what became of attempts."""

from __future__ import annotations

from datetime import timedelta

import pytest
import redis
from sqlalchemy import text

from kit import clock, metrics
from tests.conftest import World
from tests.receiving import Receiver
from tests.webhooks.test_pump import partner as partner
from tests.webhooks.test_pump import pump, register
from webhooks import status
from webhooks.fan_out import fan_out


def told(world: World, *, later: timedelta = timedelta()) -> dict[str, float]:
    with world.transaction() as session:
        found = {gauge.name: gauge.read(session, clock.now() + later) for gauge in status.GAUGES}
    return {name.removeprefix("coalition_"): value for name, value in found.items()}


def test_what_waits_is_told_and_for_how_long(world: World, partner) -> None:
    register(world, partner, "https://example.com/hook")
    member = world.member()  # an event, too
    for _ in range(3):
        world.earn(partner.partner_id, member, 10)
    found = told(world)
    assert found.pop("events_lag_seconds") > 0
    assert found == {
        "events_waiting": 4, "deliveries_pending": 0, "deliveries_overdue_seconds": 0, "deliveries_held": 0,
        "webhook_endpoints_enabled": 1, "webhook_endpoints_paused": 0, "webhook_endpoints_disabled": 0,
        "webhook_breakers_open": 0, "webhook_pumps": 0,
    }  # fmt: skip
    with world.transaction() as session:
        assert fan_out(session, now=clock.now(), keyring=world.keyring) == {
            "member.enrolled": 1,
            "points.earned": 3,
        }
    found = told(world, later=timedelta(minutes=10))
    assert (found["events_waiting"], found["deliveries_pending"]) == (0, 3)
    assert found["deliveries_overdue_seconds"] == pytest.approx(600, abs=30)
    with world.transaction() as session:
        session.execute(text("UPDATE webhooks.endpoint SET status = 'disabled'"))
    found = told(world, later=timedelta(minutes=10))
    # What a disabled endpoint is not sent waits for nobody: it is no reason to wake an operator.
    assert (found["deliveries_overdue_seconds"], found["webhook_endpoints_disabled"]) == (0, 1)


def test_what_became_of_events_and_attempts_is_counted(world: World, partner, receiver: Receiver) -> None:
    register(world, partner, receiver.url)
    member = world.member()
    world.earn(partner.partner_id, member, 10)
    pump(world)
    receiver.status = 500
    world.burn(partner.partner_id, member, 5)
    pump(world)
    with redis.Redis.from_url(str(world.settings.redis_url)) as client:
        found = metrics.read(client, metrics.key(world.keyring))
    assert found["coalition_events_total", "points.earned"] == 1
    assert found["coalition_events_total", "points.burned"] == 1
    assert found["coalition_webhook_attempts_total", "succeeded"] == 1
    assert found["coalition_webhook_attempts_total", "failed"] == 1
    assert found["coalition_webhook_attempt_duration_seconds", "sum"] > 0
