"""Live at the root and its sandbox below a path, in one process; the sandbox keeps only some of the threads busy."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from werkzeug.wsgi import ClosingIterator

from kit.errors import Unavailable
from kit.http import problems

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# The metadata of an issuer with a path is found by putting the path behind the well-known name (RFC 8414 §3.1).
_WELL_KNOWN = ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration")


class SandboxBusy(Unavailable):
    """The sandbox serves as many requests at once as it may without slowing live."""

    code = "sandbox_busy"
    title = "Sandbox busy"


class Mount:
    """A WSGI application of two: what begins with `path` is `sandbox`'s, at most `places` requests at once.

    `refused` is called for each that found none.
    """

    def __init__(
        self,
        live: WSGIApplication,
        sandbox: WSGIApplication,
        *,
        path: str,
        places: int,
        refused: Callable[[], None] = lambda: None,
    ) -> None:
        self._live = live
        self._sandbox = sandbox
        self._path = path
        self._well_known = {name + path: name for name in _WELL_KNOWN}
        self._refused = refused
        self._places = threading.BoundedSemaphore(places)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        inside = self._inside(environ["PATH_INFO"])
        if inside is None:
            return self._live(environ, start_response)
        if not self._places.acquire(blocking=False):
            self._refused()
            return _refuse(start_response)
        try:
            environ |= {"SCRIPT_NAME": environ.get("SCRIPT_NAME", "") + self._path, "PATH_INFO": inside}
            answer = self._sandbox(environ, start_response)
        except BaseException:
            self._places.release()
            raise
        # The thread is busy until the last of the answer is out: the server closes it then, or when it can't be sent.
        return ClosingIterator(answer, self._places.release)

    def _inside(self, path: str) -> str | None:
        if self._path not in path:  # most of what comes, and live's
            return None
        if path == self._path or path.startswith(f"{self._path}/"):
            return path.removeprefix(self._path) or "/"
        return self._well_known.get(path)


def _refuse(start_response: StartResponse) -> list[bytes]:
    problem = problems.document(SandboxBusy("the sandbox is busy; try again in a moment"))
    start_response("503 Service Unavailable", [("Content-Type", problems.CONTENT_TYPE), ("Retry-After", "1")])
    return [json.dumps(problem).encode()]
