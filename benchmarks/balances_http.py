"""balance_http: `GET /v1/members/{id}/balance` with its token, against a bare Flask route with one indexed query."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from urllib.error import URLError
from urllib.request import urlopen

from benchmarks.figures import Figure, Run
from benchmarks.ground import PROJECT, STOP_TIMEOUT_S, BenchmarkError, Books, Ground, free_port, tell
from benchmarks.http_client import Order
from benchmarks.ledger_http import as_partner, post, served, sign_in
from benchmarks.stock import MEMBERS
from kit.settings import to_environment

LOTS = 3
START_S = 20.0


def balance(ground: Ground) -> Figure:
    """Balances of random members with three lots each, on 16 connections."""
    with served(ground, lots=LOTS) as (books, port):
        asked = Order(port, "/v1/members/{member}/balance", sign_in(books, port), MEMBERS, 0, 0, ground.seconds)
        asked = replace(asked, method="GET")
        ours = as_partner(books, asked)
        runs = []
        with bare_route(books) as bare_port:
            bare = replace(asked, port=bare_port, path="/balance/{member}")
            for _ in range(ground.runs):
                reference, measured = post(bare), post(ours)
                tell(f"  reference   {reference.answered / reference.seconds:>9,.0f} requests/s")
                tell(
                    f"  measured    {measured.answered / measured.seconds:>9,.0f} requests/s, p99 {measured.p99_ms} ms"
                )
                latency = {"median_ms": measured.median_ms, "p99_ms": measured.p99_ms}
                runs.append(Run(measured.answered, measured.seconds, reference.answered, reference.seconds, latency))
    return Figure("balance_http", "balances over HTTP", "a bare Flask route with one indexed query", runs)


@contextmanager
def bare_route(books: Books) -> Iterator[int]:
    """A bare Flask route with one indexed query, `/balance/{member}`, on the server ours runs on; its port."""
    port, chosen = free_port(), books.settings
    options = {
        "--host": "127.0.0.1",
        "--port": port,
        "--workers": chosen.web_processes,
        "--blocking-threads": chosen.web_threads,
        "--interface": "wsgi",
        "--http": 1,
        "--log-level": "warning",
    }
    flags = [str(word) for option in options.items() for word in option]
    argv = [sys.executable, "-m", "granian", "--factory", "benchmarks.bare_route:application", "--no-ws", *flags]
    process = subprocess.Popen(argv, env=to_environment(chosen), cwd=PROJECT)
    try:
        _wait_for(f"http://127.0.0.1:{port}/")
        yield port
    finally:
        process.terminate()
        process.wait(STOP_TIMEOUT_S)


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with suppress(ConnectionError, URLError):
            try:
                urlopen(url, timeout=1).close()  # noqa: S310 -- our own loopback
            except URLError as error:
                if getattr(error, "code", None) != 404:
                    raise
            return
        time.sleep(0.05)
    raise BenchmarkError(f"the bare route did not come up within {START_S:.0f} s")
