"""`coalition webhooks status`: what waits, for whom, and why."""

from __future__ import annotations

import json
from datetime import timedelta

from click.testing import CliRunner

from cli import main
from kit import clock, ids
from kit.settings import to_environment
from tests.conftest import World
from tests.receiving import Receiver
from tests.webhooks.test_pump import partner as partner
from tests.webhooks.test_pump import pump, register
from webhooks import status


def test_it_tells_what_waits_and_how_each_endpoint_does(world: World, partner, receiver: Receiver) -> None:
    good, _ = register(world, partner, receiver.url, ["points.*"])
    member = world.member()
    world.earn(partner.partner_id, member, 1)
    pump(world)
    bad, _ = register(world, partner, receiver.url, ["points.burned"])
    receiver.status = 500
    world.burn(partner.partner_id, member, 1)
    pump(world)
    world.earn(partner.partner_id, member, 1)
    with world.transaction() as session:
        found = status.read(session, now=clock.now() + timedelta(minutes=1))
    assert (found.pumps, found.waiting, found.backlog, found.held) == (0, 1, 2, 0)
    assert found.lag_s > 0
    assert 40 < found.overdue_s < 60  # five seconds after the first attempt
    assert {one.endpoint_id: (one.backlog, one.succeeded, one.failed, one.failures) for one in found.endpoints} == {
        good.endpoint_id: (1, 1, 1, 1), bad.endpoint_id: (1, 0, 1, 1),
    }  # fmt: skip
    environment = to_environment(world.settings)
    told = CliRunner().invoke(main, ["webhooks", "status", "--json"], env=environment)
    assert told.exit_code == 0, told.output
    said = json.loads(told.stdout)
    assert (said["waiting"], said["backlog"]) == (1, 2)
    assert {one["endpoint_id"] for one in said["endpoints"]} == {
        ids.show(ids.ENDPOINT, one.endpoint_id) for one in (good, bad)
    }
    shown = CliRunner().invoke(main, ["webhooks", "status"], env=environment)
    assert "backlog   2 deliveries" in shown.stdout
    assert partner.code in shown.stdout
