"""Every request, counted by its route: how many, how they ended, how long they took, and which problems they met."""

from __future__ import annotations

import time

from flask import Flask, Response, request

from kit.http import context
from kit.http.gateway import Busy
from kit.http.services import services
from kit.metrics import Counter, Histogram

REQUESTS = Counter("coalition_http_requests_total", "Requests answered", ("method", "route", "status"))
SECONDS = Histogram(
    "coalition_http_request_duration_seconds", "Answering a request, from its first byte here to its answer",
    ("method", "route"),
    bounds=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)  # fmt: skip
PROBLEMS = Counter("coalition_http_problems_total", "Requests answered with a problem, by its code", ("code",))
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
NO_ROUTE = "none"  # an address there is nothing at: what was asked for there is the sender's own invention
OTHER_METHOD = "other"


def install(app: Flask) -> None:
    """Count every request of `app`."""
    app.after_request(_count)


def count_busy(app: Flask) -> None:
    """Count a request that `app` was not handed for being busy."""
    with app.app_context():
        services().meter.count(PROBLEMS, Busy.code)


def _count(response: Response) -> Response:
    meter = services().meter
    method = request.method if request.method in _METHODS else OTHER_METHOD
    route = request.url_rule.rule if request.url_rule else NO_ROUTE
    meter.count(REQUESTS, method, route, str(response.status_code))
    meter.observe(SECONDS, time.perf_counter() - context.current().began, method, route)
    if (problem := context.current().problem) is not None:
        meter.count(PROBLEMS, problem["code"])
    return response
