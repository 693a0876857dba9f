"""Which other sites' scripts may read our answers (CORS, Fetch standard §3.2): apps in a browser, on few routes.

No cookie goes with them: what such a script may do its access token says, as everywhere.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from flask import Flask, Response, request

from kit.http import description, versions

REMEMBERED_S = 5.0
PREFLIGHT_REMEMBERED_S = 600
_SENT = ", ".join(("Authorization", "Content-Type", *description.REQUEST_HEADERS))
_SEEN = ", ".join(("WWW-Authenticate", *description.ANSWER_HEADERS, *versions.ENDING_HEADERS))


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


def install(app: Flask, origins: Origins, is_open: Callable[[str], bool], *, is_public: Callable[[str], bool]) -> None:
    """Let scripts read what routes of `app` answer: those of `origins` what `is_open`, anybody's what `is_public`."""

    def reader_of(path: str, response: Response) -> str | None:
        if is_public(path):
            return "*"
        if not is_open(path):
            return None
        response.vary.add("Origin")
        origin = request.headers.get("Origin", "")
        return origin if origin and origin in origins else None

    @app.after_request
    def allow(response: Response) -> Response:
        rule = request.url_rule
        if rule is None or (allowed := reader_of(rule.rule, response)) is None:
            return response
        response.headers["Access-Control-Allow-Origin"] = allowed
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            response.headers["Access-Control-Allow-Methods"] = ", ".join(sorted(rule.methods or ()))
            response.headers["Access-Control-Allow-Headers"] = _SENT
            response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_REMEMBERED_S)
        else:
            response.headers["Access-Control-Expose-Headers"] = _SEEN
        return response
