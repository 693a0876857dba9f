"""Live at the root and its sandbox below a path, in one process."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# The metadata of an issuer with a path is found by putting the path behind the well-known name (RFC 8414 §3.1).
_WELL_KNOWN = ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration")


class Mount:
    """A WSGI application of two: what begins with `path` is `sandbox`'s."""

    def __init__(self, live: WSGIApplication, sandbox: WSGIApplication, *, path: str) -> None:
        self._live = live
        self._sandbox = sandbox
        self._path = path
        self._well_known = {name + path: name for name in _WELL_KNOWN}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        inside = self._inside(environ["PATH_INFO"])
        if inside is None:
            return self._live(environ, start_response)
        environ |= {"SCRIPT_NAME": environ.get("SCRIPT_NAME", "") + self._path, "PATH_INFO": inside}
        return self._sandbox(environ, start_response)

    def is_sandbox(self, path: str) -> bool:
        """Whether a request for `path` is the sandbox's."""
        return self._inside(path) is not None

    def _inside(self, path: str) -> str | None:
        if self._path not in path:  # most of what comes, and live's
            return None
        if path == self._path or path.startswith(f"{self._path}/"):
            return path.removeprefix(self._path) or "/"
        return self._well_known.get(path)
