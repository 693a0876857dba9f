"""Whether a coalition runs at an address: one whose database comes back just now does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from kit.settings import Settings
from ops.run import is_ready, is_running


class _Recovering(BaseHTTPRequestHandler):
    not_ready_for = 2

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" or type(self).not_ready_for <= 0 else 503)
        self.end_headers()
        type(self).not_ready_for -= self.path == "/readyz"

    def log_message(self, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def recovering() -> Iterator[Settings]:
    with HTTPServer(("127.0.0.1", 0), _Recovering) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield Settings(http_port=server.server_port)
        server.shutdown()


def test_a_coalition_that_is_not_ready_just_now_is_waited_for_and_where_none_is_nobody_waits(
    recovering: Settings,
) -> None:
    assert not is_ready(recovering)
    assert is_running(recovering)
    assert not is_running(Settings(http_port=1))
