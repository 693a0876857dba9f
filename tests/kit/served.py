"""A small WSGI application behind the gateway, for tests/kit/test_gateway.py: `tests.kit.served:application`."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from flask import Flask, Response, request

from kit.http import bodies, exchange, requests
from kit.http import problems as kit_problems
from kit.http.gateway import Gateway, Lane

THREADS = 2
GRACE_S = 1.0
LARGE_BYTES = 4 * 1024 * 1024
STREAMED = (64 * 1024, 512)


def application() -> Gateway:
    """The gateway, with few threads and little patience."""
    bodies.GRACE_S = GRACE_S
    lane, aside = Lane(threads=THREADS, most_waiting=1_000), Lane(threads=1, most_waiting=1)
    return Gateway(_app(), lambda path: aside if path.startswith("/aside/") else lane)


def _app() -> Flask:
    app = Flask("served")
    requests.install(app)
    kit_problems.install(app)
    read: list[str] = []

    def what_came() -> dict[str, Any]:
        sent = request.get_data()
        read.append(sha256(sent).hexdigest())
        return {"bytes": len(sent), "sha256": read[-1]}

    @app.post("/body")
    def body() -> dict[str, Any]:
        return what_came()

    @app.post("/large")
    @requests.accepts_up_to(LARGE_BYTES)
    def large() -> Any:
        if "Authorization" not in request.headers:
            raise kit_problems.Unauthenticated("nobody knows you")
        exchange.of(request.environ).sender = request.headers["Authorization"]
        return what_came()

    @app.get("/read")
    def what_was_read() -> list[str]:
        return read

    _waiting(app)
    _answering(app)
    return app


def _waiting(app: Flask) -> None:
    @app.get("/pause")
    def pause() -> dict[str, str]:
        exchange.of(request.environ).pause(0.5)
        return {"thread": threading.current_thread().name}

    @app.get("/late")
    def late() -> dict[str, str]:
        exchange.of(request.environ).answer_after_s = 0.5
        return {}

    @app.get("/aside/busy")
    def busy() -> dict[str, str]:
        time.sleep(0.5)
        return {}


def _answering(app: Flask) -> None:
    @app.get("/stream")
    def stream() -> Response:
        size, count = STREAMED
        length = {"Content-Length": str(size * count)}
        return Response((b"x" * size for _ in range(count)), mimetype="text/plain", headers=length)

    @app.get("/dropped")
    def dropped() -> Response:
        return Response(iter(()), headers={"Content-Length": "10"})

    @app.get("/seen/<path:rest>")
    def seen(rest: str) -> dict[str, Any]:
        environ = {name: value for name, value in request.environ.items() if isinstance(value, str)}
        return {"rest": rest, "environ": environ}

    @app.get("/breaks/<int:after>")
    def breaks(after: int) -> Response:
        """Fail behind so many bytes, of four where the answer says its length."""
        length = {"Content-Length": "4"} if "sized" in request.args else {}
        return Response(_breaks(after), mimetype="text/plain", headers=length)


def _breaks(after: int) -> Iterator[bytes]:
    for _ in range(after):
        yield b"x"
    raise RuntimeError("as the answer is made")
