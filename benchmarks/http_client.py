"""A lean HTTP client: one process, raw sockets, hand-made requests; `python -m benchmarks.http_client`.

It shares the cores with what it measures, so it does as little as it can: 16 keep-alive connections (of batches
fewer), each with one request under way, and of every answer only the status and the length are looked at. JSON in
and out.
"""

from __future__ import annotations

import itertools
import json
import random
import re
import secrets
import selectors
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from uuid import UUID

from benchmarks.fixtures import member_id
from kit import ids, pairwise
from kit.secrets import Keyring
from kit.supervisor import exit_with_parent

LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
CONNECTIONS = 16
WARM_UP_S = 1.0
ANSWER_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Order:
    """What to post where: `points` of random members, each from `least` to `most`.

    With `items` a request is a batch of so many earns, otherwise one posting. The method GET asks instead, at a path
    that names the `{member}`. A `form` is sent as it is, with `token` for the credentials of HTTP Basic.
    Members are named as the partner `partner_id` knows them under the coalition's `root_key`; without it, as we do.
    """

    port: int
    path: str
    token: str
    members: int
    least: int
    most: int
    seconds: float
    items: int | None = None
    connections: int = CONNECTIONS
    method: str = "POST"
    form: str = ""
    partner_id: str = ""
    root_key: str = ""

    @property
    def expected(self) -> bytes:
        """How a good answer begins."""
        return b"HTTP/1.1 200 " if self.items or self.form or self.method == "GET" else b"HTTP/1.1 201 "


@dataclass(frozen=True)
class Outcome:
    """`answered` in `seconds`, all well; `posted` counts the warm-up and what came after the end, too."""

    posted: int
    answered: int
    seconds: float
    median_ms: float
    p99_ms: float


class AnswerError(Exception):
    """An answer that isn't 201, or for a batch 200."""


class _Connection:
    def __init__(self, order: Order) -> None:
        self.socket = socket.create_connection(("127.0.0.1", order.port), timeout=ANSWER_TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent_at = 0.0
        self._expected = order.expected
        self._got = b""

    def send(self, request: bytes) -> None:
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Read what is there; True when the answer is complete. Raises AnswerError."""
        part = self.socket.recv(65_536)
        self._got += part
        head, separator, body = self._got.partition(b"\r\n\r\n")
        if part and not separator:
            return False
        length = LENGTH.search(head)
        if part and length and len(body) < int(length[1]):
            return False
        if not head.startswith(self._expected) or not length:
            raise AnswerError(self._got.decode(errors="replace"))
        self._got = b""
        return True


def post(order: Order) -> Outcome:
    """Post for `order.seconds` behind a second of warm-up. Raises AnswerError, OSError."""
    requests = _requests(order)
    latencies: list[float] = []
    posted = 0
    began = time.perf_counter() + WARM_UP_S
    until = began + order.seconds
    with selectors.DefaultSelector() as selector:
        for connection in [_Connection(order) for _ in range(order.connections)]:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send(next(requests))
            posted += 1
        while selector.get_map():
            for connection in _answered(selector):
                at = time.perf_counter()
                if began <= at < until:
                    latencies.append(at - connection.sent_at)
                if at < until:
                    connection.send(next(requests))
                    posted += 1
                else:
                    selector.unregister(connection.socket)
                    connection.socket.close()
    return _outcome(order, posted, latencies)


def _answered(selector: selectors.BaseSelector) -> Iterator[_Connection]:
    ready = selector.select(ANSWER_TIMEOUT_S)
    if not ready:
        raise AnswerError(f"no answer within {ANSWER_TIMEOUT_S:.0f} s")
    return (event.data for event, _ in ready if event.data.receive())


def _outcome(order: Order, posted: int, latencies: list[float]) -> Outcome:
    found = sorted(latencies) or [0.0]
    return Outcome(
        posted=posted,
        answered=len(latencies),
        seconds=order.seconds,
        median_ms=round(found[len(found) // 2] * 1000, 2),
        p99_ms=round(found[len(found) * 99 // 100] * 1000, 2),
    )


def _requests(order: Order) -> Iterator[bytes]:
    run = secrets.token_hex(6)
    view = order.root_key and pairwise.view_of(Keyring(bytes.fromhex(order.root_key)), UUID(order.partner_id))
    with ids.seen_by(view or ids.OUR_OWN):
        members = [ids.show(ids.MEMBER, member_id(n)) for n in range(1, order.members + 1)]
    if order.method == "GET":
        yield from _questions(order, members)
    if order.form:
        yield from itertools.repeat(_form(order))
    head = (
        f"POST {order.path} HTTP/1.1\r\nHost: 127.0.0.1:{order.port}\r\n"
        f"Authorization: Bearer {order.token}\r\nContent-Type: application/json\r\nIdempotency-Key: "
    )
    for number in itertools.count(1):
        name = f"{run}-{number:08d}"
        if order.items:
            each = (_posting(order, members, f"{name}-{n}", '"kind":"earn",') for n in range(order.items))
            body = f'{{"items":[{",".join(each)}]}}'
        else:
            body = _posting(order, members, name)
        yield f"{head}{run}-{number}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def _questions(order: Order, members: list[str]) -> Iterator[bytes]:
    rest = f" HTTP/1.1\r\nHost: 127.0.0.1:{order.port}\r\nAuthorization: Bearer {order.token}\r\n\r\n"
    while True:
        yield f"GET {order.path.format(member=random.choice(members))}{rest}".encode()


def _form(order: Order) -> bytes:
    head = f"POST {order.path} HTTP/1.1\r\nHost: 127.0.0.1:{order.port}\r\nAuthorization: Basic {order.token}\r\n"
    kind = "Content-Type: application/x-www-form-urlencoded\r\n"
    return f"{head}{kind}Content-Length: {len(order.form)}\r\n\r\n{order.form}".encode()


def _posting(order: Order, members: list[str], reference: str, kind: str = "") -> str:
    points = random.randint(order.least, order.most)
    return f'{{{kind}"member_id":"{random.choice(members)}","reference":"{reference}","points":{points}}}'


if __name__ == "__main__":
    exit_with_parent()
    print(json.dumps(asdict(post(Order(**json.load(sys.stdin))))))
