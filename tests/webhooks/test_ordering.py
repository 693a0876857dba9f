"""Order: per member or strict, in batches, and what becomes of those behind one that can't be delivered."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace as changed
from datetime import timedelta
from typing import Any

import pytest
from coalition_client.webhooks import verify
from sqlalchemy import text

from kit import clock
from tests.conftest import World, act, until_somebody_waits
from tests.receiving import Receiver
from tests.webhooks.test_pump import partner as partner
from tests.webhooks.test_pump import pump, register
from webhooks import batches, bodies, deliveries, queue, retention, signing
from webhooks.fan_out import fan_out
from webhooks.places import Places
from webhooks.queue import Claim, Result


def asks(world: World, endpoint, **wanted: Any) -> None:
    with world.transaction() as session:
        for name, value in wanted.items():
            session.execute(
                text(f"UPDATE webhooks.endpoint SET {name} = :value WHERE endpoint_id = :id"),
                {"value": value, "id": endpoint.endpoint_id},
            )


def claimed(world: World) -> list[Claim]:
    with world.transaction() as session:
        fan_out(session, now=clock.now(), keyring=world.keyring)
        return queue.claim(session, now=clock.now() + timedelta(seconds=1), free=Places().free([]))


def ends(world: World, *claims: Claim, succeeded: bool = True, on_exhausted: str = "skip") -> None:
    results = [
        Result(
            claim=claim, succeeded=succeeded, status_code=204 if succeeded else 500, error=None, duration_ms=1,
            response=b"", retry_in=None, on_exhausted=on_exhausted, is_behind=number > 0,
        )
        for number, claim in enumerate(claims)
    ]  # fmt: skip
    with world.transaction() as session:
        queue.complete(session, results, now=clock.now())


def amounts(claims: list[Claim]) -> list[int]:
    return [json.loads(claim.body)["data"]["points"] for claim in claims]


def test_events_of_a_member_come_one_after_the_other_and_members_beside_each_other(world, partner) -> None:
    endpoint, _ = register(world, partner, "https://a.example/", ["points.*"])
    asks(world, endpoint, ordering="member")
    ann, ben = world.member(), world.member("7001000000130470")
    for points in (1, 2, 3):
        world.earn(partner.partner_id, ann, points)
        world.earn(partner.partner_id, ben, 10 * points)
    first = claimed(world)
    assert sorted(amounts(first)) == [1, 10]
    assert claimed(world) == []
    anns = next(claim for claim in first if amounts([claim]) == [1])
    ends(world, anns)
    second = claimed(world)
    assert amounts(second) == [2]
    world.earn(partner.partner_id, ann, 4)
    assert claimed(world) == [], "what happens meanwhile goes to the end"
    ends(world, *second)
    third = claimed(world)
    ends(world, *third)
    assert (amounts(third), amounts(claimed(world))) == ([3], [4])


def test_what_is_skipped_leaves_a_gap_that_the_next_one_tells(world, partner) -> None:
    endpoint, _ = register(world, partner, "https://a.example/", ["points.*"])
    asks(world, endpoint, ordering="strict")
    member = world.member()
    for points in (1, 2, 3, 4):
        world.earn(partner.partner_id, member, points)
    for points, gap in ((1, 0), (2, 1), (3, 2)):
        [claim] = claimed(world)
        assert (amounts([claim]), claim.gap, claim.sequence) == ([points], gap, points)
        ends(world, claim, succeeded=points == 3)
    [last] = claimed(world)
    assert (amounts([last]), last.gap) == ([4], 0)


def test_what_is_held_stops_its_order_until_its_partner_retries_or_cancels_it(world, partner) -> None:
    endpoint, _ = register(world, partner, "https://a.example/", ["points.*"])
    asks(world, endpoint, ordering="strict", on_exhausted="hold")
    member = world.member()
    for points in (1, 2, 3):
        world.earn(partner.partner_id, member, points)
    [head] = claimed(world)
    ends(world, head, succeeded=False, on_exhausted="hold")
    assert world.count("webhooks.delivery WHERE state = 'held'") == 1
    assert claimed(world) == []
    asked = {"delivery_id": head.delivery_id, "partner_id": partner.partner_id}
    with world.transaction() as session:
        assert deliveries.retry(session, now=clock.now(), **asked).state == "pending"
    [again] = claimed(world)
    assert amounts([again]) == [1]
    ends(world, again, succeeded=False, on_exhausted="hold")
    with world.transaction() as session:
        assert deliveries.cancel(session, act(world.keyring, now=clock.now()), **asked).state == "cancelled"
        with pytest.raises(deliveries.DeliveryCancelled):
            deliveries.retry(session, now=clock.now(), **asked)
    [second] = claimed(world)
    assert (amounts([second]), second.gap) == ([2], 1)
    for points in (4, 5):
        world.earn(partner.partner_id, member, points)
    assert claimed(world) == []
    with world.transaction() as session:  # one that waits itself
        third = session.scalar(text("SELECT delivery_id FROM webhooks.delivery ORDER BY position OFFSET 2 LIMIT 1"))
        deliveries.cancel(
            session, act(world.keyring, now=clock.now()), delivery_id=third, partner_id=partner.partner_id
        )
    assert claimed(world) == []
    ends(world, second)
    assert amounts(claimed(world)) == [4]


def test_a_batch_is_the_same_whenever_it_is_sent_and_is_held_by_its_head(world, partner) -> None:
    endpoint, _ = register(world, partner, "https://a.example/", ["points.*"])
    asks(world, endpoint, ordering="strict", batch_size=3)
    member = world.member()
    for points in (1, 2, 3, 4):
        world.earn(partner.partner_id, member, points)

    def batch() -> list[Claim]:
        [head] = claimed(world)
        with world.transaction() as session:
            return batches.claim(session, head, size=3)

    first = batch()
    assert amounts(first) == [1, 2, 3]
    assert claimed(world) == []
    with world.transaction() as session:  # a failure with more tries to come
        due = [
            Result(claim=claim, succeeded=False, status_code=500, error=None, duration_ms=1, response=b"",
                   retry_in=timedelta(0), is_behind=number > 0)
            for number, claim in enumerate(first)
        ]  # fmt: skip
        queue.complete(session, due, now=clock.now())
    world.earn(partner.partner_id, member, 5)
    again = batch()
    assert (amounts(again), again[0].batch_id) == ([1, 2, 3], first[0].batch_id)
    ends(world, *again, succeeded=False, on_exhausted="hold")
    assert world.count("webhooks.delivery WHERE state = 'held'") == 1
    with world.transaction() as session:
        deliveries.cancel(
            session, act(world.keyring, now=clock.now()), delivery_id=again[0].delivery_id,
            partner_id=partner.partner_id,
        )  # fmt: skip
    rest = batch()
    assert (amounts(rest), rest[0].gap) == ([2, 3, 4], 1)
    ends(world, *rest)
    assert amounts(batch()) == [5]


def test_an_endpoint_in_order_gets_everything_in_order_from_a_receiver_that_fails(
    world, partner, receiver: Receiver
) -> None:
    endpoint, _ = register(world, partner, receiver.url, ["points.*"])
    asks(world, endpoint, ordering="strict", batch_size=4, retry_delays_s=[1] * 5)
    member = world.member()
    for points in range(1, 11):
        world.earn(partner.partner_id, member, points)
    receiver.status = 500
    pump(world)
    failed, receiver.status = len(receiver.bodies), 204
    with world.transaction() as session:
        deliveries.retry_all(session, endpoint_ids=[endpoint.endpoint_id], now=clock.now())
    pump(world)
    messages = [json.loads(body) for body in receiver.bodies]
    assert {message["type"] for message in messages} == {"batch"}
    assert [len(message["data"]["events"]) for message in messages] == [4] * failed + [4, 4, 2]
    assert messages[0] == messages[failed], "the same bytes"
    got = [event["data"]["points"] for message in messages[failed:] for event in message["data"]["events"]]
    assert got == list(range(1, 11))


def test_what_is_too_old_to_be_kept_stops_nothing_behind_it(world, partner) -> None:
    endpoint, _ = register(world, partner, "https://a.example/", ["points.*"])
    asks(world, endpoint, ordering="strict")
    member = world.member()
    for points in (1, 2, 3):
        world.earn(partner.partner_id, member, points)
    with world.transaction() as session:
        fan_out(session, now=clock.now(), keyring=world.keyring)
        session.execute(
            text("UPDATE webhooks.delivery SET due_at = due_at - interval '31 days' WHERE position <= "
                 "(SELECT position FROM webhooks.delivery ORDER BY position OFFSET 1 LIMIT 1)")
        )  # fmt: skip
        retention.forget(session, now=clock.now(), keep=timedelta(days=30))
    [third] = claimed(world)
    assert (amounts([third]), third.gap) == ([3], 2)


def test_a_batch_stays_one_though_the_endpoint_asks_for_none_any_more(world, partner, receiver: Receiver) -> None:
    endpoint, _ = register(world, partner, receiver.url, ["points.*"])
    asks(world, endpoint, ordering="strict", batch_size=3, retry_delays_s=[1] * 5)
    member = world.member()
    for points in (1, 2, 3, 4):
        world.earn(partner.partner_id, member, points)
    receiver.status = 500
    pump(world)
    asks(world, endpoint, batch_size=1)
    receiver.status = 204
    with world.transaction() as session:
        deliveries.retry_all(session, endpoint_ids=[endpoint.endpoint_id], now=clock.now())
    pump(world)
    first, again, last = receiver.bodies
    assert first == again
    assert (json.loads(first)["type"], json.loads(last)["data"]["points"]) == ("batch", 4)


def test_a_batch_is_an_event_to_our_own_client() -> None:
    event = {"id": "evt_1", "type": "points.earned", "version": 1, "timestamp": "2026-03-02T12:00:00Z", "data": {}}
    body = bodies.batch("wbt_1", [json.dumps(event).encode()] * 2)
    headers = signing.headers([secret := signing.new_secret()], message_id="wbt_1", timestamp=1_000, body=body)
    assert verify(body, headers, secret, now=1_000).data == {"events": [event] * 2}


def test_nothing_overtakes_what_is_in_front_though_what_was_between_is_cancelled(world, partner) -> None:
    endpoint, _ = register(world, partner, "https://a.example/", ["points.*"])
    asks(world, endpoint, ordering="strict", on_exhausted="hold")
    member = world.member()
    for points in (1, 2):
        world.earn(partner.partner_id, member, points)
    [head] = claimed(world)
    with world.transaction() as session:
        second = session.scalar(text("SELECT delivery_id FROM webhooks.delivery ORDER BY position DESC LIMIT 1"))
        deliveries.cancel(
            session, act(world.keyring, now=clock.now()), delivery_id=second, partner_id=partner.partner_id
        )
    world.earn(partner.partner_id, member, 3)
    assert claimed(world) == []
    ends(world, head, succeeded=False, on_exhausted="hold")
    assert claimed(world) == [], "held"
    with world.transaction() as session:
        session.execute(text("UPDATE webhooks.delivery SET completed_at = now() - interval '31 days' "
                             "WHERE state = 'held'"))  # fmt: skip
        retention.forget(session, now=clock.now(), keep=timedelta(days=30))
    [third] = claimed(world)
    assert (amounts([third]), third.gap) == ([3], 2)


def test_a_cancel_and_an_end_at_the_same_moment_leave_nobody_waiting(world, partner) -> None:
    endpoint, _ = register(world, partner, "https://a.example/", ["points.*"])
    asks(world, endpoint, ordering="strict")
    member = world.member()
    for points in (1, 2, 3):
        world.earn(partner.partner_id, member, points)
    [head] = claimed(world)
    with ThreadPoolExecutor(1) as thread:
        with world.transaction() as session:
            second = session.scalar(
                text("SELECT delivery_id FROM webhooks.delivery ORDER BY position OFFSET 1 LIMIT 1")
            )
            deliveries.cancel(
                session, act(world.keyring, now=clock.now()), delivery_id=second, partner_id=partner.partner_id
            )
            ending = thread.submit(ends, world, head)
            until_somebody_waits(world)
        ending.result(10)
    assert amounts(claimed(world)) == [3]


def test_what_waits_for_one_that_is_gone_is_let_go_at_last(world, partner) -> None:
    endpoint, _ = register(world, partner, "https://a.example/", ["points.*"])
    asks(world, endpoint, ordering="strict")
    member = world.member()
    for points in (1, 2):
        world.earn(partner.partner_id, member, points)
    [head] = claimed(world)
    with world.transaction() as session:  # as a pump of the version before ends it
        session.execute(
            text("UPDATE webhooks.delivery SET state = 'delivered', completed_at = now(), claim_id = NULL "
                 "WHERE delivery_id = :id"), {"id": head.delivery_id}
        )  # fmt: skip
        retention.forget(session, now=clock.now(), keep=timedelta(days=30))
    assert amounts(claimed(world)) == [2]


def test_an_attempt_whose_lease_ran_out_does_not_count_for_who_came_after_it(world, partner) -> None:
    register(world, partner, "https://a.example/", ["points.*"])
    world.earn(partner.partner_id, world.member(), 1)
    [late] = claimed(world)
    with world.transaction() as session:
        later = clock.now() + queue.LEASE + timedelta(seconds=2)
        [taken] = queue.claim(session, now=later, free=Places().free([]), slot=1)
    assert (taken.delivery_id, taken.attempt_no) == (late.delivery_id, 2)
    ends(world, late, succeeded=False)
    assert world.count("webhooks.delivery WHERE state = 'pending' AND claim_id IS NOT NULL") == 1
    ends(world, changed(taken))
    assert world.count("webhooks.delivery WHERE state = 'delivered'") == 1
    assert world.count("webhooks.attempt") == 2
