"""Faults that others had to mend, each tried on ours: what is broken hurts nobody else and is seen."""

from __future__ import annotations

import ipaddress
import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text

from kit import clock, ids, outbox, settings
from kit.errors import NotFound
from ops import schedule
from partners.accounts import Partner
from tests import receiving
from tests.conftest import NOW, World, act, until_somebody_waits
from tests.webhooks.hostile import Receivers, answers
from tests.webhooks.test_pump import pump
from webhooks import (
    deliveries,
    endpoint_health,
    endpoints,
    event_matches,
    outcomes,
    queue,
    replaying,
    replays,
    retention,
    sandbox_faults,
)
from webhooks.endpoints import HEADERS_PURPOSE
from webhooks.fan_out import fan_out
from webhooks.jobs import pump as pump_job
from webhooks.places import Places
from webhooks.pump import NOT_KEPT, RUN_S, Pump
from webhooks.queue import Result
from webhooks.sender import UNMADE

TAKEN = b"HTTP/1.1 204 No Content\r\n\r\n"
CHANGE = "UPDATE webhooks.endpoint SET {} = :value WHERE endpoint_id = :id"
NO_ADDRESS = "the host's name leads to no address that we send webhooks to"


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    made = Receivers()
    yield made
    made.close()


@pytest.fixture
def partner(world: World) -> Partner:
    return world.partner("greengrocer")


@pytest.fixture
def url(receivers: Receivers) -> str:
    return f"http://127.0.0.1:{receivers.serve('receiver', answers(TAKEN))}/"


def registered(world: World, partner: Partner, url: str, **asked: Any) -> UUID:
    with world.transaction() as session:
        made, secret = endpoints.register(
            session, act(world.keyring, now=clock.now()), partner_id=partner.partner_id, url=url, event_types=["*"],
            settings=asked,
        )  # fmt: skip
    receiving.trust(url, secret)
    return made.endpoint_id


def execute(world: World, statement: str, **values: Any) -> list[Any]:
    with world.transaction() as session:
        done = session.execute(text(statement), values)
        return list(done.all()) if done.returns_rows else []


def due_now(world: World) -> None:
    execute(world, "UPDATE webhooks.delivery SET due_at = now() - interval '1 day' WHERE state = 'pending'")
    execute(world, "UPDATE webhooks.endpoint_state SET probe_at = now() - interval '1 day' WHERE probe_at IS NOT NULL")


def ended(world: World) -> dict[UUID, tuple[str, str | None]]:
    """By endpoint, its delivery's state and its last attempt's error."""
    return {
        row.endpoint_id: (row.state, row.error)
        for row in execute(
            world,
            """
            SELECT d.endpoint_id, d.state, a.error FROM webhooks.delivery d
            LEFT JOIN webhooks.attempt a ON a.delivery_id = d.delivery_id AND a.attempt_no = d.attempts
            """,
        )
    }


def test_an_endpoint_whose_message_can_t_be_made_hurts_no_other_and_its_deliveries_fail_in_the_end(
    world: World, partner: Partner, url: str, receivers: Receivers
) -> None:
    """Known as: a bad template that kills the worker again at each start; a retry without a dead letter."""
    sealed = world.keyring.seal(json.dumps({"X-A": "a\r\nX-B: b"}).encode(), purpose=HEADERS_PURPOSE)
    listed = world.keyring.seal(b"[1]", purpose=HEADERS_PURPOSE)
    broken = {
        registered(world, partner, url, retry_delays_s=[5]): {column: value}
        for column, value in [
            ("sealed_secret", b"no secret"), ("sealed_headers", b"none either"), ("sealed_headers", listed),
            ("sealed_headers", sealed), ("url", "http://[v1.x]:99999/"),
        ]
    }  # fmt: skip
    for endpoint_id, values in broken.items():
        for column, value in values.items():
            execute(world, CHANGE.format(column), value=value, id=endpoint_id)
    healthy = registered(world, partner, url)
    odd = registered(world, partner, url)
    execute(world, CHANGE.format("filter"), value='{"type": {"$of_tomorrow": 1}}', id=odd)
    world.earn(partner.partner_id, world.member(), 1)
    pump(world)
    assert ended(world) == {
        **dict.fromkeys(broken, ("pending", UNMADE)),
        list(broken)[-1]: ("pending", "we cannot use the URL"),
        healthy: ("delivered", None),
        odd: ("delivered", None),
    }
    due_now(world)
    pump(world)
    assert {state for state, _ in ended(world).values()} == {"failed", "delivered"}
    assert receivers.requests["receiver"] == 2


def test_a_delivery_whose_event_is_older_than_retention_is_cancelled_for_all_to_see(
    world: World, partner: Partner, url: str
) -> None:
    whole, thin = (registered(world, partner, url, body=body) for body in ("full", "thin"))
    world.earn(partner.partner_id, world.member(), 1)
    with world.transaction() as session:
        fan_out(session, now=clock.now(), keyring=world.keyring)
        session.execute(text("UPDATE kit.event SET body = NULL"))
    pump(world)
    assert ended(world) == dict.fromkeys((whole, thin), ("cancelled", None))


def test_an_event_that_can_t_be_told_waits_and_holds_up_no_other(
    world: World, partner: Partner, url: str, receivers: Receivers, caplog: pytest.LogCaptureFixture
) -> None:
    registered(world, partner, url)
    with world.transaction() as session:
        wrong = [
            outbox.Event(
                type=type_, subject_id=ids.new(), partner_id=partner.partner_id, occurred_at=clock.now(), data=data
            )
            for type_, data in (("points.earned", {"member_id": "nobody"}), ("webhook_endpoint.test", {}))
        ]
        for event in wrong:
            outbox.append(session, event)
    world.earn(partner.partner_id, world.member(), 1)
    for _ in range(2):  # the next process tries it again
        pump(world, run_s=0.7)
    assert receivers.requests["receiver"] == 1
    places = "SELECT position FROM kit.event WHERE event_id = :id"
    assert execute(world, places, id=wrong[0].event_id) == [(None,)]
    assert caplog.text.count("an event can't be told") == 2
    assert all(record.levelno == logging.ERROR for record in caplog.records if "can't be told" in record.message)
    execute(world, "UPDATE kit.event SET data = '{}' WHERE event_id = :id", id=wrong[0].event_id)
    pump(world)
    assert receivers.requests["receiver"] == 2
    last = execute(world, "SELECT max(position) FROM kit.event")
    assert execute(world, places, id=wrong[0].event_id) == last  # nobody's place in the feed changed


def test_what_ends_each_pump_waits_ever_longer_and_is_given_up_with_what_is_behind_it_let_go(
    world: World, partner: Partner, url: str
) -> None:
    registered(world, partner, url, ordering="strict")
    member = world.member()
    for _ in range(2):
        world.earn(partner.partner_id, member, 1)
    now, waits, claimed = clock.now(), [], []
    with world.transaction() as session:
        fan_out(session, now=now, keyring=world.keyring)
    for _ in range(100):
        with world.transaction() as session:
            claims = queue.claim(session, now=now, free=Places().free([]))
        with world.transaction() as session:
            assert queue.release(session, slot=0, now=now) == len(claims)
        claimed += [claim.delivery_id for claim in claims]
        due = execute(world, "SELECT min(due_at) FROM webhooks.delivery WHERE state = 'pending' AND lane < 3")[0][0]
        if claims and len(set(claimed)) == 1:
            waits.append(max(due - now, timedelta()))
        if due is None:
            break
        now = max(due, now) + timedelta(seconds=1)
    assert claimed.count(claimed[0]) == queue.MOST_LOST
    assert waits[:6] == [timedelta()] * 3 + [timedelta(seconds=seconds) for seconds in (5, 10, 20)]
    assert max(waits) == timedelta(hours=1)
    assert claimed.count(claimed[-1]) == queue.MOST_LOST  # the one behind it had its turn
    assert world.count("webhooks.delivery WHERE state = 'failed'") == len(set(claimed)) == 2
    assert world.count("webhooks.attempt WHERE outcome = 'unknown'") == 2 * queue.MOST_LOST


Refuse = Callable[[str, str], None]


@pytest.fixture
def refuse(world: World) -> Iterator[Refuse]:
    """Let the database take no row of a table that fails a check: whatever a version of ours may get wrong."""
    made = []
    owner = str(world.settings.database_owner_url or world.settings.database_url)
    with psycopg.connect(owner, autocommit=True) as connection:

        def add(table: str, check: str) -> None:
            connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT poison CHECK ({check}) NOT VALID")
            made.append(table)

        yield add
        for table in made:
            connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT poison")


def test_a_result_that_can_t_be_written_down_takes_no_other_with_it(
    world: World, partner: Partner, url: str, receivers: Receivers, refuse: Refuse
) -> None:
    refuse("webhooks.attempt", "response <> 'poison'")
    poison = b"Content-Length: 6\r\n\r\npoison"
    taken = receivers.serve("taken", answers(b"HTTP/1.1 200 OK\r\n" + poison))
    refused = receivers.serve("refused", answers(b"HTTP/1.1 500 No\r\n" + poison))
    made = [registered(world, partner, f"http://127.0.0.1:{port}/") for port in (taken, refused)]
    healthy = registered(world, partner, url)
    world.earn(partner.partner_id, world.member(), 1)
    pump(world)
    assert ended(world) == {
        made[0]: ("delivered", None), made[1]: ("pending", NOT_KEPT), healthy: ("delivered", None)
    }  # fmt: skip
    assert {receivers.requests[name] for name in ("taken", "refused", "receiver")} == {1}


def test_a_replay_that_fails_holds_up_no_event(
    world: World, partner: Partner, url: str, receivers: Receivers, refuse: Refuse, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint_id, member = registered(world, partner, url), world.member()
    world.earn(partner.partner_id, member, 1)
    pump(world)
    refuse("webhooks.delivery", f"lane <> {queue.REPLAYS}")
    with world.transaction() as session:
        replays.create(
            session, act(world.keyring, now=clock.now()), partner_id=partner.partner_id, endpoint_id=endpoint_id,
            since=NOW - timedelta(days=1), until=clock.now(), event_types=["*"], selection="all",
        )  # fmt: skip
    world.earn(partner.partner_id, member, 1)
    pump(world, run_s=0.7)
    assert receivers.requests["receiver"] == 2
    assert "a replay failed" in caplog.text


def test_a_replay_that_fails_holds_up_no_other_and_is_tried_ever_later(
    world: World, partner: Partner, url: str, receivers: Receivers, refuse: Refuse
) -> None:
    made, member = [registered(world, partner, url) for _ in range(2)], world.member()
    for _ in range(2):
        world.earn(partner.partner_id, member, 1)
    pump(world)
    refuse("webhooks.delivery", f"lane <> {queue.REPLAYS} OR endpoint_id <> '{made[0]}'")
    now = clock.now()
    with world.transaction() as session:
        broken, good = (
            replays.create(
                session, act(world.keyring, now=now), partner_id=partner.partner_id, endpoint_id=endpoint_id,
                since=NOW - timedelta(days=1), until=now, event_types=["*"], selection="all",
            )
            for endpoint_id in made
        )  # fmt: skip
    tried = []
    for _ in range(20):
        with world.transaction() as session:
            replaying.advance(session, now=now)
        ((due, failures),) = execute(
            world, "SELECT due_at, failures FROM webhooks.replay WHERE replay_id = :id", id=broken.replay_id
        )
        if failures > len(tried):
            tried.append(due - now)
        now += timedelta(seconds=2)
    with world.transaction() as session:
        states = [
            replays.get(session, replay_id=one.replay_id, partner_id=partner.partner_id) for one in (broken, good)
        ]
    assert [(one.state, one.sent_again) for one in states] == [("running", 0), ("done", 2)]
    assert tried[:5] == [timedelta(seconds=seconds) for seconds in (1, 2, 4, 8, 16)]


def test_two_sequencers_at_once_make_each_delivery_once(world: World, partner: Partner, url: str) -> None:
    for ordering in ("none", "member", "strict"):
        registered(world, partner, url, ordering=ordering)
    member = world.member()
    for _ in range(40):
        world.earn(partner.partner_id, member, 1)
    began, done = threading.Barrier(4), []

    def sequence() -> None:
        began.wait()
        for _ in range(20):
            with world.transaction() as session:
                done.append(fan_out(session, now=clock.now(), keyring=world.keyring)["points.earned"])

    threads = [threading.Thread(target=sequence) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) == 40
    assert world.count("webhooks.delivery") == 3 * 40
    found = execute(world, "SELECT array_agg(sequence ORDER BY position) FROM webhooks.delivery GROUP BY endpoint_id")
    assert [row[0] for row in found] == [list(range(1, 41))] * 3
    assert execute(world, "SELECT count(*), count(DISTINCT position), max(position) FROM kit.event") == [(41, 41, 41)]
    assert world.count("webhooks.delivery WHERE lane = 0 AND ordering_key IS NOT NULL") == 2


def test_whoever_completes_and_whoever_takes_over_never_wait_for_each_other(
    world: World, partner: Partner, url: str
) -> None:
    """A deadlock: one held the endpoint and waited for the delivery, the other the delivery, and waited for it."""
    endpoint_id = registered(world, partner, url, ordering="strict")
    world.earn(partner.partner_id, world.member(), 1)
    with world.transaction() as session:
        fan_out(session, now=clock.now(), keyring=world.keyring)
        session.execute(
            text("UPDATE webhooks.endpoint_state SET failures = 9, probe_at = now() WHERE endpoint_id = :id"),
            {"id": endpoint_id},
        )
    with world.transaction() as session:
        [claim] = queue.claim(session, now=clock.now(), free=Places().free([]))
    failed = Result(
        claim=claim, succeeded=False, status_code=500, error=None, duration_ms=1, response=b"", retry_in=None
    )

    def take_over() -> int:
        with world.transaction() as session:
            return queue.release(session, slot=0, now=clock.now())

    with ThreadPoolExecutor(1) as threads:
        with world.transaction() as session:
            outcomes.hold(session, [failed])
            taken_over = threads.submit(take_over)
            until_somebody_waits(world)
            assert queue.complete(session, [failed], now=clock.now()) == [failed]
        assert taken_over.result() == 0


def test_retention_waits_for_no_delivery_that_a_pump_has(world: World, partner: Partner, url: str) -> None:
    registered(world, partner, url)
    registered(world, partner, url, ordering="strict")
    member = world.member()
    for _ in range(2):
        world.earn(partner.partner_id, member, 1)
    with world.transaction() as session:
        fan_out(session, now=clock.now(), keyring=world.keyring)
    with world.transaction() as pump_s:
        pump_s.execute(text("SELECT FROM webhooks.delivery WHERE position = 2 FOR UPDATE"))
        with world.transaction() as session:
            session.execute(text("SET LOCAL lock_timeout = '1s'"))
            retention.forget(session, now=clock.now() + timedelta(days=31), keep=timedelta(days=30))
    assert world.count("webhooks.delivery WHERE state = 'cancelled' AND position <> 2") == 2
    assert world.count("webhooks.delivery WHERE state = 'pending' AND position = 2") == 2


def test_what_comes_of_an_attempt_whose_claim_is_over_says_nothing_of_its_endpoint(
    world: World, partner: Partner, url: str
) -> None:
    endpoint_id = registered(world, partner, url)
    world.earn(partner.partner_id, world.member(), 1)
    now = clock.now()
    with world.transaction() as session:
        fan_out(session, now=now, keyring=world.keyring)
        [late] = queue.claim(session, now=now, free=Places().free([]))
    with world.transaction() as session:
        [again] = queue.claim(session, now=now + queue.LEASE, free=Places().free([]))
    turn = Pump(world.settings, world.database, world.keyring, redis_url="redis://nobody")._database_turn
    gone = Result(
        claim=late, succeeded=False, status_code=410, error=None, duration_ms=1, response=b"", retry_in=None,
        is_gone=True,
    )  # fmt: skip
    assert turn([gone], None).notices == []
    assert world.count("webhooks.traffic") == 0
    with world.transaction() as session:
        health = endpoint_health.health(session, endpoint_id=endpoint_id)
        assert endpoints.get(session, endpoint_id=endpoint_id, partner_id=partner.partner_id).status == "enabled"
    assert (health.failures, health.backlog) == (0, 1)
    assert execute(world, "SELECT attempt_no, outcome, status_code FROM webhooks.attempt") == [(1, "failed", 410)]
    assert [notice.type for notice in turn([replace(gone, claim=again)], None).notices] == ["webhook_endpoint.disabled"]


def test_nothing_ends_an_attempt_before_it_has_ended_itself() -> None:
    """Known as: a queue's timeout shorter than the request's."""
    longest_s = settings.from_environment({"COALITION_WEBHOOK_TIMEOUT_S": "60"}).webhook_timeout_s
    with pytest.raises(settings.SettingsError):
        settings.from_environment({"COALITION_WEBHOOK_TIMEOUT_S": str(longest_s + 1)})
    to_spare_s = 10  # to resolve the proxy's name, and to write down what came of it
    assert longest_s + sandbox_faults.LATE_S + to_spare_s < queue.LEASE.total_seconds()
    (entry,) = (entry for entry in schedule.TIMETABLE if entry.job is pump_job)
    assert longest_s + sandbox_faults.LATE_S + to_spare_s < entry.timeout_s - RUN_S


def test_what_is_another_partner_s_is_not_there(world: World, partner: Partner, url: str) -> None:
    """Known as: cross-tenant links."""
    other, endpoint_id = world.partner("fuelway"), registered(world, partner, url)
    registered(world, other, url)
    world.earn(partner.partner_id, world.member(), 1)
    pump(world)
    ((delivery_id, event_id),) = execute(world, "SELECT delivery_id, event_id FROM webhooks.delivery")
    now, does = clock.now(), act(world.keyring, now=clock.now())
    span = {"since": now - timedelta(days=1), "until": now, "event_types": ["*"], "selection": "all"}
    with world.transaction() as session:
        replay = replays.create(session, does, partner_id=partner.partner_id, endpoint_id=endpoint_id, **span)
    asked = {"partner_id": other.partner_id}
    here = {**asked, "endpoint_id": endpoint_id}
    tried: list[Callable[[Any], object]] = [
        lambda session: endpoints.get(session, **here),
        lambda session: endpoints.change(session, does, settings={"url": url}, expected_version=None, **here),
        lambda session: endpoints.set_status(session, does, status="paused", **here),
        lambda session: endpoints.rotate(session, does, grace_s=0, **here),
        lambda session: endpoints.send_test(session, does, **here),
        lambda session: endpoints.remove(session, does, **here),
        lambda session: endpoint_health.stats(session, since=now - timedelta(hours=1), until=now, bucket="5m", **here),
        lambda session: deliveries.get(session, delivery_id=delivery_id, **asked),
        lambda session: deliveries.retry(session, delivery_id=delivery_id, now=now, **asked),
        lambda session: deliveries.cancel(session, does, delivery_id=delivery_id, **asked),
        lambda session: replays.create(session, does, **span, **here),
        lambda session: replays.get(session, replay_id=replay.replay_id, **asked),
        lambda session: replays.cancel(session, does, replay_id=replay.replay_id, **asked),
        lambda session: event_matches.get(session, event_id=event_id, **asked),
    ]
    for number, verb in enumerate(tried):
        with pytest.raises(NotFound), world.transaction() as session:
            pytest.fail(f"{number} found {verb(session)}")
    with world.transaction() as session:
        assert deliveries.of_endpoint(session, state=None, limit=9, **here) == []
        assert replays.of_partner(session, limit=9, **asked) == []


def test_no_name_leads_to_metadata_or_inside_whatever_it_led_to_before(
    world: World, partner: Partner, receivers: Receivers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Known as: egress to metadata addresses; rebinding between check and connect."""
    port = receivers.serve("receiver", answers(TAKEN), host="0.0.0.0")
    real, asked = socket.getaddrinfo, []
    names = {
        "metadata.example": ["169.254.169.254"], "v6.example": ["fd00:ec2::254"],
        "mapped.example": ["::ffff:a9fe:a9fe"],
        "some.example": ["169.254.169.254", "10.0.0.1", "::1"], "rebinds.example": ["127.0.0.2"],
    }  # fmt: skip

    def resolve(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in names:
            return real(host, port, *args, **kwargs)
        asked.append(host)
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "",
             (one, port, 0, 0) if ":" in one else (one, port))
            for one in names[host]
        ]  # fmt: skip

    monkeypatch.setattr(socket, "getaddrinfo", resolve)  # other people's name servers
    made = {host: registered(world, partner, f"http://{host}:{port}/") for host in names}
    made |= {host: registered(world, partner, f"http://{host}:{port}/") for host in ("169.254.169.254", "2852039166")}
    member = world.member()
    world.earn(partner.partner_id, member, 1)
    allowed = [ipaddress.ip_network("127.0.0.2/32")]  # as if it were public
    pump(world, allowed=allowed, timeout_s=1)
    found = ended(world)
    assert found.pop(made["rebinds.example"]) == ("delivered", None)
    assert found.pop(made["2852039166"]) == ("pending", "we cannot use the URL")
    assert set(found.values()) == {("pending", NO_ADDRESS)}
    names["rebinds.example"] = ["127.0.0.1"]
    world.earn(partner.partner_id, member, 1)
    pump(world, allowed=allowed, timeout_s=1)
    assert world.count("webhooks.delivery WHERE state = 'delivered'") == 1
    assert receivers.requests["receiver"] == 1
    assert set(asked) == set(names)
