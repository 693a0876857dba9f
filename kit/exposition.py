"""What Prometheus is told when it asks: what happened, from Redis, and how things stand, from the database, just then.

One process answers for a coalition and the sandbox beside it; the label `coalition` tells the two apart.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import redis
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from kit import clock, logs, metrics
from kit.db import Database, Session
from kit.errors import CoalitionError
from kit.metrics import SUM, Counter, Histogram, Mark, Series

STATEMENT_TIMEOUT_MS = 2_000
FRESH_S = 1.0  # whoever asks sooner gets the same answer: asking often costs the database nothing
REQUEST_TIMEOUT_S = 10

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Gauge:
    """How something stands: read from the database when asked, at a time of the true clock."""

    name: str
    meaning: str
    read: Callable[[Session, datetime], float]


@dataclass(frozen=True)
class Source:
    """A coalition to tell of: what it is called, where its counts are, and its database."""

    label: str
    key: str
    database: Database


class Exposition(Collector):
    """Every figure of the coalitions in `sources`; what can't be read now is left out, and the rest told."""

    def __init__(
        self, sources: Sequence[Source], client: redis.Redis, *, counted: Iterable[Counter], gauges: Iterable[Gauge]
    ) -> None:
        self._sources = sources
        self._client = client
        self._counted = list(counted)
        self._gauges = list(gauges)
        self._lock = threading.Lock()
        self._answer: list[Metric] = []
        self._answered_at = -FRESH_S

    def describe(self) -> list[Metric]:
        """Nothing in advance: the registry would otherwise read everything to learn the names."""
        return []

    def collect(self) -> list[Metric]:
        """All metrics, at most a second old."""
        with self._lock:
            if time.monotonic() - self._answered_at >= FRESH_S:
                self._answer = [*self._from_redis(), *self._from_databases()]
                self._answered_at = time.monotonic()
            return self._answer

    def _from_redis(self) -> Iterator[Metric]:
        found: dict[str, dict[Series, float]] = {}
        try:
            for source in self._sources:
                found[source.label] = metrics.read(self._client, source.key)
        except (redis.RedisError, OSError) as error:
            logs.event(log, "no counts", level=logging.WARNING, error=type(error).__name__)
        yield GaugeMetricFamily("coalition_redis_up", "Whether Redis answers", value=len(found) == len(self._sources))
        for counter in self._counted:
            yield _family(counter, found)

    def _from_databases(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("coalition_database_up", "Whether the database answers", labels=["coalition"])
        families = [GaugeMetricFamily(each.name, each.meaning, labels=["coalition"]) for each in self._gauges]
        for source in self._sources:
            is_up = _read(source, _ANSWERS) is not None
            up.add_metric([source.label], is_up)
            for gauge, family in zip(self._gauges, families, strict=True):
                if is_up and (value := _read(source, gauge)) is not None:
                    family.add_metric([source.label], value)
        yield from (up, *families)


_ANSWERS = Gauge("coalition_database_up", "", lambda session, now: float(session.scalar(text("SELECT 1")) or 0))


def _read(source: Source, gauge: Gauge) -> float | None:
    """The figure, in a transaction of its own: one that takes too long takes no other with it."""
    try:
        with source.database.reading() as session:
            session.execute(text(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}"))
            return gauge.read(session, clock.now())
    except CoalitionError as error:
        logs.event(log, "no figure", level=logging.WARNING, figure=gauge.name, code=error.code)
    except SQLAlchemyError:
        log.exception("fault in %s", gauge.name)
    return None


def _family(counter: Counter, found: dict[str, dict[Series, float]]) -> Metric:
    labels = ["coalition", *counter.labels]
    rows = [
        (label, series[1:], value)
        for label, counts in found.items()
        for series, value in counts.items()
        if series[0] == counter.name
    ]
    if isinstance(counter, Histogram):
        return _histogram(counter, rows)
    kind = GaugeMetricFamily if isinstance(counter, Mark) else CounterMetricFamily
    family = kind(counter.name, counter.meaning, labels=labels)
    counted = {(label, values) for label, values, _ in rows}
    rows += [(label, (one,), 0.0) for label in found for one in counter.from_zero if (label, (one,)) not in counted]
    for label, values, value in rows:
        if len(values) == len(counter.labels):
            family.add_metric([label, *values], value)
    return family


def _histogram(histogram: Histogram, rows: list[tuple[str, Series, float]]) -> Metric:
    family = HistogramMetricFamily(histogram.name, histogram.meaning, labels=["coalition", *histogram.labels])
    counts: dict[Series, dict[str, float]] = {}
    for label, (bound, *values), value in rows:
        if len(values) == len(histogram.labels):
            counts.setdefault((label, *values), {})[bound] = value
    for labels, by_bound in counts.items():
        total = 0.0
        buckets = []
        for bound in (*map(str, histogram.bounds), "+Inf"):
            total += by_bound.get(bound, 0)
            buckets.append((bound, total))
        family.add_metric(list(labels), buckets, by_bound.get(SUM, 0.0))
    return family


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _ServerV6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = REQUEST_TIMEOUT_S

    def log_message(self, *args: object) -> None:
        """Nothing: whoever asks every few seconds is no news."""


def server(exposition: Exposition, *, host: str, port: int) -> WSGIServer:
    """A server that tells `exposition` at every path; raises OSError when it can't listen."""
    registry = CollectorRegistry()
    registry.register(exposition)
    kind = _ServerV6 if ":" in host else _Server
    return make_server(host, port, make_wsgi_app(registry), server_class=kind, handler_class=_Handler)
