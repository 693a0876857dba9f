"""What may be written a moment later, written in sets: one thread for each kind, from a bounded queue.

For records whose loss in a crash is bearable, and only for these: whatever waits is gone with the process.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from kit import logs
from kit.errors import CoalitionError

log = logging.getLogger(__name__)
EVERY_S = 0.1
MOST_WAITING = 5_000
MOST_AT_ONCE = 1_000

Item = TypeVar("Item")


class WriteBehind(Generic[Item]):
    """Hands what is put into it to `write`, at most MOST_AT_ONCE at a time, a tenth of a second later."""

    def __init__(self, name: str, write: Callable[[list[Item]], None]) -> None:
        self._name = name
        self._write = write
        self._waiting: deque[Item] = deque()
        self._lost = 0
        self._something = threading.Event()
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def put(self, item: Item) -> None:
        """Have `item` written; it is dropped, and counted, when too many wait."""
        if len(self._waiting) >= MOST_WAITING:
            self._lost += 1
            return
        self._waiting.append(item)
        if not self._something.is_set():
            self._something.set()
        if self._thread is None:
            self._start()

    def flush(self) -> None:
        """Write what waits, now."""
        with self._lock:
            while self._waiting:
                items = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_AT_ONCE))]
                try:
                    self._write(items)
                except (CoalitionError, SQLAlchemyError, psycopg.Error) as error:
                    self._lost += len(items)
                    logs.event(log, f"{self._name} not written", level=logging.WARNING, error=type(error).__name__)
            if self._lost:
                logs.event(log, f"{self._name} lost", level=logging.WARNING, count=self._lost)
                self._lost = 0

    def close(self) -> None:
        """Write what waits and end the thread."""
        self._closed.set()
        self._something.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                # At the first item, not when it is made: web processes fork in between.
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._closed.is_set():
            self._something.wait()
            self._closed.wait(EVERY_S)
            self._something.clear()
            self.flush()
