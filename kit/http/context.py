"""What is known of a request while it lasts: one frozen value, replaced where more becomes known and never changed.

What only one room knows stands in a context of its own, made the same way: `api/context.py`, `console/context.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar, cast

from flask import g

from kit import tracing
from kit.db import Tenant
from kit.tracing import Trace

Known = TypeVar("Known")


def _here() -> dict[str, Any]:
    # Asked some forty times a request: past the proxy, which costs more than all the rest of it.
    return cast(dict[str, Any], g._get_current_object().__dict__)  # noqa: SLF001 -- werkzeug documents it


class Context(Generic[Known]):
    """One frozen dataclass for each request, kept under `name`; what `begin` gives until more is known."""

    def __init__(self, name: str, begin: Callable[[], Known]) -> None:
        self._name = name
        self._begin = begin

    def get(self) -> Known:
        """What is known so far."""
        here = _here()
        known: Known | None = here.get(self._name)
        if known is None:
            known = here[self._name] = self._begin()
        return known

    def put(self, known: Known) -> None:
        """Know this from here on, and nothing of before."""
        _here()[self._name] = known

    def change(self, **known: Any) -> None:
        """Know more from here on."""
        self.put(replace(cast(Any, self.get()), **known))


@dataclass(frozen=True)
class Body:
    """The JSON of a request, as it was sent and as the newest version has it."""

    sent: Any
    newest: Any


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request as every edge knows it.

    `tenant` is whose rows it may see, `version` the date of the version it is served in, `rate_limit` the headers that
    tell where its client stands, `log_facts` what its log line says besides, and `problem` the one it is answered with.
    """

    request_id: str = ""
    trace: Trace = field(default_factory=lambda: tracing.begin(""))
    began: float = field(default_factory=time.perf_counter)
    version: str | None = None
    tenant: Tenant | None = None
    is_dry_run: bool = False
    body: Body | None = None
    rate_limit: Mapping[str, str] = field(default_factory=dict)
    log_facts: Mapping[str, Any] = field(default_factory=dict)
    problem: dict[str, Any] | None = None


_request = Context("coalition_request", Request)


def begin(known: Request) -> None:
    """Begin the current request with what is known of it at first."""
    _request.put(known)


def current() -> Request:
    """What is known of the current request."""
    return _request.get()


def change(**known: Any) -> None:
    """Know more of the current request from here on."""
    _request.change(**known)
