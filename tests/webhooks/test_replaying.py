"""Replays carried out, and what is older than its retention: bounded steps, behind what happens now."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from kit import clock
from tests.conftest import World, act
from tests.receiving import Receiver
from tests.webhooks.test_ordering import asks
from tests.webhooks.test_pump import partner as partner
from tests.webhooks.test_pump import pump, register
from webhooks import replaying, replays, retention


def replay(world: World, partner, endpoint, selection: str, **more):
    now = clock.now()
    with world.transaction() as session:
        return replays.create(
            session, act(world.keyring, now=now), partner_id=partner.partner_id, endpoint_id=endpoint.endpoint_id,
            since=now - timedelta(days=100_000), until=now, event_types=["*"], selection=selection, **more,
        )  # fmt: skip


def progress(world: World, partner, asked):
    with world.transaction() as session:
        return replays.get(session, replay_id=asked.replay_id, partner_id=partner.partner_id)


@pytest.fixture
def told(world: World, partner, receiver: Receiver):
    """An endpoint that got four of nine events; three failed for good, and two are older than it."""
    member = world.member()
    for points in (1, 2):
        world.earn(partner.partner_id, member, points)
    pump(world)
    endpoint, _ = register(world, partner, receiver.url, ["points.*"])
    for points in (3, 4, 5, 6):
        world.earn(partner.partner_id, member, points)
    pump(world)
    asks(world, endpoint, retry_delays_s=[1])
    receiver.status = 500
    for points in (7, 8, 9):
        world.earn(partner.partner_id, member, points)
    pump(world)
    with world.transaction() as session:
        session.execute(
            text("UPDATE webhooks.delivery SET state = 'failed', completed_at = now() WHERE state = 'pending'")
        )
        session.execute(text("UPDATE webhooks.endpoint_state SET probe_at = NULL, failures = 0"))
    receiver.status = 204
    receiver.bodies.clear()
    return endpoint


@pytest.mark.parametrize(("selection", "sent"), [("failed", 3), ("missing", 2), ("all", 9)])
def test_a_replay_sends_what_was_asked_for_and_says_how_far_it_is(world, partner, receiver, told, selection, sent):
    asked = replay(world, partner, told, selection)
    pump(world)
    done = progress(world, partner, asked)
    assert (done.state, done.sent_again) == ("done", sent)
    assert done.processed == done.events >= sent
    assert len(receiver.bodies) == len(set(receiver.bodies)) == sent
    assert (
        world.count("webhooks.delivery WHERE state = 'delivered'") == {"failed": 7, "missing": 6, "all": 9}[selection]
    )


def test_a_replay_waits_while_its_lane_is_full_and_ends_when_it_is_cancelled(
    world, partner, receiver, told, monkeypatch
) -> None:
    monkeypatch.setattr(replaying, "EVENTS_PER_STEP", 2)
    monkeypatch.setattr(replaying, "MOST_QUEUED", 3)
    asked = replay(world, partner, told, "all")
    steps = []
    while True:
        with world.transaction() as session:
            if not replaying.advance(session, now=clock.now()):
                break
        steps.append(progress(world, partner, asked).sent_again)
    assert steps[-1] <= 4, "no more than fits"
    with world.transaction() as session:
        replays.cancel(
            session, act(world.keyring, now=clock.now()), replay_id=asked.replay_id, partner_id=partner.partner_id
        )
    pump(world)
    assert progress(world, partner, asked).state == "cancelled"
    assert len(receiver.bodies) == steps[-1]


def test_what_is_older_than_its_retention_goes_in_bounded_steps(world, partner, receiver, told, monkeypatch) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    quiet, _ = register(world, partner, "https://quiet.example/", ["points.*"])
    asks(world, quiet, status="paused")
    world.earn(partner.partner_id, world.member("7001000000130470"), 1)
    pump(world)
    assert world.count("webhooks.delivery WHERE state = 'pending'") == 1
    steps, later = 0, clock.now() + timedelta(days=31)
    while True:
        with world.transaction() as session:
            gone = retention.forget(session, now=later, keep=timedelta(days=30))
        if not gone:
            break
        steps += 1
        assert gone <= 8
    assert steps > 2
    assert world.count("webhooks.delivery WHERE state = 'pending'") == 0
    assert world.count("webhooks.delivery WHERE state = 'cancelled'") == world.count("webhooks.delivery") == 1
    assert world.count("webhooks.attempt") == world.count("webhooks.traffic") == 0
    assert world.count("kit.event WHERE body IS NOT NULL") == 0
    assert world.count("kit.event") == world.count("kit.event WHERE position IS NOT NULL") > 0
