"""balance_http: `GET /v1/members/{id}/balance` with its token, against a bare Flask route with one indexed query."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from urllib.error import URLError
from urllib.request import urlopen

from benchmarks.figures import Figure, Run
from benchmarks.fixtures import MEMBERS
from benchmarks.harness import PROJECT, STOP_TIMEOUT_S, BenchmarkError, Books, Harness, free_port, report
from benchmarks.http_client import Order
from benchmarks.ledger_http import as_partner, post, served, sign_in
from kit.settings import Settings, to_environment

LOTS = 3
START_S = 20.0


def balance(harness: Harness) -> Figure:
    """Balances of random members with three lots each, on 16 connections."""
    with served(harness, lots=LOTS) as (books, port):
        asked = Order(port, "/v1/members/{member}/balance", sign_in(books, port), MEMBERS, 0, 0, harness.seconds)
        asked = replace(asked, method="GET")
        ours = as_partner(books, asked)
        runs = []
        with bare_route(books) as bare_port:
            bare = replace(asked, port=bare_port, path="/balance/{member}")
            for _ in range(harness.runs):
                reference, measured = post(bare), post(ours)
                report(f"  reference   {reference.answered / reference.seconds:>9,.0f} requests/s")
                report(
                    f"  measured    {measured.answered / measured.seconds:>9,.0f} requests/s, p99 {measured.p99_ms} ms"
                )
                latency = {"median_ms": measured.median_ms, "p99_ms": measured.p99_ms}
                runs.append(Run(measured.answered, measured.seconds, reference.answered, reference.seconds, latency))
    return Figure("balance_http", "balances over HTTP", "a bare Flask route with one indexed query", runs)


@contextmanager
def bare_route(books: Books) -> Iterator[int]:
    """A bare Flask route with one indexed query, `/balance/{member}`, on the server ours runs on; its port."""
    with serving("benchmarks.bare_route:application", books.settings) as port:
        yield port


@contextmanager
def serving(
    application: str,
    chosen: Settings,
    *,
    python: str = sys.executable,
    environment: Mapping[str, str] | None = None,
) -> Iterator[int]:
    """Another WSGI app on the server ours runs on, with as many processes and threads; its port."""
    port = free_port()
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
    argv = [python, "-m", "granian", "--factory", application, "--no-ws", *flags]
    process = subprocess.Popen(argv, env={**to_environment(chosen), **(environment or {})}, cwd=PROJECT)
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
