"""/healthz, /readyz and /metrics: for the operator and the load balancer, not for partners."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from flask import Blueprint, Flask, Response, jsonify
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from sqlalchemy import text

from kit import schema
from kit.db import Session
from kit.errors import CoalitionError
from kit.http.services import services

# A gauge: its name, what it means, and how to read it from the database.
Gauge = tuple[str, str, Callable[[Session], float]]


class _DatabaseGauges(Collector):
    """Figures read at scrape time from the database, so that any web process answers for the whole coalition."""

    def __init__(self, gauges: Iterable[Gauge]) -> None:
        self._gauges = list(gauges)

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing in advance: the registry would otherwise read the database to learn the names."""
        return []

    def collect(self) -> Iterable[GaugeMetricFamily]:
        with services().reading() as session:
            for name, meaning, read in self._gauges:
                yield GaugeMetricFamily(name, meaning, value=read(session))


def install(app: Flask, gauges: Iterable[Gauge]) -> None:
    """Serve the three routes in `app`."""
    routes = Blueprint("health", __name__)
    registry = CollectorRegistry()
    registry.register(_DatabaseGauges(gauges))

    @routes.get("/healthz")
    def alive() -> Response:
        return jsonify({"status": "alive"})

    @routes.get("/readyz")
    def ready() -> tuple[Response, int]:
        checks = {"database": "ok", "redis": "ok" if services().nudge.is_answering() else "down"}
        try:
            with services().reading() as session:
                session.execute(text("SELECT 1"))
                schema.check(session)
        except CoalitionError as error:
            checks["database"] = error.code
        ok = set(checks.values()) == {"ok"}
        return jsonify({"status": "ready" if ok else "not ready", **checks}), 200 if ok else 503

    @routes.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    app.register_blueprint(routes)
