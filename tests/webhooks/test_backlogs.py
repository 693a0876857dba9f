"""What gathers while an endpoint is not enabled goes behind what happens afterwards, however much it is."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from kit import clock
from tests.conftest import World, act
from tests.webhooks.test_ordering import amounts, asks, claimed, ends
from tests.webhooks.test_pump import partner as partner
from tests.webhooks.test_pump import pump, register
from webhooks import backlogs, endpoints
from webhooks.fan_out import fan_out

HEADS = "SELECT count(*) FROM webhooks.delivery WHERE state = 'pending' AND lane IN (0, 1, 3)"


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "MOST_SET_ASIDE", 2)


def becomes(world: World, partner: Any, endpoint: Any, status: str) -> None:
    with world.transaction() as session:
        endpoints.set_status(
            session, act(world.keyring, now=clock.now()), endpoint_id=endpoint.endpoint_id,
            partner_id=partner.partner_id, status=status,
        )  # fmt: skip


def placed(world: World) -> None:
    with world.transaction() as session:
        fan_out(session, now=clock.now(), keyring=world.keyring)


def in_front(world: World) -> int:
    with world.transaction() as session:
        return session.scalar(text(HEADS)) or 0


def test_what_happens_now_is_sent_before_all_that_was_missed(world: World, partner) -> None:
    endpoint, _ = register(world, partner, "https://a.example/", ["points.*"])
    member = world.member()
    becomes(world, partner, endpoint, "paused")
    for points in range(1, 9):
        world.earn(partner.partner_id, member, points)
    placed(world)
    becomes(world, partner, endpoint, "enabled")
    for points in (101, 102):
        world.earn(partner.partner_id, member, points)
    order = []
    while found := claimed(world):
        order += amounts(found)
        ends(world, *found)
    assert (order[:2], sorted(order[2:])) == ([101, 102], list(range(1, 9)))


def test_each_member_s_events_stay_in_order_and_others_that_happen_now_go_first(world: World, partner) -> None:
    endpoint, _ = register(world, partner, "https://a.example/", ["points.*"])
    asks(world, endpoint, ordering="member")
    ann, ben, cem = world.member(), world.member("7001000000130470"), world.member("7001000000178511")
    becomes(world, partner, endpoint, "paused")
    for points in (1, 2, 3, 4):
        world.earn(partner.partner_id, ann, points)
        world.earn(partner.partner_id, ben, 10 * points)
    placed(world)
    becomes(world, partner, endpoint, "enabled")
    world.earn(partner.partner_id, ann, 5)
    for points in (100, 200):
        world.earn(partner.partner_id, cem, points)
    placed(world)
    assert in_front(world) == 3, "ann's, behind what she did before, and those of cem"
    order = []
    while found := claimed(world):
        order += amounts(found)
        ends(world, *found)
    assert [points for points in order if points < 10] == [1, 2, 3, 4, 5]
    assert [points for points in order if 10 <= points < 100] == [10, 20, 30, 40]
    assert [points for points in order if points >= 100] == [100, 200]
    assert order.index(200) < order.index(2), "what is next of a backlog is behind what happens now, too"


def test_a_strict_endpoint_gets_all_in_its_order(world: World, partner) -> None:
    endpoint, _ = register(world, partner, "https://a.example/", ["points.*"])
    asks(world, endpoint, ordering="strict")
    member = world.member()
    world.earn(partner.partner_id, member, 1)
    placed(world)
    becomes(world, partner, endpoint, "paused")
    for points in range(2, 7):
        world.earn(partner.partner_id, member, points)
    placed(world)
    becomes(world, partner, endpoint, "enabled")
    world.earn(partner.partner_id, member, 7)
    order = []
    while found := claimed(world):
        order += amounts(found)
        ends(world, *found)
    assert order == [1, 2, 3, 4, 5, 6, 7]


def test_what_waited_before_is_set_aside_by_pumps_while_it_is_not_enabled(world: World, partner) -> None:
    endpoint, _ = register(world, partner, "https://a.example/", ["points.*"])
    asks(world, endpoint, ordering="member")
    ann, ben = world.member(), world.member("7001000000130470")
    for points in (1, 2, 3, 4):
        world.earn(partner.partner_id, ann, points)
        world.earn(partner.partner_id, ben, points)
    placed(world)
    assert in_front(world) == 8
    becomes(world, partner, endpoint, "disabled")
    with world.transaction() as session:
        assert backlogs.set_aside(session, now=clock.now(), most=3) == 3, "a bounded number at once"
    pump(world, run_s=1)
    assert in_front(world) == 0
    becomes(world, partner, endpoint, "enabled")
    assert amounts(claimed(world)) == [1], "a place that replays may take"
