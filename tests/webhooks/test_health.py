"""Breakers, warnings and disabling: nothing happens to an endpoint without its partner being told."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from kit import clock, ids
from partners import contacts
from tests.conftest import NOW, World, act
from tests.identity.sign_in_kit import SmtpServer
from tests.receiving import Receiver
from tests.webhooks.test_pump import partner as partner
from tests.webhooks.test_pump import pump, register
from webhooks import endpoints, health, queue
from webhooks.fan_out import fan_out
from webhooks.health import Health
from webhooks.notices import said
from webhooks.outcomes import DISABLED, FAILING, RECOVERED, Notice, record
from webhooks.places import Places
from webhooks.queue import Result


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 7_200)), min_size=1, max_size=60))
def test_an_endpoint_that_only_fails_is_warned_twice_probed_ever_later_and_disabled_once(steps) -> None:
    known, now, told = Health(), NOW, []
    for number, pause_s in steps:
        now += timedelta(seconds=pause_s)
        verdict = health.after_failures(known, number, now=now, probed=True)
        told += [verdict.warn] if verdict.warn else []
        over = now - verdict.health.failing_since >= health.DISABLED_AFTER
        assert verdict.disable == (over and bool(known.warned))
        if verdict.disable:
            break
        is_open = verdict.health.failures >= health.BREAKER_AFTER
        assert (verdict.health.probe_at is not None) == is_open
        if is_open:
            assert health.PROBE_AFTER <= verdict.health.probe_at - now <= health.PROBE_AT_MOST
        known = verdict.health
    assert told in ([], [50], [80], [50, 80])


def failed(claim: queue.Claim, **more: object) -> Result:
    said = {
        "succeeded": False, "status_code": 500, "error": None, "duration_ms": 5, "response": b"",
        "retry_in": timedelta(seconds=5),
    }  # fmt: skip
    return Result(claim=claim, **{**said, **more})


def events(world: World) -> list[tuple[str, dict]]:
    with world.transaction() as session:
        rows = session.execute(
            text("SELECT type, data FROM kit.event WHERE type LIKE 'webhook_endpoint.%' ORDER BY event_id")
        ).all()
    return [(row.type, row.data) for row in rows]


def claimed(world: World) -> list[queue.Claim]:
    with world.transaction() as session:
        fan_out(session, now=clock.now(), keyring=world.keyring)
        return queue.claim(session, now=clock.now(), free=Places().free([]))


def test_failures_open_the_breaker_and_one_probe_that_succeeds_closes_it(world, partner, receiver) -> None:
    endpoint, _ = register(world, partner, receiver.url)
    receiver.status, member = 500, world.member()
    for _ in range(20):
        world.earn(partner.partner_id, member, 1)
    pump(world)
    tried = len(receiver.bodies)
    assert health.BREAKER_AFTER <= tried <= health.BREAKER_AFTER + 1  # one more may have been on its way
    receiver.status = 204
    pump(world)
    assert len(receiver.bodies) == tried, "it is left alone until its probe"
    with world.transaction() as session:
        session.execute(text("UPDATE webhooks.endpoint_state SET probe_at = :now"), {"now": clock.now()})
        free = Places().free([])
        [probe] = queue.claim(session, now=clock.now(), free=free)
        assert queue.claim(session, now=clock.now(), free=free) == [], "one at a time"
        queue.complete(session, [done := failed(probe, succeeded=True, retry_in=None)], now=clock.now())
        assert record(session, [done], now=clock.now()) == []
    pump(world)
    assert world.count("webhooks.delivery WHERE state = 'delivered'") == 20 - tried  # the others wait for their retry
    assert world.count("webhooks.endpoint_state WHERE failures = 0 AND probe_at IS NULL") == 1
    with world.transaction() as session:
        found = endpoints.get(session, endpoint_id=endpoint.endpoint_id, partner_id=partner.partner_id)
    assert found.status == "enabled"


def test_a_partner_hears_of_an_endpoint_that_fails_is_disabled_or_well_again(world, partner, receiver) -> None:
    bad, _ = register(world, partner, "https://bad.example/")
    register(world, partner, receiver.url, ["webhook_endpoint.*"])
    world.earn(partner.partner_id, world.member(), 1)
    claim = next(one for one in claimed(world) if one.endpoint_id == bad.endpoint_id)
    begun = clock.now()
    with world.transaction() as session:
        queue.complete(session, [failed(claim)], now=begun)

    def fails(hours: float) -> list[str]:
        now = begun + timedelta(hours=hours)
        with world.transaction() as session:
            return [notice.type for notice in record(session, [failed(claim)], now=now)]

    assert fails(0) == fails(30) == []
    assert fails(36) == ["webhook_endpoint.failing"]
    assert fails(40) == []
    with world.transaction() as session:
        well = record(session, [failed(claim, succeeded=True, retry_in=None)], now=begun + timedelta(hours=41))
    assert [notice.type for notice in well] == ["webhook_endpoint.recovered"]
    assert fails(50) == []
    assert fails(50 + 60) == ["webhook_endpoint.failing"]
    assert fails(50 + 73) == ["webhook_endpoint.disabled"]
    assert fails(50 + 74) == [], "it is disabled already"
    assert [(type_, data.get("percent"), data.get("reason")) for type_, data in events(world)] == [
        ("webhook_endpoint.failing", 50, None), ("webhook_endpoint.recovered", None, None),
        ("webhook_endpoint.failing", 80, None), ("webhook_endpoint.disabled", None, "failing"),
    ]  # fmt: skip
    pump(world)
    told = [json.loads(body) for body in receiver.bodies]
    assert sorted(event["type"].partition(".")[2] for event in told) == ["disabled", "failing", "failing", "recovered"]
    assert {event["data"]["endpoint_id"] for event in told} == {ids.show(ids.ENDPOINT, bad.endpoint_id)}
    with world.transaction() as session:
        found = endpoints.get(session, endpoint_id=bad.endpoint_id, partner_id=partner.partner_id)
        assert (found.status, found.status_reason) == ("disabled", "failing")
        endpoints.set_status(
            session, act(world.keyring, now=clock.now()), endpoint_id=bad.endpoint_id, partner_id=partner.partner_id,
            status="enabled", expected_version=None,
        )  # fmt: skip
    assert world.count("webhooks.delivery WHERE lane = 2 AND state = 'pending'") == 1, "behind what happens now"
    assert world.count("webhooks.endpoint_state WHERE failing_since IS NULL AND warned = 0") == 2


def test_who_answers_that_it_is_gone_is_disabled_with_a_word(world, partner, receiver: Receiver) -> None:
    register(world, partner, receiver.url, ["points.*"])
    receiver.status = 410
    world.earn(partner.partner_id, world.member(), 1)
    pump(world)
    assert [(type_, data["reason"]) for type_, data in events(world)] == [("webhook_endpoint.disabled", "gone")]


def test_the_contacts_of_a_partner_get_a_mail_once(world: World, partner, receiver: Receiver) -> None:
    register(world, partner, receiver.url, ["points.*"])
    receiver.status = 410
    with world.transaction() as session:
        for role, email in (("business", "boss@example.com"), ("technical", "dev@example.com"),
                            ("technical", "gone@example.com")):  # fmt: skip
            made = contacts.add(
                session, act(), partner_id=partner.partner_id, role=role, name="N", email=email, phone=None
            )
        contacts.end(session, act(), contact_id=made.contact_id)
    member = world.member()
    for _ in range(2):
        world.earn(partner.partner_id, member, 1)
    with SmtpServer() as server:
        changed = replace(world, settings=replace(world.settings, smtp_url=server.mailbox.url))
        pump(changed)
        pump(changed)
        server.shutdown()
        [mail] = server.mailbox.messages
    assert b"To: dev@example.com" in mail
    assert b"We disabled your webhook endpoint" in mail


@pytest.mark.parametrize(
    ("type_", "data"),
    [
        (FAILING, {"failing_since": NOW.isoformat(), "disabled_at": NOW.isoformat(), "percent": 50}),
        (DISABLED, {"reason": "failing"}),
        (RECOVERED, {"failing_since": NOW.isoformat()}),
    ],
)
def test_a_mail_says_what_happened_in_plain_words(type_: str, data: dict) -> None:
    subject, body = said(Notice(type_, endpoint := ids.new(), ids.new(), data))
    assert ids.show(ids.ENDPOINT, endpoint) in body
    assert "%(" not in subject + body
    assert "2026-03-02 12:00 UTC" in body or type_ == DISABLED
