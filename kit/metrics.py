"""What happened, counted: a process adds up what it saw, and once a second hands the sums to Redis (decision 23).

So one answer tells of all processes of a coalition, on whatever host, also of those that lived for one job only. Redis
holds no truth here either: lost, the counts begin anew, which is what whoever reads counters is ready for.
"""

from __future__ import annotations

import json
import logging
import threading
from bisect import bisect_left
from contextlib import suppress
from dataclasses import dataclass

import redis

from kit import logs
from kit.secrets import Keyring

EVERY_S = 1.0
SOCKET_TIMEOUT_S = 0.25
MOST_SERIES = 20_000  # far above what the labels can make of each other, for each may have few values only
SUM = "sum"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Counter:
    """How often something happened; every label's values are few and known, never ids or what somebody sent.

    The values of its one label in `from_zero` are told as 0 before the first: who looks for an increase sees none from
    nothing to one.
    """

    name: str
    meaning: str
    labels: tuple[str, ...] = ()
    from_zero: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Histogram(Counter):
    """How long something took, in seconds, counted by upper bounds; what is longer than the last counts as well."""

    bounds: tuple[float, ...]


@dataclass(frozen=True)
class Mark(Counter):
    """The value something had last, such as when it was done."""


def key(keyring: Keyring) -> str:
    """What one coalition's counts are called in Redis, so that two on one server don't add up."""
    return f"coalition:{keyring.fingerprint(purpose='metrics', value='').hex()[:16]}:metrics"


Series = tuple[str, ...]  # name, for a histogram the bucket's bound or "sum", then the labels' values


class Meter:
    """Adds up for one coalition in this process, about a microsecond a count; never raises and never waits."""

    def __init__(self, redis_url: str, *, key: str) -> None:
        self._client = redis.Redis.from_url(
            redis_url, socket_timeout=SOCKET_TIMEOUT_S, socket_connect_timeout=SOCKET_TIMEOUT_S
        )
        self._key = key
        self._sums: dict[Series, float] = {}
        self._marks: dict[Series, float] = {}
        self._is_due = False
        self._failed = False
        self._lock = threading.Lock()
        self._handing_over = threading.Lock()

    def count(self, counter: Counter, *labels: str, by: float = 1) -> None:
        """Count `by` more for `labels`, in the order the counter names them."""
        with self._lock:
            self._add((counter.name, *labels), by)

    def observe(self, histogram: Histogram, seconds: float, *labels: str) -> None:
        """Count one that took so many `seconds`."""
        place = bisect_left(histogram.bounds, seconds)
        bound = str(histogram.bounds[place]) if place < len(histogram.bounds) else "+Inf"
        with self._lock:
            self._add((histogram.name, bound, *labels), 1)
            self._add((histogram.name, SUM, *labels), seconds)

    def mark(self, mark: Mark, value: float, *labels: str) -> None:
        """Note that it is `value` now."""
        with self._lock:
            self._marks[mark.name, *labels] = value
            self._schedule()

    def flush(self) -> None:
        """Hand over what was counted; what Redis doesn't take now it gets the next time."""
        with self._lock:
            sums, self._sums = self._sums, {}
            marks, self._marks = self._marks, {}
            self._is_due = False
        if not sums and not marks:
            return
        try:
            with self._handing_over, self._client.pipeline(transaction=True) as pipe:
                for series, value in sums.items():
                    pipe.hincrbyfloat(self._key, json.dumps(series), value)
                for series, value in marks.items():
                    pipe.hset(self._key, json.dumps(series), repr(value))
                pipe.execute()
            self._failed = False
        except (redis.RedisError, OSError) as error:
            self._keep(sums, marks)
            if not self._failed:
                logs.event(log, "metrics wait for redis", level=logging.WARNING, error=type(error).__name__)
            self._failed = True

    def close(self) -> None:
        """Hand over what was counted and give the connection back, also when a timer is just handing over."""
        self.flush()
        with self._handing_over:
            self._client.close()

    def _keep(self, sums: dict[Series, float], marks: dict[Series, float]) -> None:
        with self._lock:
            for series, value in sums.items():
                self._add(series, value)
            self._marks = {**marks, **self._marks}
            self._schedule()

    def _add(self, series: Series, value: float) -> None:
        if series in self._sums:
            self._sums[series] += value
        elif len(self._sums) < MOST_SERIES:
            self._sums[series] = value
            self._schedule()

    def _schedule(self) -> None:
        # A timer for each second in which something happened, no thread for the rest: nobody has to end it.
        if not self._is_due:
            timer = threading.Timer(EVERY_S, self.flush)
            timer.daemon = True
            with suppress(RuntimeError):  # the process ends just now, or may have no thread more: the next count tries
                timer.start()
                self._is_due = True


def read(client: redis.Redis, key: str) -> dict[Series, float]:
    """Everything counted so far under `key`; raises RedisError. What another version counted may be in it."""
    found: dict[Series, float] = {}
    for field, value in client.hgetall(key).items():
        found[tuple(json.loads(field))] = float(value)
    return found
