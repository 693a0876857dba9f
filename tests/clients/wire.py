"""A wire between a client and a service that can be made to fail: a small TCP proxy that loses answers."""

from __future__ import annotations

import contextlib
import select
import socket
import socketserver
import threading
from typing import Self


class Wire:
    """Listens on a port of its own and passes everything on, until it is told to lose answers.

    `sent` is everything that clients have said, as bytes.
    """

    def __init__(self, *, to_port: int) -> None:
        self.sent = bytearray()
        self.lost = 0
        self._to_lose = 0
        self._lock = threading.Lock()
        wire = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with socket.create_connection(("127.0.0.1", to_port), timeout=30) as service:
                    wire._pass_on(self.request, service)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def lose(self, answers: int) -> None:
        """Cut the connection instead of passing on the next `answers` answers, which the service has sent by then."""
        with self._lock:
            self._to_lose = answers

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _pass_on(self, client: socket.socket, service: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                for ready in select.select([client, service], [], [])[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    if ready is client:
                        self.sent += data
                        service.sendall(data)
                    elif self._is_lost():
                        return
                    else:
                        client.sendall(data)

    def _is_lost(self) -> bool:
        with self._lock:
            self._to_lose -= 1
            if self._to_lose < 0:
                return False
            self.lost += 1
            return True
