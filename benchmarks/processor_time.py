"""Processor time: what a piece of work costs this process, the tools it runs, and the server it asks.

On a machine that does other things, too, the clock tells of those; this tells of the work.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

from benchmarks.harness import BenchmarkError, Books

ATTEMPTS = 1_000


@dataclass
class Spent:
    """Seconds of processors and of the clock, known once the block has ended; `own_s` are those of this process."""

    processor_s: float = 0.0
    own_s: float = 0.0
    clock_s: float = 0.0


@contextmanager
def spent(books: Books) -> Iterator[Spent]:
    """Measure the block; nobody else may use the server meanwhile.

    Raises BenchmarkError unless the server runs on this machine.
    """
    server, result = server_of(books), Spent()
    processor_s, own_s, clock_s = _total(server), time.process_time(), time.perf_counter()
    yield result
    result.clock_s = time.perf_counter() - clock_s
    result.own_s = time.process_time() - own_s
    result.processor_s = _total(server) - processor_s


def server_of(books: Books) -> psutil.Process:
    """The server's first process, whose children do its work; raises BenchmarkError where it runs elsewhere."""
    with books.owner() as owner:
        backend = owner.info.backend_pid
        with suppress(psutil.Error):
            parent = psutil.Process(backend).parent()
            if parent is not None and "postgres" in parent.name():
                return parent
    raise BenchmarkError("PostgreSQL does not run on this machine, so nobody can tell its processor time")


def _total(server: psutil.Process) -> float:
    # A child that ends moves from those that run to what its parent spent for those that ended: see it in one of them.
    for _ in range(ATTEMPTS):
        with suppress(psutil.NoSuchProcess):
            ended = server.cpu_times()[2:4]
            running = sum(sum(child.cpu_times()[:2]) for child in server.children())
            own = server.cpu_times()
            if own[2:4] == ended:
                return running + sum(own[:4]) + sum(os.times()[:4])
    raise BenchmarkError("PostgreSQL's processes come and go too fast to tell their time")
