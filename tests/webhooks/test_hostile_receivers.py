"""Receivers that hang, drip, flood, lie and break off, all at once and beside a healthy one, over real sockets."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from kit import clock
from partners.accounts import Partner
from tests import receiving
from tests.conftest import World, act
from tests.webhooks import hostile
from tests.webhooks.hostile import Behaviour, Receivers, answers, drips
from tests.webhooks.test_pump import pump
from webhooks import deliveries, endpoints
from webhooks.endpoints import Endpoint
from webhooks.sender import LARGEST_RESPONSE_BYTES

TIMEOUT_S = 1
PATIENT_S = 10  # where something else is to end the attempt, however busy the machine
SLOWER = 2.0  # beyond the timeout
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
EMPTY = b"Content-Length: 0\r\n\r\n"
HUGE = b"x" * 10_000_000
MEBIBYTE = 1 << 20

LATE = "no complete answer within 1 s"
NO_ANSWER = "the connection ended before the answer"
CUT = "the connection ended within the answer"
TOO_MUCH = "too much came before the answer"
NOT_HTTP = "the answer is not HTTP"
CERTIFICATE = "the host's certificate is not valid"


@dataclass(frozen=True)
class Case:
    """How a receiver behaves, and what has to become of an attempt at it."""

    behaviour: Behaviour
    status: int | None = None
    error: str | None = None
    waits: timedelta = timedelta(seconds=5)  # at least, until the next attempt

    @property
    def timeout_s(self) -> int:
        return TIMEOUT_S if self.error == LATE else PATIENT_S

    @property
    def is_taken(self) -> bool:
        return self.error is None and self.status in (200, 204)

    @property
    def state(self) -> str:
        return "delivered" if self.is_taken else "pending"


def sized(head: bytes, body: bytes) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def asks_to_wait(value: bytes, *, waits: timedelta) -> Case:
    return Case(answers(b"HTTP/1.1 503 Busy\r\nRetry-After: " + value + b"\r\n" + EMPTY), 503, waits=waits)


def redirects(status: int, to: str) -> Case:
    head = f"HTTP/1.1 {status} Elsewhere\r\nLocation: {to}\r\nRefresh: 0; url={to}\r\n"
    return Case(answers(head.encode() + EMPTY), status)


SOON, A_DAY = timedelta(seconds=5), timedelta(hours=24)


def cases(trap: int) -> dict[str, Case]:
    """Every receiver by its name; `trap` is the port of one that nobody may ask."""
    return {
        "hangs": Case(hostile.hangs, None, LATE),
        "drips the status": Case(drips(b"HTTP/1.1 200 ", b"O", every_s=0.2), None, LATE),
        "drips headers": Case(drips(OK, b"a: b\r\n", every_s=0.1), None, LATE),
        "drips the body": Case(drips(OK + b"Content-Length: 1000\r\n\r\n", b"x", every_s=0.1), 200, LATE),
        "drips chunks": Case(drips(CHUNKED, b"1\r\nx\r\n", every_s=0.1), 200, LATE),
        "10 MB": Case(answers(sized(OK, HUGE)), 200),
        "never ends": Case(drips(OK + b"Connection: close\r\n\r\n", b"y" * MEBIBYTE, every_s=0), 200),
        "gzip bomb": Case(answers(sized(OK + b"Content-Encoding: gzip\r\n", gzip.compress(bytes(50 * MEBIBYTE)))), 200),
        "deflate that is none": Case(answers(sized(OK + b"Content-Encoding: deflate\r\n", b"none")), 200),
        "NUL and no UTF-8": Case(answers(sized(OK + b"X-A: \xff\xfe\r\n", b"\0\xff\xc3\x28\0")), 200),
        "NUL in a header": Case(answers(OK + b"X-A: a\0b\r\n" + EMPTY), None, NOT_HTTP),
        "thousands of headers": Case(answers(OK + b"a: b\r\n" * 20_000 + EMPTY), None, NOT_HTTP),
        "a giant header": Case(answers(OK + b"a: " + HUGE + b"\r\n" + EMPTY), None, NOT_HTTP),
        "a giant status line": Case(answers(b"HTTP/1.1 200 " + HUGE), None, NOT_HTTP),
        "headers without end": Case(drips(OK, b"a: b\r\n" * 10_000, every_s=0), None, NOT_HTTP),
        "1xx without end": Case(drips(b"", b"HTTP/1.1 103 Early\r\n\r\n" * 10_000, every_s=0), None, TOO_MUCH),
        "blank lines without end": Case(drips(b"", b"\r\n" * 30_000, every_s=0), None, TOO_MUCH),
        "chunk extension without end": Case(drips(CHUNKED + b"1;", b"a" * 60_000, every_s=0), 200, CUT),
        "1xx, then an answer": Case(answers(b"HTTP/1.1 102 P\r\n\r\n" * 3 + b"HTTP/1.1 204 OK\r\n\r\n"), 204),
        "another protocol": Case(answers(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nx"), 101),
        "metadata": redirects(302, "http://169.254.169.254/latest/meta-data/"),
        "elsewhere 301": redirects(301, f"http://127.0.0.1:{trap}/"),
        "elsewhere 303": redirects(303, f"//127.0.0.1:{trap}/"),
        "elsewhere 307": redirects(307, f"http://localhost:{trap}/"),
        "elsewhere 308": redirects(308, f"\\\\127.0.0.1:{trap}\\"),
        "closes at once": Case(answers(b""), None, NO_ANSWER),
        "resets": Case(hostile.resets, None, NO_ANSWER),
        "closes in the status": Case(answers(b"HTTP/1.1 2"), None, NO_ANSWER),
        "closes in the headers": Case(answers(OK + b"Content-Le"), None, NO_ANSWER),
        "closes in the body": Case(answers(OK + b"Content-Length: 100\r\n\r\nxx"), 200, CUT),
        "closes in a chunk": Case(answers(CHUNKED + b"5\r\nxx"), 200, CUT),
        "no HTTP": Case(answers(b"<html>HTTP/0.9 \0 says hello</html>\n" * 50), None, NOT_HTTP),
        "another's status": Case(answers(b"HTTP/1.1 99999 Lots\r\n" + EMPTY), None, NOT_HTTP),
        "no status": Case(answers(b"HTTP/1.1 -1 Less\r\n" + EMPTY), None, NOT_HTTP),
        "bad chunk size": Case(answers(CHUNKED + b"zz\r\nxx\r\n0\r\n\r\n"), None, NOT_HTTP),
        "negative chunk": Case(answers(CHUNKED + b"-5\r\nxx\r\n0\r\n\r\n"), None, NOT_HTTP),
        "endless chunk": Case(answers(CHUNKED + b"" + b"F" * 40 + b"\r\nx"), None, NOT_HTTP),
        "two lengths": Case(answers(OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"), None, NOT_HTTP),
        "negative length": Case(answers(OK + b"Content-Length: -5\r\n\r\nxx"), None, NOT_HTTP),
        "answers first": Case(hostile.answers_first, 204),
        "closes a kept connection": Case(hostile.keeps_open_for_one, 204),
        "expired": Case(answers(OK + EMPTY), None, CERTIFICATE),
        "self-signed": Case(answers(OK + EMPTY), None, CERTIFICATE),
        "cookies": Case(answers(OK + b"Set-Cookie: a=b; Domain=localhost\r\n" + EMPTY), 200),
        "wait -1": asks_to_wait(b"-1", waits=SOON),
        "wait 1e30": asks_to_wait(b"1e30", waits=SOON),
        "wait 9 times 9": asks_to_wait(b"999999999", waits=A_DAY),
        "wait no number": asks_to_wait(b"\xd9\xa3", waits=SOON),
        "wait until long ago": asks_to_wait(b"Wed, 21 Oct 2015 07:28:00 GMT", waits=SOON),
        "wait a hundred years": asks_to_wait(b"Sun, 06 Nov 2126 08:49:37 GMT", waits=A_DAY),
        "wait for year 9999": asks_to_wait(b"Fri, 31 Dec 9999 23:59:60 GMT", waits=A_DAY),
        "healthy": Case(answers(OK + EMPTY), 200),
    }  # fmt: skip


TLS = {"expired": -1, "self-signed": 30}


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    made = Receivers()
    yield made
    made.close()


def test_each_attempt_ends_in_time_and_says_what_was_wrong_and_nobody_else_is_hurt(
    world: World, receivers: Receivers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")  # this process's, not the operator's for webhooks
    partner, neighbour = world.partner("greengrocer"), world.partner("fuelway")
    trap = receivers.serve("trap", answers(OK + EMPTY))
    expected = cases(trap)
    made = {}
    for name, case in expected.items():
        tls = hostile.certificate(tmp_path, days=TLS[name]) if name in TLS else None
        port = receivers.serve(name, case.behaviour, tls=tls)
        url = f"{'http' if tls is None else 'https'}://localhost:{port}/"
        made[name] = _registered(
            world, partner, url, ordering="strict" if "kept" in name else "none", timeout_s=case.timeout_s
        )
    port = receivers.serve("beside", answers(OK + EMPTY))
    beside = _registered(world, neighbour, f"http://127.0.0.1:{port}/", timeout_s=PATIENT_S)
    member, began = world.member(), clock.now()
    for one in (partner, neighbour, partner, neighbour):
        world.earn(one.partner_id, member, 1)
    before = time.monotonic()
    pump(world, timeout_s=TIMEOUT_S)
    assert time.monotonic() - before < PATIENT_S
    found = {name: _deliveries(world, partner, endpoint) for name, endpoint in made.items()}
    assert [fault for name, case in expected.items() for fault in _faults(name, case, found[name], began)] == []
    assert [one.state for one in _deliveries(world, neighbour, beside)] == ["delivered"] * 2
    assert receivers.requests["trap"] == 0
    assert receivers.requests["closes a kept connection"] == 2  # each event once, and no attempt lost
    assert receivers.requests["healthy"] == receivers.requests["beside"] == 2
    # What nobody keeps is not read either, but for what the machine's buffers hold.
    assert max(receivers.sent.values()) < 40 * MEBIBYTE
    with world.transaction() as session:
        kept = session.scalar(text("SELECT max(length(response)) FROM webhooks.attempt"))
    assert kept == LARGEST_RESPONSE_BYTES


def _faults(name: str, case: Case, found: list[deliveries.Delivery], began: datetime) -> Iterator[str]:
    """What differs from what has to become of a receiver's deliveries."""
    if len(found) != 2:
        yield f"{name}: {len(found)} deliveries"
    for one in found:
        (attempt,) = one.attempts or []
        came = (attempt.outcome, attempt.status_code, attempt.error, one.state)
        if came != ("succeeded" if case.is_taken else "failed", case.status, case.error, case.state):
            yield f"{name}: {came}"
        if (attempt.duration_ms or 0) > 1000 * (case.timeout_s + SLOWER):
            yield f"{name}: after {attempt.duration_ms} ms"
        waits = one.due_at - began
        if not case.is_taken and not case.waits <= waits <= case.waits + timedelta(seconds=30):
            yield f"{name}: tried again after {waits}"
        json.dumps(vars(attempt), default=str)  # as its partner reads it


def _registered(world: World, partner: Partner, url: str, **asked: Any) -> Endpoint:
    with world.transaction() as session:
        made, secret = endpoints.register(
            session, act(world.keyring, now=clock.now()), partner_id=partner.partner_id, url=url, event_types=["*"],
            settings=asked,
        )  # fmt: skip
    receiving.trust(url, secret)
    return made


def _deliveries(world: World, partner: Partner, endpoint: Endpoint) -> list[deliveries.Delivery]:
    asked = {"partner_id": partner.partner_id}
    with world.transaction() as session:
        listed = deliveries.of_endpoint(session, endpoint_id=endpoint.endpoint_id, state=None, limit=9, **asked)
        return [deliveries.get(session, delivery_id=one.delivery_id, **asked) for one in listed]
