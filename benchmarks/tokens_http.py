"""tokens_http: access tokens a second from one web process on one core, against a bare route with one indexed query."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import psutil

from benchmarks.balances_http import bare_route
from benchmarks.figures import Figure, Run
from benchmarks.fixtures import MEMBERS
from benchmarks.harness import Harness, report
from benchmarks.http_client import Order
from benchmarks.ledger_http import credentials, post, served

UNLIMITED_PER_S = 10_000
FORM = "grant_type=client_credentials"


def tokens(harness: Harness) -> Figure:
    """POST /oauth/token with a client's secret, on 16 connections; the web processes have the first core for theirs."""
    chosen = replace(harness.settings, web_processes=1, rate_limit_oauth_per_s=UNLIMITED_PER_S)
    with served(replace(harness, settings=chosen), lots=0) as (books, port):
        ours = Order(port, "/oauth/token", credentials(books), 0, 0, 0, harness.seconds, form=FORM)
        runs = []
        with bare_route(books) as bare_port, _on_one_core("granian"):
            bare = Order(bare_port, "/balance/{member}", "", MEMBERS, 0, 0, harness.seconds, method="GET")
            for _ in range(harness.runs):
                reference, measured = post(bare), post(ours)
                report(f"  reference   {reference.answered / reference.seconds:>9,.0f} requests/s")
                report(
                    f"  measured    {measured.answered / measured.seconds:>9,.0f} tokens/s, p99 {measured.p99_ms} ms"
                )
                latency = {"median_ms": measured.median_ms, "p99_ms": measured.p99_ms}
                runs.append(Run(measured.answered, measured.seconds, reference.answered, reference.seconds, latency))
    return Figure("tokens_http", "access tokens, one core", "a bare Flask route with one indexed query, one core", runs)


@contextmanager
def _on_one_core(name: str) -> Iterator[None]:
    """Keep our children with `name` in their command on the first core we may use, with all their threads."""
    first = min(os.sched_getaffinity(0))
    for child in psutil.Process().children(recursive=True):
        if name in " ".join(child.cmdline()):
            for thread in child.threads():
                os.sched_setaffinity(thread.id, {first})
    yield
