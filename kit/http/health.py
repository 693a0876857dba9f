"""/healthz and /readyz: for the load balancer and the operator, not for partners."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from flask import Blueprint, Flask, Response, jsonify
from sqlalchemy import text

from kit import clock, schema
from kit.db import Session
from kit.errors import CoalitionError
from kit.http.services import services

# What a person has to see to though requests are served: `ok`, or a word for what is wrong.
Watch = Callable[[Session, datetime], str]


def install(app: Flask, watches: Mapping[str, Watch]) -> None:
    """Serve the two routes in `app`; each of `watches` is told under its name.

    A fault of the engines is `not ready`, 503. What a watch says makes it `degraded`, which still is 200: no till is
    to wait for what happens at night.
    """
    routes = Blueprint("health", __name__)

    @routes.get("/healthz")
    def alive() -> Response:
        return jsonify({"status": "alive"})

    @routes.get("/readyz")
    def ready() -> tuple[Response, int]:
        checks = {"database": "ok", "redis": "ok" if services().wakeup.is_answering() else "down"}
        told: dict[str, str] = {}
        try:
            with services().reading() as session:
                session.execute(text("SELECT 1"))
                schema.check(session)
                told = {name: watch(session, clock.now()) for name, watch in watches.items()}
        except CoalitionError as error:
            checks["database"] = error.code
        if set(checks.values()) != {"ok"}:
            return jsonify({"status": "not ready", **checks}), 503
        status = "ready" if set(told.values()) <= {"ok"} else "degraded"
        return jsonify({"status": status, **checks, **told}), 200

    app.register_blueprint(routes)
