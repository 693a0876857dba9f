"""Tokens for receivers: got from real servers that hang, lie and take them back, and used until they are over."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import Any
from urllib.parse import parse_qs, unquote_plus
from uuid import UUID

import pytest
from sqlalchemy import text

from kit import clock
from partners.accounts import Partner
from tests import receiving
from tests.conftest import World, act
from tests.webhooks import hostile
from tests.webhooks.hostile import Behaviour, Receivers, answers
from tests.webhooks.test_pump import UntilNothingIsDue, pump
from webhooks import authentication, endpoints, receiver_tokens
from webhooks.connections import LARGEST_RESPONSE_BYTES, Answer
from webhooks.receiver_tokens import NoToken, token_in

SECRET = "xyzzy+ %:/"
OK = b"HTTP/1.1 200 OK\r\n"
NO_TOKEN = "the token endpoint did not give a token: "


def said(body: bytes, status: bytes = b"HTTP/1.1 200 OK\r\n", headers: bytes = b"") -> bytes:
    return status + headers + b"Content-Length: %d\r\n\r\n" % len(body) + body


def gives(**answer: Any) -> Behaviour:
    return answers(said(json.dumps({"token_type": "Bearer", "access_token": "t", **answer}).encode()))


class TokenServer:
    """Gives t1, t2 … to whoever asks, after `delay_s`; keeps what it was asked."""

    def __init__(self, *, delay_s: float = 0, **answer: Any) -> None:
        self.asked: list[tuple[str, bytes]] = []
        self._delay_s, self._answer, self._numbers = delay_s, answer, count(1)

    async def __call__(self, reader: Any, writer: Any) -> None:
        head, _, body = (await reader.request()).partition(b"\r\n\r\n")
        self.asked.append((head.decode(), body))
        token = {"token_type": "bearer", "access_token": f"t{next(self._numbers)}", "expires_in": 600, **self._answer}
        await asyncio.sleep(self._delay_s)
        await writer.say(said(json.dumps(token).encode()))


class Receiver:
    """Answers 204 to messages with a token that it has not taken back; keeps which it saw, and when."""

    def __init__(self, *, takes_back_after: int | None = None, status: int = 401) -> None:
        self.seen: list[str] = []
        self.at_s: list[float] = []
        self.taken_back = {""}
        self._takes_back_after, self._status = takes_back_after, status

    async def __call__(self, reader: Any, writer: Any) -> None:
        while True:
            head = (await reader.request()).partition(b"\r\n\r\n")[0].decode()
            [token] = [line[22:] for line in head.split("\r\n") if line.startswith("Authorization: Bearer ")] or [""]
            self.seen.append(token)
            self.at_s.append(time.monotonic())
            status = self._status if token in self.taken_back else 204
            if len(self.seen) == self._takes_back_after:
                self.taken_back.add(token)
            await writer.say(b"HTTP/1.1 %d So\r\nContent-Length: 0\r\n\r\n" % status)


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    made = Receivers()
    yield made
    made.close()


@pytest.fixture
def partner(world: World) -> Partner:
    return world.partner("greengrocer")


def registered(world: World, partner: Partner, port: int, token_port: int, **more: Any) -> UUID:
    """An endpoint that wants a token; `more` are fields of its authentication, or settings of its own."""
    fields = {name: more.pop(name) for name in [*more] if name in ("scope", "audience", "resource", "token_url")}
    fields["client_authentication"] = more.pop("client_authentication", "basic")
    given = {
        "type": "oauth2", "token_url": f"http://127.0.0.1:{token_port}/token", "client_id": "us & co",
        "client_secret": SECRET, **fields,
    }  # fmt: skip
    with world.transaction() as session:
        made, secret = endpoints.register(
            session, act(world.keyring, now=clock.now()), partner_id=partner.partner_id,
            url=f"http://127.0.0.1:{port}/", event_types=["*"],
            settings={"authentication": authentication.parse(given, now=clock.now()), **more},
        )  # fmt: skip
    receiving.trust(made.url, secret)
    receiving.current().expect_wrong(given["token_url"])  # a request for a token is no webhook
    return made.endpoint_id


@dataclass(frozen=True)
class Attempt:
    """What came of the newest attempt."""

    state: str
    status_code: int | None
    error: str | None
    duration_ms: int
    attempts: int
    response: bytes | None
    failures: int


def newest(world: World, endpoint_id: UUID) -> list[Attempt]:
    with world.transaction() as session:
        rows = session.execute(
            text("""
                SELECT d.state, a.status_code, a.error, a.duration_ms, d.attempts, a.response, coalesce(s.failures, 0)
                FROM webhooks.delivery d
                JOIN webhooks.attempt a ON a.delivery_id = d.delivery_id AND a.attempt_no = d.attempts
                LEFT JOIN webhooks.endpoint_state s USING (endpoint_id)
                WHERE d.endpoint_id = :id ORDER BY d.position
            """),
            {"id": endpoint_id},
        ).all()
    return [Attempt(*row) for row in rows]


def earn(world: World, partner: Partner, times: int = 1) -> None:
    member_id = world.member()
    for _ in range(times):
        world.earn(partner.partner_id, member_id, 1)


def test_one_token_serves_all_messages_of_its_endpoint(world: World, partner: Partner, receivers: Receivers) -> None:
    server, receiver = TokenServer(delay_s=0.2), Receiver()
    port = receivers.serve("receiver", receiver)
    endpoint = registered(world, partner, port, receivers.serve("tokens", server), scope="a b", resource="urn:x:1")
    earn(world, partner, 10)
    pump(world)
    assert {(one.state, one.status_code, one.attempts) for one in newest(world, endpoint)} == {("delivered", 204, 1)}
    assert receiver.seen == ["t1"] * 10
    [(head, body)] = server.asked
    assert head.startswith("POST /token HTTP/1.1\r\n")
    assert "Content-Type: application/x-www-form-urlencoded" in head.split("\r\n")
    [basic] = [line.removeprefix("Authorization: Basic ") for line in head.split("\r\n") if "Basic " in line]
    assert [unquote_plus(part) for part in base64.b64decode(basic).decode().split(":")] == ["us & co", SECRET]
    assert parse_qs(body.decode(), strict_parsing=True) == {
        "grant_type": ["client_credentials"], "scope": ["a b"], "resource": ["urn:x:1"],
    }  # fmt: skip


def test_a_server_that_wants_the_secret_in_the_body_gets_it_there(
    world: World, partner: Partner, receivers: Receivers
) -> None:
    server, receiver = TokenServer(), Receiver()
    port = receivers.serve("receiver", receiver)
    registered(
        world, partner, port, receivers.serve("tokens", server), client_authentication="post", audience="https://a b"
    )
    earn(world, partner)
    pump(world)
    [(head, body)] = server.asked
    assert "Authorization" not in head
    assert parse_qs(body.decode()) == {
        "grant_type": ["client_credentials"], "client_id": ["us & co"], "client_secret": [SECRET],
        "audience": ["https://a b"],
    }  # fmt: skip
    assert receiver.seen == ["t1"]


def test_a_token_that_is_taken_back_is_replaced_within_the_attempt(
    world: World, partner: Partner, receivers: Receivers
) -> None:
    server, receiver = TokenServer(), Receiver(takes_back_after=1)
    port = receivers.serve("receiver", receiver)
    endpoint = registered(world, partner, port, receivers.serve("tokens", server), ordering="strict")
    earn(world, partner, 3)
    pump(world)
    assert [(one.state, one.attempts) for one in newest(world, endpoint)] == [("delivered", 1)] * 3
    assert (receiver.seen, len(server.asked)) == (["t1", "t1", "t2", "t2"], 2)


@pytest.mark.parametrize("status", [401, 403])
def test_a_receiver_that_refuses_a_new_token_has_failed(
    world: World, partner: Partner, receivers: Receivers, status: int
) -> None:
    server, receiver = TokenServer(), Receiver(status=status)
    receiver.taken_back.add("t1")
    port = receivers.serve("receiver", receiver)
    endpoint = registered(world, partner, port, receivers.serve("tokens", server))
    earn(world, partner)
    pump(world)
    [found] = newest(world, endpoint)
    assert (found.state, found.status_code, found.error, found.failures) == ("pending", status, None, 1)
    assert (receiver.seen, len(server.asked)) == (["t1"], 1)


def test_a_token_is_used_until_shortly_before_it_is_over(
    world: World, partner: Partner, receivers: Receivers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver_tokens, "LEAST_KEPT_S", 0.0)
    short, long = TokenServer(expires_in=30), TokenServer(expires_in=90)
    seen = {server: Receiver() for server in (short, long)}
    for server, receiver in seen.items():
        registered(
            world, partner, receivers.serve("receiver", receiver), receivers.serve("tokens", server), ordering="strict"
        )
    earn(world, partner, 3)
    pump(world)
    assert seen[short].seen == ["t1", "t2", "t3"]
    assert seen[long].seen == ["t1", "t1", "t1"]


def test_a_changed_endpoint_gets_a_token_of_its_own(world: World, partner: Partner, receivers: Receivers) -> None:
    server, receiver = TokenServer(), Receiver()
    port, token_port = receivers.serve("receiver", receiver), receivers.serve("tokens", server)
    registered(world, partner, port, token_port)
    registered(world, partner, port, token_port)
    earn(world, partner)
    pump(world)
    assert sorted(receiver.seen) == ["t1", "t2"]


MEBIBYTE = 1 << 20
FAILURES = {
    "wrong secret": (answers(said(b'{"error": "invalid_client xyzzy"}', b"HTTP/1.1 401 xyzzy\r\n")), "401"),
    "error": (answers(said(b"", b"HTTP/1.1 500 No\r\n")), "500"),
    "hangs": (hostile.hangs, "no complete answer within 5 s"),
    "10 MB": (answers(said(b"x" * (10 * MEBIBYTE))), "its answer is too large"),
    "JSON that is too large": (gives(more="x" * LARGEST_RESPONSE_BYTES), "its answer is too large"),
    "not JSON": (answers(said(b"<html>xyzzy")), "its answer is not JSON"),
    "deep": (answers(said(b"[" * 60_000)), "its answer is not JSON"),
    "list": (answers(said(b'["xyzzy"]')), "its answer is not a JSON object"),
    "another type": (gives(token_type="mac"), "its token_type is not Bearer"),
    "no type": (gives(token_type=None), "its token_type is not Bearer"),
    "CRLF": (gives(access_token="t\r\nX-Admin: 1"), "its access_token is not visible ASCII of up to 8192 characters"),
    "long": (gives(access_token="t" * 8193), "its access_token is not visible ASCII of up to 8192 characters"),
    "empty": (gives(access_token=""), "its access_token is not visible ASCII of up to 8192 characters"),
    "number": (gives(access_token=1), "its access_token is not visible ASCII of up to 8192 characters"),
    "closes": (answers(b""), "the connection ended before the answer"),
    "no HTTP": (answers(b"xyzzy\r\n\r\n"), "the answer is not HTTP"),
}  # fmt: skip


def test_without_a_token_the_attempt_has_failed_and_nobody_else_is_hurt(
    world: World, partner: Partner, receivers: Receivers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    trap = receivers.serve("trap", answers(OK + b"Content-Length: 0\r\n\r\n"))
    location = b"Location: http://127.0.0.1:%d/\r\n" % trap
    redirects = answers(said(b"", b"HTTP/1.1 307 Elsewhere\r\n", location))
    cases = {**FAILURES, "redirects": (redirects, "307")}
    once = {"timeout_s": 5, "retry_delays_s": [600]}
    expected = {
        registered(world, partner, trap, receivers.serve(name, behaviour), **once): error
        for name, (behaviour, error) in cases.items()
    }
    expected[registered(world, partner, trap, 1, **once)] = "the connection was refused"
    healthy, neighbour = Receiver(), world.partner("fuelway")
    beside = registered(
        world, neighbour, receivers.serve("healthy", healthy), receivers.serve("healthy tokens", TokenServer())
    )
    member_id = world.member()
    for one in (partner, *[neighbour] * 5):
        world.earn(one.partner_id, member_id, 1)
    began = time.monotonic()
    pump(world)
    assert time.monotonic() - began < 20
    for endpoint, error in expected.items():
        [found] = newest(world, endpoint)
        assert (found.state, found.status_code, found.error) == ("pending", None, NO_TOKEN + error)
        assert (found.failures, found.response) == (1, b"")
    assert {one.state for one in newest(world, beside)} == {"delivered"}
    assert healthy.seen == ["t1"] * 5
    assert max(healthy.at_s) - min(healthy.at_s) < 4, "before the server that hangs was given up"
    assert receivers.requests["trap"] == 0
    assert receivers.sent["10 MB"] < 8 * MEBIBYTE
    assert "xyzzy" not in caplog.text


def test_the_token_endpoint_s_address_is_checked_as_a_receiver_s_is(
    world: World, partner: Partner, receivers: Receivers
) -> None:
    server, receiver = TokenServer(), Receiver()
    port = receivers.serve("tokens", server, host="127.0.0.2")
    endpoint = registered(
        world, partner, receivers.serve("receiver", receiver), port, token_url=f"http://127.0.0.2:{port}/"
    )
    earn(world, partner)
    pump(world, allowed=(ipaddress.ip_network("127.0.0.1/32"),))
    [found] = newest(world, endpoint)
    assert found.error == NO_TOKEN + "the host's name leads to no address that we send webhooks to"
    assert (server.asked, receiver.seen) == ([], [])


def test_a_token_that_our_own_proxy_keeps_from_us_counts_for_nobody(
    world: World, partner: Partner, receivers: Receivers
) -> None:
    server = TokenServer()
    endpoint = registered(world, partner, 1, receivers.serve("tokens", server), token_url="https://login.example/")
    earn(world, partner)
    chosen = replace(world.settings, webhook_proxy="http://127.0.0.1:1")
    assert UntilNothingIsDue(chosen, world.database, world.keyring, redis_url=str(chosen.redis_url)).run(run_s=30)
    [found] = newest(world, endpoint)
    assert (found.error, found.failures) == (NO_TOKEN + "our egress proxy does not answer", 0)
    assert (server.asked, world.count("webhooks.traffic")) == ([], 0)


def test_the_token_is_got_within_the_attempt_s_own_time(world: World, partner: Partner, receivers: Receivers) -> None:
    port = receivers.serve("receiver", hostile.hangs)
    endpoint = registered(world, partner, port, receivers.serve("tokens", TokenServer(delay_s=0.7)), timeout_s=1)
    earn(world, partner)
    pump(world)
    [found] = newest(world, endpoint)
    assert found.error == "no complete answer within 1 s"
    assert 950 <= found.duration_ms < 1500


@pytest.mark.parametrize(
    ("expires_in", "kept_s"),
    [(600, 570), ("600", 570), (90.5, 60.5), (31, 5), (0, 5), (-1, 5), (10**9, 3600), (10**400, 270), ("1e999", 3600),
     (None, 270), ("soon", 270), ([], 270), (True, 5)],
)  # fmt: skip
def test_how_long_a_token_is_kept(expires_in: Any, kept_s: float) -> None:
    body = {"token_type": "BEARER", "access_token": "t", "expires_in": expires_in}
    token = token_in(Answer(status=200, body=json.dumps(body).encode()))
    assert token.until_s - token.got_s == pytest.approx(kept_s)


def test_a_lifetime_that_is_no_number_is_none() -> None:
    token = token_in(Answer(status=200, body=b'{"token_type": "bearer", "access_token": "t", "expires_in": NaN}'))
    assert token.until_s - token.got_s == pytest.approx(270)


def test_a_server_that_is_busy_is_asked_as_late_as_it_says_and_our_own_fault_stays_ours() -> None:
    with pytest.raises(NoToken) as late:
        token_in(Answer(status=503, retry_after="60", remote_ip="192.0.2.1", body=b"xyzzy"))
    assert late.value.answer == Answer(error=NO_TOKEN + "503", retry_after="60")
    with pytest.raises(NoToken) as ours:
        token_in(Answer(error="our egress proxy does not answer", is_ours=True))
    assert (ours.value.answer.is_ours, ours.value.answer.succeeded) == (True, False)
