"""Memory: what this process and the server's processes take at most while a piece of work is done."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

from benchmarks.harness import Books
from benchmarks.processor_time import server_of

LOOK_EVERY_S = 0.1


@dataclass
class Peaks:
    """The most there was, in MB: all of this process, and of the server's processes what they don't share."""

    own_mb: int = 0
    server_mb: int = 0


@contextmanager
def peaks(books: Books) -> Iterator[Peaks]:
    """Look every 100 ms until the block ends."""
    own, server, found, over = psutil.Process(), server_of(books), Peaks(), threading.Event()

    def look() -> None:
        while not over.wait(LOOK_EVERY_S):
            found.own_mb = max(found.own_mb, own.memory_info().rss // 1_000_000)
            found.server_mb = max(found.server_mb, sum(map(_unshared, server.children())) // 1_000_000)

    with ThreadPoolExecutor(1) as threads:
        loop = threads.submit(look)
        try:
            yield found
        finally:
            over.set()
        loop.result()


def _unshared(process: psutil.Process) -> int:
    with suppress(psutil.NoSuchProcess):
        memory = process.memory_info()
        return int(memory.rss - memory.shared)
    return 0
