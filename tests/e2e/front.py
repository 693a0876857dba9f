"""A load balancer in front of hosts of both versions; it keeps what came of every request."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "content-length", "date", "server")


@dataclass(frozen=True)
class Answer:
    """Of the host at `port`, `took_s` after the request came at `at`; its `status` is 0 when there was none."""

    port: int
    path: str
    status: int
    at: float
    took_s: float


class Front(ThreadingHTTPServer):
    """Hands each request to the next of `ports`; after `pause_s`, so that a replay isn't over before all are there."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *ports: int) -> None:
        super().__init__(("127.0.0.1", 0), _Relay)
        self.ports = list(ports)
        self.pause_s = 0.0
        self.answers: list[Answer] = []

    def of(self, port: int) -> list[Answer]:
        """What the host at `port` answered so far."""
        return [answer for answer in self.answers if answer.port == port]


class _Relay(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _relay(self) -> None:
        front = cast(Front, self.server)
        time.sleep(front.pause_s)
        port = front.ports[len(front.answers) % len(front.ports)]
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        began, status, headers, content = time.time(), 0, {}, b""
        try:
            with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as host:
                host.request(self.command, self.path, body, dict(self.headers))
                answer = host.getresponse()
                status, headers, content = answer.status, dict(answer.headers), answer.read()
        finally:
            front.answers.append(Answer(port, self.path, status, began, time.time() - began))
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = _relay  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def in_front_of(*ports: int) -> Iterator[Front]:
    """A front that listens for the time of the block, before hosts at `ports`."""
    with Front(*ports) as front:
        threading.Thread(target=front.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield front
        front.shutdown()
