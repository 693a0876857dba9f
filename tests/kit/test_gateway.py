"""Whoever sends, waits or reads slowly keeps no thread; of a body that is not whole nothing is read."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from kit.http.gateway import MOST_LARGE_BODIES_EACH
from tests.kit.served import GRACE_S, LARGE_BYTES, STREAMED, THREADS

ROOT = Path(__file__).parents[2]
SOON_S = 0.5
HEAD = "POST {path} HTTP/1.1\r\nHost: here\r\nContent-Type: text/plain\r\n"


class Server:
    """The gateway of tests.kit.served, at a port."""

    def __init__(self, port: int) -> None:
        self.port = port

    def connect(self, sent: str | bytes = b"") -> socket.socket:
        """A connection over which `sent` went."""
        made = socket.create_connection(("127.0.0.1", self.port), timeout=15)
        made.sendall(sent.encode() if isinstance(sent, str) else sent)
        return made

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"{}")
        finally:
            connection.close()


def status(connection: socket.socket) -> tuple[int, dict[str, Any]]:
    """The answer on `connection`."""
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer.status, json.loads(answer.read() or b"{}")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    argv = ["--interface", "asginl", "--factory", "tests.kit.served:application", "--port", str(port)]
    more = ["--http", "1", "--no-ws", "--log-level", "critical"]
    process = subprocess.Popen([sys.executable, "-m", "granian", *argv, *more], cwd=ROOT, env={**os.environ})
    try:
        made = Server(port)
        wait_for(lambda: made.ask("GET", "/read"))
        yield made
    finally:
        process.terminate()
        process.wait(20)


def wait_for(answers: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with suppress(OSError):
            answers()
            return
        time.sleep(0.05)
    raise AssertionError("the server did not start")


def took(work: Callable[[], Any]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


@pytest.mark.parametrize("length", ["Content-Length: 60\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n3c\r\n"])
def test_forty_unfinished_bodies_keep_nobody_waiting(server: Server, length: str) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(server.connect(HEAD.format(path="/body") + length)) for _ in range(40)]
        for connection in slow:
            connection.sendall(b"a")
        latencies = [took(lambda: server.ask("POST", "/body", b"whole")) for _ in range(10)]
    assert max(latencies) < SOON_S


def test_a_body_that_comes_too_slowly_is_refused_when_its_time_is_over(server: Server) -> None:
    with server.connect(HEAD.format(path="/body") + "Content-Length: 60\r\n\r\na") as connection:
        began = time.monotonic()
        code, problem = status(connection)
        assert (code, problem["code"], problem["retryable"]) == (408, "request_timeout", True)
        assert GRACE_S <= time.monotonic() - began < GRACE_S + SOON_S
        assert problem["request_id"]
        assert connection.recv(10) == b"", "the connection is closed: what may come yet belongs to no request"


def test_a_body_that_comes_steadily_may_take_longer(server: Server) -> None:
    part = b"x" * 8_192
    with server.connect(HEAD.format(path="/body") + f"Content-Length: {7 * len(part)}\r\n\r\n") as connection:
        began = time.monotonic()
        for _ in range(7):
            connection.sendall(part)
            time.sleep(0.2)
        assert time.monotonic() - began > GRACE_S
        assert status(connection)[1]["bytes"] == 7 * len(part)


@pytest.mark.parametrize("path", ["/body", "/large"])
@pytest.mark.parametrize(
    ("framing", "sent"),
    [
        ("Content-Length: 2500\r\n\r\n", "25"),
        ("Content-Length: 200000\r\n\r\n", "25" * 50_000),
        ("Transfer-Encoding: chunked\r\n\r\n", "2\r\n25\r\n"),
        ("Transfer-Encoding: chunked\r\n\r\n", "4\r\n25"),
        ("Transfer-Encoding: chunked\r\n\r\n", "c350\r\n" + "x" * 50_000 + "\r\nc350\r\n" + "y" * 50_000 + "\r\n"),
    ],
)
def test_a_body_that_is_cut_short_is_never_read(server: Server, path: str, framing: str, sent: str) -> None:
    before = server.ask("GET", "/read")[1]
    connection = server.connect(HEAD.format(path=path) + "Authorization: me\r\n" + framing + sent)
    connection.shutdown(socket.SHUT_WR)
    answer = connection.recv(1_000)
    connection.close()
    assert not answer or answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 413 "))
    assert server.ask("GET", "/read")[1] == before


@pytest.mark.parametrize(("path", "size"), [("/body", 0), ("/body", 60_000), ("/large", 60_000), ("/large", 300_000)])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_that_is_whole_is_read_whole(server: Server, path: str, size: int, is_chunked: bool) -> None:
    content = os.urandom(size)
    body: Any = iter([content[n : n + 7_000] for n in range(0, size, 7_000)]) if is_chunked else content
    code, seen = server.ask("POST", path, body, Authorization="me")
    assert (code, seen["bytes"], seen["sha256"]) == (200, size, sha256(content).hexdigest())


def test_a_large_body_is_refused_before_it_is_sent(server: Server) -> None:
    with server.connect(HEAD.format(path="/large") + "Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n") as one:
        assert status(one)[0] == 401
    with server.connect(HEAD.format(path="/body") + "Content-Length: 1000000\r\n\r\n") as one:
        assert status(one)[0] == 413
    code, problem = server.ask("POST", "/body", iter([b"x" * 10_000] * 8))
    assert (code, problem["code"]) == (413, "body_too_large")
    code, problem = server.ask("POST", "/large", iter([b"x" * 100_000] * 50), Authorization="me")
    assert (code, problem["code"]) == (413, "body_too_large")


def test_nobody_sends_more_large_bodies_at_once_than_they_may(server: Server) -> None:
    head = HEAD.format(path="/large") + f"Content-Length: {LARGE_BYTES}\r\nAuthorization: "
    with ExitStack() as stack:
        for _ in range(MOST_LARGE_BODIES_EACH):
            begun = stack.enter_context(server.connect(f"{head}me\r\n\r\n"))
            begun.sendall(b"x" * 80_000)
        time.sleep(0.2)
        with server.connect(f"{head}me\r\n\r\n") as one:
            code, problem = status(one)
            assert (code, problem["code"]) == (429, "too_many_uploads")
        assert server.ask("POST", "/large", b"x" * 100_000, Authorization="you")[0] == 200


@pytest.mark.parametrize("path", ["/pause", "/late"])
def test_requests_that_wait_keep_no_thread_waiting(server: Server, path: str) -> None:
    count = 8 * THREADS
    with ThreadPoolExecutor(count) as clients:
        began = time.monotonic()
        waiting = [clients.submit(server.ask, "GET", path) for _ in range(count)]
        assert took(lambda: server.ask("POST", "/body", b"x")) < SOON_S / 2
        assert {one.result()[0] for one in waiting} == {200}
        assert SOON_S <= time.monotonic() - began < 2 * SOON_S


def test_who_reads_slowly_keeps_no_thread_waiting(server: Server) -> None:
    size, count = STREAMED
    with ExitStack() as stack:
        for _ in range(4 * THREADS):
            slow = stack.enter_context(server.connect("GET /stream HTTP/1.1\r\nHost: here\r\n\r\n"))
            assert slow.recv(100).startswith(b"HTTP/1.1 200 ")
        assert took(lambda: server.ask("POST", "/body", b"x")) < SOON_S
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=15)
        connection.request("GET", "/stream")
        assert len(connection.getresponse().read()) == size * count
        connection.close()


def test_a_lane_that_is_full_says_so_at_once(server: Server) -> None:
    with ThreadPoolExecutor(4) as clients:
        found = [one.result() for one in [clients.submit(server.ask, "GET", "/aside/busy") for _ in range(4)]]
    assert sorted(code for code, _ in found) == [200, 200, 503, 503]
    assert {body["code"] for code, body in found if code == 503} == {"busy"}


def test_an_answer_that_ends_early_is_seen_to_be_cut(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=15)
    connection.request("GET", "/dropped")
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        connection.getresponse().read()
    connection.close()


@pytest.mark.parametrize("after", [1, 2, 3])
def test_an_answer_that_fails_midway_is_seen_to_be_cut_on_the_wire(server: Server, after: int) -> None:
    with server.connect(f"GET /breaks/{after}?sized HTTP/1.1\r\nHost: here\r\n\r\n") as connection:
        raw = b"".join(iter(lambda: connection.recv(65536), b""))  # to the end: the server closes
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"content-length: 4" in head.lower()
    assert body == b"x" * after
    assert server.ask("POST", "/body", b"x")[0] == 200


@pytest.mark.parametrize("path", ["/breaks/0", "/breaks/2", "/breaks/0?sized"])
def test_a_fault_before_anything_is_sent_is_a_problem_and_ends_nothing(server: Server, path: str) -> None:
    assert server.ask("GET", path)[1]["code"] == "internal_error"
    assert server.ask("POST", "/body", b"x")[0] == 200


def test_the_application_sees_the_request_as_it_was_sent(server: Server) -> None:
    lines = (
        "GET /seen/a%20b/%C3%BC%FF//c?q=%41&%FF HTTP/1.1", "Host: here:1", "Cookie: a=1", "Cookie: b=2", "X-Two: 1",
        "X-Two: 2", "X-Real: yes", "X_Real: no", "Request_Id: forged-by-underscore",
    )  # fmt: skip
    with server.connect("\r\n".join([*lines, "", ""])) as connection:
        code, seen = status(connection)
    environ = seen["environ"]
    assert code == 200
    assert environ["PATH_INFO"].encode("latin-1") == b"/seen/a b/\xc3\xbc\xff//c"
    assert environ["QUERY_STRING"] == "q=%41&%FF"
    assert (environ["HTTP_HOST"], environ["HTTP_COOKIE"], environ["HTTP_X_TWO"]) == ("here:1", "a=1; b=2", "1,2")
    assert environ["HTTP_X_REAL"] == "yes"
    assert "HTTP_REQUEST_ID" not in environ
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.1"


def test_one_connection_carries_many_requests(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=15)
    for n in range(5):
        connection.request("POST", "/body", b"x" * n)
        assert json.loads(connection.getresponse().read())["bytes"] == n
        connection.request("HEAD", "/seen/x")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"")
    connection.close()
