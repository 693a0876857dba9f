"""Which other sites' scripts may read our answers (CORS, Fetch standard §3.2): apps in a browser, on few routes.

No cookie goes with them: what such a script may do its access token says, as everywhere.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from flask import Flask, Response, request

REMEMBERED_S = 5.0
PREFLIGHT_REMEMBERED_S = 600
_SENT = "Authorization, Content-Type, Idempotency-Key, Request-Id, traceparent"
_SEEN = "Request-Id, Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate, traceresponse"


class Origins:
    """The origins that `read` finds, read again after a few seconds: who invents origins costs no query each."""

    def __init__(self, read: Callable[[], frozenset[str]]) -> None:
        self._read = read
        self._known: frozenset[str] = frozenset()
        self._until = 0.0
        self._lock = threading.Lock()

    def __contains__(self, origin: object) -> bool:
        with self._lock:
            if time.monotonic() >= self._until:
                self._known = self._read()
                self._until = time.monotonic() + REMEMBERED_S
            return origin in self._known


def install(app: Flask, origins: Origins, is_open: Callable[[str], bool]) -> None:
    """Let scripts of `origins` read what those routes of `app` answer that `is_open` says."""

    @app.after_request
    def allow(response: Response) -> Response:
        rule = request.url_rule
        if rule is None or not is_open(rule.rule):
            return response
        response.vary.add("Origin")
        origin = request.headers.get("Origin", "")
        if not origin or origin not in origins:
            return response
        response.headers["Access-Control-Allow-Origin"] = origin
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            response.headers["Access-Control-Allow-Methods"] = ", ".join(sorted(rule.methods or ()))
            response.headers["Access-Control-Allow-Headers"] = _SENT
            response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_REMEMBERED_S)
        else:
            response.headers["Access-Control-Expose-Headers"] = _SEEN
        return response
