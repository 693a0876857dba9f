"""The pump against real receivers: delivery, retries, leases, isolation, refusal of private addresses."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from kit import clock, ids, outbox, tracing
from kit.tracing import Trace
from tests import receiving
from tests.conftest import World, act
from webhooks import deliveries, endpoints, queue
from webhooks.addresses import LOOPBACK
from webhooks.deliveries import AlreadyDelivered
from webhooks.fan_out import fan_out
from webhooks.places import Free, Places
from webhooks.pump import Pump, Turn
from webhooks.queue import Result
from webhooks.sender import cancelled

PARTNER_CODE = "greengrocer"


@pytest.fixture
def partner(world: World):
    return world.partner(PARTNER_CODE)


def register(world: World, partner, url: str, event_types: list[str] | None = None):
    with world.transaction() as session:
        made, secret = endpoints.register(
            session,
            act(world.keyring, now=clock.now()),
            partner_id=partner.partner_id,
            url=url,
            event_types=event_types or ["*"],
        )
    receiving.trust(url, secret)
    return made, secret


class UntilNothingIsDue(Pump):
    """Ends when there is nothing to send, however long that takes on a busy machine."""

    def _database_turn(self, results: list[Result], free: Free | None) -> Turn:
        with self._database.transaction() as session:
            more = outbox.waiting(session) or session.scalar(
                text("SELECT count(*) FROM webhooks.replay WHERE ended_at IS NULL")
            )
        turn = super()._database_turn(results, free)
        # What came to its end meanwhile had a place that others wait for.
        if free is not None and not (more or turn.messages or results or self._sending or self._results):
            self.stop()
        return turn


def pump(world: World, *, run_s: float | None = None, allowed=LOOPBACK, timeout_s: int = 5) -> Pump:
    """Pump for `run_s` seconds or, without it, until nothing is due."""
    settings = replace(world.settings, webhook_allowed_networks=tuple(allowed), webhook_timeout_s=timeout_s)
    kind = UntilNothingIsDue if run_s is None else Pump
    made = kind(settings, world.database, world.keyring, redis_url=str(settings.redis_url))
    assert made.run(run_s=run_s or 60)
    return made


def one(world: World, partner, endpoint) -> deliveries.Delivery:
    with world.transaction() as session:
        listed = deliveries.of_endpoint(
            session, endpoint_id=endpoint.endpoint_id, partner_id=partner.partner_id, state=None, limit=100
        )
        return deliveries.get(session, delivery_id=listed[0].delivery_id, partner_id=partner.partner_id)


def test_every_event_arrives_signed_and_once(world, partner, receiver) -> None:
    register(world, partner, receiver.url)
    member = world.member()
    for _ in range(30):
        world.earn(partner.partner_id, member, 10)
    pump(world)
    told = [headers["webhook-id"] for headers in receiver.headers]
    assert len(told) == len(set(told)) == 30
    assert world.count("webhooks.delivery WHERE state = 'delivered'") == 30
    assert world.count("webhooks.attempt WHERE outcome = 'succeeded'") == 30


def test_an_event_goes_to_the_partner_it_concerns_and_only_for_the_types_asked(world, partner, receiver) -> None:
    register(world, partner, receiver.url, ["points.burned"])
    member = world.member()
    world.earn(partner.partner_id, member, 10)
    world.burn(ids.new(), member, 4)
    burned = world.burn(partner.partner_id, member, 5)
    pump(world)
    assert len(receiver.bodies) == 1
    assert ids.show(ids.TRANSACTION, burned.transaction_id).encode() in receiver.bodies[0]


def test_a_failure_is_written_down_and_tried_again_later(world, partner, receiver) -> None:
    endpoint, _ = register(world, partner, receiver.url)
    receiver.status, receiver.headers_out = 503, {"Retry-After": "3600"}
    world.earn(partner.partner_id, world.member(), 10)
    pump(world)
    failed = one(world, partner, endpoint)
    assert (failed.state, failed.attempts_made) == ("pending", 1)
    assert [(a.outcome, a.status_code) for a in failed.attempts or []] == [("failed", 503)]
    assert failed.due_at > clock.now() + timedelta(minutes=59)
    receiver.status = 204
    with world.transaction() as session:
        deliveries.retry(session, delivery_id=failed.delivery_id, partner_id=partner.partner_id, now=clock.now())
    pump(world)
    assert [a.outcome for a in one(world, partner, endpoint).attempts or []] == ["failed", "succeeded"]
    # One trace for the event, named like it, and a span for each attempt.
    sent = [headers["traceparent"] for headers in receiver.headers]
    traces = [Trace(*trace.split("-")[1:]) for trace in sent]
    assert {trace.trace_id for trace in traces} == {failed.event_id.hex}
    assert len({trace.span_id for trace in traces}) == len(traces) == 2
    assert [tracing.begin(trace).trace_id for trace in sent] == [failed.event_id.hex] * 2
    with pytest.raises(AlreadyDelivered), world.transaction() as session:
        deliveries.retry(session, delivery_id=failed.delivery_id, partner_id=partner.partner_id, now=clock.now())


def test_a_redirect_is_not_followed(world, partner, receiver) -> None:
    endpoint, _ = register(world, partner, receiver.url)
    receiver.status, receiver.headers_out = 307, {"Location": receiver.url}
    world.earn(partner.partner_id, world.member(), 10)
    pump(world)
    assert len(receiver.bodies) == 1
    assert one(world, partner, endpoint).state == "pending"


def test_410_disables_the_endpoint_which_keeps_gathering_its_events(world, partner, receiver) -> None:
    endpoint, _ = register(world, partner, receiver.url)
    receiver.status = 410
    member = world.member()
    world.earn(partner.partner_id, member, 10)
    pump(world)
    world.earn(partner.partner_id, member, 10)
    pump(world)
    with world.transaction() as session:
        found = endpoints.get(session, endpoint_id=endpoint.endpoint_id, partner_id=partner.partner_id)
    assert found.status == "disabled"
    assert len(receiver.bodies) == 1
    assert world.count("webhooks.delivery WHERE state = 'pending'") == 2


def test_private_addresses_are_refused_at_the_connection(world, partner, receiver) -> None:
    endpoint, _ = register(world, partner, receiver.url.replace("127.0.0.1", "localhost"))
    world.earn(partner.partner_id, world.member(), 10)
    pump(world, allowed=())
    assert receiver.bodies == []
    assert (
        one(world, partner, endpoint).attempts[0].error
        == "the host's name leads to no address that we send webhooks to"
    )


def garbage(listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.recv(65_536)
            connection.sendall(b"SSH-2.0-secret\x00 inside\r\n" * 40)


def test_an_error_tells_neither_addresses_nor_what_a_foreign_server_said(world, partner) -> None:
    closed = socket.create_server(("127.0.0.1", 0))
    odd = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=garbage, args=(odd,), daemon=True).start()
    told = {}
    for url in (
        "http://localhost:{closed}/", "http://localhost:{odd}/", "https://localhost:{odd}/", "http://no-such.invalid/"
    ):  # fmt: skip
        url = url.format(closed=closed.getsockname()[1], odd=odd.getsockname()[1])
        told[register(world, partner, url)[0].endpoint_id] = url
    closed.close()
    world.earn(partner.partner_id, world.member(), 1)
    pump(world, timeout_s=3)
    odd.close()
    with world.transaction() as session:
        errors = session.scalars(text("SELECT error FROM webhooks.attempt")).all()
    assert set(errors) == {
        "the connection was refused", "the answer is not HTTP", "the host and we could not agree on TLS",
        "the host's name leads to no address that we send webhooks to",
    }  # fmt: skip


def test_what_a_killed_pump_had_claimed_is_sent_by_the_next(world, partner, receiver) -> None:
    register(world, partner, receiver.url)
    world.earn(partner.partner_id, world.member(), 10)
    with world.transaction() as session:
        fan_out(session, now=clock.now(), keyring=world.keyring)
        claims = queue.claim(session, now=clock.now(), free=Places().free([]))
    assert [claim.attempt_no for claim in claims] == [1]
    pump(world)
    assert len(receiver.bodies) == 1
    assert world.count("webhooks.attempt WHERE outcome = 'unknown'") == 1


def test_an_endpoint_that_hangs_delays_nobody_else(world, partner, receiver) -> None:
    hanging = socket.create_server(("127.0.0.1", 0), backlog=200)
    register(world, partner, f"http://127.0.0.1:{hanging.getsockname()[1]}/hangs")
    register(world, partner, receiver.url)
    member = world.member()
    for _ in range(60):
        world.earn(partner.partner_id, member, 1)
    running = threading.Thread(target=pump, args=(world,), kwargs={"run_s": 3, "timeout_s": 4})
    began = time.monotonic()
    running.start()
    while len(receiver.bodies) < 60 and time.monotonic() - began < 3:
        time.sleep(0.02)
    took = time.monotonic() - began
    running.join()
    hanging.close()
    assert len(receiver.bodies) == 60, f"after {took} s"


def test_what_overhears_its_cancellation_is_cancelled_again() -> None:
    """Redis's client did now and then, as its server came back; its pump kept its slot and never ended."""

    async def overhears() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(60)

    async def run() -> bool:
        task = asyncio.create_task(overhears())
        await asyncio.sleep(0)
        await asyncio.wait_for(cancelled(task), 10)
        return task.cancelled()

    assert asyncio.run(run())


def test_a_pump_leaves_at_once_when_all_slots_are_taken(world) -> None:
    settings = world.settings
    first = Pump(settings, world.database, world.keyring, redis_url=str(settings.redis_url))
    running = threading.Thread(target=first.run, kwargs={"run_s": 2})
    running.start()
    time.sleep(0.5)
    second = Pump(settings, world.database, world.keyring, redis_url=str(settings.redis_url))
    assert second.run(run_s=2, most=1) is False
    running.join()


def test_positions_are_given_once_and_without_gaps(world, partner, receiver) -> None:
    register(world, partner, receiver.url)
    member = world.member()
    for _ in range(5):
        world.earn(partner.partner_id, member, 1)
    rounds = []
    for _ in range(3):
        with world.transaction() as session:
            rounds.append(fan_out(session, now=clock.now(), keyring=world.keyring).total())
    with world.transaction() as session:
        positions = session.scalars(text("SELECT position FROM kit.event ORDER BY position")).all()
        session.execute(text("SELECT pg_stat_force_next_flush()"))  # else the next test counts the rows read here
    assert rounds == [6, 0, 0]
    assert positions == [1, 2, 3, 4, 5, 6]


def test_no_turn_reads_a_table_from_end_to_end(world, partner, receiver) -> None:
    register(world, partner, receiver.url)
    member = world.member()
    for _ in range(300):
        world.earn(partner.partner_id, member, 1)
    before = _rows_read_by_scans(world)
    pump(world)
    assert len(receiver.bodies) == 300
    assert _rows_read_by_scans(world) == before


def _rows_read_by_scans(world: World) -> dict[str, int]:
    world.database.close()  # a session hands in its figures as it ends
    time.sleep(0.3)
    with world.transaction() as session:
        return dict(
            session.execute(
                # But for the root key's rows, one for each secret key there was: read once, at the start.
                text("""
                    SELECT relname, seq_tup_read FROM pg_stat_user_tables
                    WHERE schemaname IN ('kit', 'webhooks') AND relname <> 'root_key'
                """)
            ).fetchall()
        )


def test_endpoints_of_somebody_that_never_answer_delay_nobody_elses(world, partner, receiver) -> None:
    hanging = socket.create_server(("127.0.0.1", 0), backlog=2_000)
    other = world.partner("fuelway")
    for n in range(20):
        register(world, other, f"http://127.0.0.1:{hanging.getsockname()[1]}/{n}")
    register(world, partner, receiver.url)
    member = world.member()
    for _ in range(60):
        world.earn(other.partner_id, member, 1)
    running = threading.Thread(target=pump, args=(world,), kwargs={"run_s": 6, "timeout_s": 3})
    running.start()
    time.sleep(2.5)  # all of theirs hang by now
    began = time.monotonic()
    for _ in range(10):
        world.earn(partner.partner_id, member, 1)
    while len(receiver.bodies) < 10 and time.monotonic() - began < 3:
        time.sleep(0.02)
    took = time.monotonic() - began
    running.join()
    hanging.close()
    assert len(receiver.bodies) == 10
    assert took < 2.5, took


def test_names_that_nobody_resolves_delay_nobody_else(world, partner, receiver, monkeypatch) -> None:
    real, over = socket.getaddrinfo, threading.Event()

    def never_for_others(host, *args, **kwargs):
        if host.endswith(".example"):
            over.wait(10)
            raise socket.gaierror("no answer")
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", never_for_others)  # other people's name servers
    other = world.partner("fuelway")
    for n in range(20):
        register(world, other, f"https://n{n}.example/")
    register(world, partner, receiver.url.replace("127.0.0.1", "localhost"))
    member = world.member()
    world.earn(other.partner_id, member, 1)
    world.earn(partner.partner_id, member, 1)
    running = threading.Thread(target=pump, args=(world,), kwargs={"run_s": 2, "timeout_s": 4})
    running.start()
    began = time.monotonic()
    while not receiver.bodies and time.monotonic() - began < 3:
        time.sleep(0.02)
    over.set()
    running.join()
    assert len(receiver.bodies) == 1


def test_what_many_endpoints_are_to_hear_is_fanned_out_in_bounded_steps(world, partner) -> None:
    with world.transaction() as session:  # from before endpoints were bounded
        for n in range(1_500):
            session.execute(
                text("""
                    INSERT INTO webhooks.endpoint
                    VALUES (gen_random_uuid(), :partner, :url, '{*}', 'x', 'enabled', now())
                """),
                {"partner": partner.partner_id, "url": f"https://x.example/{n}"},
            )
    member = world.member()
    for _ in range(4):
        world.earn(partner.partner_id, member, 1)
    steps = []
    while True:
        with world.transaction() as session:
            if not (done := fan_out(session, now=clock.now(), keyring=world.keyring).total()):
                break
        steps.append(done)
    assert sum(steps) == 5
    assert max(steps) <= 2  # 1,500 deliveries each, and one event that nobody is told of
    assert world.count("webhooks.delivery") == 6_000


def test_a_partner_has_so_many_endpoints_the_disabled_among_them_however_fast_it_asks(world, partner) -> None:
    begun, refused = threading.Barrier(30), []
    for n in range(endpoints.MOST_PER_PARTNER - 20):
        register(world, partner, f"https://x.example/before/{n}")

    def ask(n: int) -> None:
        begun.wait()
        try:
            register(world, partner, f"https://x.example/{n}")
        except endpoints.TooManyEndpoints as error:
            refused.append(error)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(refused), world.count("webhooks.endpoint")) == (10, endpoints.MOST_PER_PARTNER)
    with world.transaction() as session:
        first, *_ = endpoints.of_partner(session, partner.partner_id)
        asked = {"endpoint_id": first.endpoint_id, "partner_id": partner.partner_id}
        endpoints.set_status(session, act(), status="disabled", expected_version=None, **asked)
    with pytest.raises(endpoints.TooManyEndpoints):
        register(world, partner, "https://x.example/disabled-counts")
    with world.transaction() as session:
        endpoints.remove(session, act(now=clock.now()), **asked)
    register(world, partner, "https://x.example/in-its-place")


def test_nothing_is_sent_to_or_kept_for_an_endpoint_that_was_removed(world, partner, receiver) -> None:
    endpoint, _ = register(world, partner, receiver.url)
    asked = {"endpoint_id": endpoint.endpoint_id, "partner_id": partner.partner_id}
    member = world.member()
    world.earn(partner.partner_id, member, 1)
    with world.transaction() as session:
        fan_out(session, now=clock.now(), keyring=world.keyring)
        endpoints.remove(session, act(now=clock.now()), **asked)
        with pytest.raises(endpoints.EndpointNotFound):
            endpoints.set_status(session, act(), status="enabled", expected_version=None, **asked)
        with pytest.raises(endpoints.EndpointNotFound):
            endpoints.remove(session, act(now=clock.now()), **asked)
        assert endpoints.of_partner(session, partner.partner_id) == []
    world.earn(partner.partner_id, member, 1)
    pump(world)
    assert receiver.bodies == []
    assert world.count("webhooks.delivery") == 1


def test_retries_by_hand_leave_the_schedule_as_it_is(world, partner, receiver) -> None:
    endpoint, _ = register(world, partner, receiver.url)
    receiver.status = 503
    world.earn(partner.partner_id, world.member(), 10)
    pump(world)
    for _ in range(4):
        asked = one(world, partner, endpoint)
        for _ in range(2):  # the second finds it due already
            with world.transaction() as session:
                deliveries.retry(session, delivery_id=asked.delivery_id, partner_id=partner.partner_id, now=clock.now())
        pump(world)
    found = one(world, partner, endpoint)
    assert (found.state, found.attempts_made) == ("pending", 5)
    assert found.due_at < clock.now() + timedelta(seconds=7)  # as after the first of the schedule


def test_a_retry_at_a_disabled_endpoint_is_refused(world, partner, receiver) -> None:
    endpoint, _ = register(world, partner, receiver.url)
    receiver.status = 410
    world.earn(partner.partner_id, world.member(), 10)
    pump(world)
    with pytest.raises(deliveries.EndpointDisabled), world.transaction() as session:
        deliveries.retry(
            session,
            delivery_id=one(world, partner, endpoint).delivery_id,
            partner_id=partner.partner_id,
            now=clock.now(),
        )
