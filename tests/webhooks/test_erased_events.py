"""Erasure and events: what says who a member was goes out of what is frozen already, and a retry sends it no more."""

from __future__ import annotations

import json
import threading

from sqlalchemy import text

from coalition import erasure, members, merges
from kit import clock
from tests.conftest import APPROVED, CARD, NOW, World, act, until_somebody_waits
from tests.receiving import Receiver
from tests.webhooks.test_pump import partner, pump, register
from webhooks import deliveries
from webhooks.fan_out import fan_out

__all__ = ["partner"]


def enrol(world: World, partner, card: str = CARD):
    with world.transaction() as session:
        return members.enrol(
            session, card=card, partner_id=partner.partner_id, now=NOW, keyring=world.keyring
        ).member_id  # fmt: skip


def erase(world: World, member) -> None:
    with world.transaction() as session:
        erasure.erase(session, act(world.keyring), member_id=member, forfeit=True)


def rows(world: World) -> list:
    with world.transaction() as session:
        return session.execute(
            text("""
                SELECT position, event_id, data, body FROM kit.event
                WHERE type = 'member.enrolled' ORDER BY position
            """)
        ).all()


def test_what_was_frozen_holds_no_card_any_more_and_is_what_a_retry_sends(world, partner, receiver: Receiver) -> None:
    endpoint, _ = register(world, partner, receiver.url, ["member.enrolled"])
    receiver.status, receiver.echoes = 503, True
    ann, ben = enrol(world, partner), enrol(world, partner, "7001000000130470")
    with world.transaction() as session:
        merges.merge(session, APPROVED, member_id=ben, into=ann, reference="m").unwrap()
    other = enrol(world, partner, "6011000990139424")
    pump(world)
    before = rows(world)
    assert [json.loads(row.body)["data"]["card_masked"] for row in before] == [
        "••••••••••••8503", "••••••••••••0470", "••••••••••••9424",
    ]  # fmt: skip
    assert world.count("webhooks.attempt WHERE response IS NOT NULL") == 3
    erase(world, ann)
    after = rows(world)
    assert [(row.position, row.event_id) for row in after] == [(row.position, row.event_id) for row in before]
    for was, now in zip(before[:2], after[:2], strict=True):
        assert now.data == {**was.data, "card_masked": None}
        assert json.loads(now.body) == {
            **json.loads(was.body), "data": {**json.loads(was.body)["data"], "card_masked": None},
        }  # fmt: skip
    assert after[2] == before[2], "another's is as it was"
    assert world.count("webhooks.attempt WHERE response IS NOT NULL") == 1
    sent, receiver.status = len(receiver.bodies), 200
    with world.transaction() as session:
        assert deliveries.retry_all(session, endpoint_ids=[endpoint.endpoint_id], now=clock.now()) == 3
    pump(world)
    assert sorted(receiver.bodies[sent:]) == sorted(bytes(row.body) for row in after)
    erase(world, other)
    assert all(b'card_masked":null' in row.body for row in rows(world))


def test_an_event_that_is_being_frozen_is_waited_for(world, partner) -> None:
    ann = enrol(world, partner)
    erasing = threading.Thread(target=erase, args=(world, ann))
    with world.transaction() as session:
        assert fan_out(session, now=NOW, keyring=world.keyring)["member.enrolled"] == 1
        erasing.start()
        until_somebody_waits(world)
    erasing.join()
    [row] = rows(world)
    assert (row.data["card_masked"], json.loads(row.body)["data"]["card_masked"]) == (None, None)


def test_an_event_that_is_not_frozen_yet_is_frozen_without(world, partner) -> None:
    erase(world, enrol(world, partner))
    with world.transaction() as session:
        fan_out(session, now=NOW, keyring=world.keyring)
    [row] = rows(world)
    assert json.loads(row.body)["data"]["card_masked"] is None
