"""Dated versions of the API, and what is going to end.

There is one code: the newest version's. A client that stays with an older version is served by it too, through pure
functions that turn the older request into the newer one and the newer answer into the older one, version by version.
A client keeps the version it began with until it asks for another in `Coalition-Version`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast

from flask import Flask, Response, current_app, request
from werkzeug.http import http_date

from kit.http import context
from kit.http.problems import HttpError

HEADER = "Coalition-Version"
ENDING_HEADERS = ("Deprecation", "Sunset", "Link")
_NAME = "coalition.versions"
View = TypeVar("View", bound=Callable[..., Any])
Reshape = Callable[[Any], Any]


class UnknownVersion(HttpError):
    code, title, status = "unknown_version", "Unknown version", 400
    description = "`Coalition-Version` names a version that does not exist. `versions` lists those that do."
    remedy = "Leave the header out to stay with your client's version, or send one of `versions`."
    facts = ("versions",)


@dataclass(frozen=True)
class Deprecation:
    """Since when something is not to be used for new work, when it ends, and where to read what to do instead."""

    since: datetime
    sunset: datetime | None = None
    link: str | None = None

    def headers(self) -> dict[str, str]:
        """`Deprecation` (RFC 9745) and `Sunset` (RFC 8594)."""
        found = {"Deprecation": f"@{int(self.since.timestamp())}"}
        if self.sunset:
            found["Sunset"] = http_date(self.sunset)
        if self.link:
            found["Link"] = f'<{self.link}>; rel="deprecation"; type="text/html"'
        return found


@dataclass(frozen=True)
class Change:
    """One thing a version changed for some endpoints: an older request made new, a new answer made old."""

    endpoints: frozenset[str]
    description: str
    request: Reshape | None = None
    response: Reshape | None = None


@dataclass(frozen=True)
class Version:
    """A version, called by its date, with what it changed against the one before."""

    date: str
    description: str
    changes: tuple[Change, ...] = ()
    deprecation: Deprecation | None = None


# Oldest first. The last is what this code speaks.
VERSIONS = (Version("2026-11-01", "The first."),)


def deprecated(since: datetime, *, sunset: datetime | None = None, link: str | None = None) -> Callable[[View], View]:
    """Say in every answer of a view, and in the description, that it is going to end."""

    def decorate(view: View) -> View:
        view.deprecation = Deprecation(since, sunset, link)  # type: ignore[attr-defined]
        return view

    return decorate


def install(app: Flask, versions: Sequence[Version] = VERSIONS) -> None:
    """Serve `versions` in `app`: each request in one of them, named in its answer."""
    app.extensions[_NAME] = tuple(versions)
    app.before_request(_begin)
    app.after_request(_end)


def current() -> str:
    """The newest version's date: what a client that comes for the first time is pinned to."""
    return _versions()[-1].date


def pin(date: str) -> None:
    """Serve this request in the version its client keeps, unless it asked for another by itself."""
    if HEADER not in request.headers and date != _of_request().date:
        # A version that was withdrawn leaves its clients with the oldest there is.
        context.change(version=(_find(date) or _versions()[0]).date)


def newer(body: Any) -> Any:
    """The request's body as the newest version has it."""
    for change in _changes_since(_of_request()):
        if change.request is not None:
            body = change.request(body)
    return body


def _older(response: Response) -> None:
    changes = [change.response for change in _changes_since(_of_request()) if change.response is not None]
    if changes and response.is_json and response.status_code < 300:
        body = response.get_json()
        for reshape in reversed(changes):
            body = reshape(body)
        response.set_data(json.dumps(body))


def _changes_since(version: Version) -> list[Change]:
    there_are = _versions()
    if version is there_are[-1]:
        return []
    later = there_are[there_are.index(version) + 1 :]
    return [change for one in later for change in one.changes if request.endpoint in change.endpoints]


def _begin() -> None:
    there_are = _versions()
    asked = request.headers.get(HEADER)
    if asked is not None and request.routing_exception is None:
        found = _find(asked)
        if found is None:
            raise UnknownVersion("there is no such version", versions=[version.date for version in there_are])
        context.change(version=found.date)


def _end(response: Response) -> Response:
    version = _of_request()
    response.headers[HEADER] = version.date
    if version is not _versions()[-1]:
        _older(response)
    ends = getattr(current_app.view_functions.get(request.endpoint or ""), "deprecation", None) or version.deprecation
    if ends is not None:
        response.headers.update(ends.headers())
    return response


def _of_request() -> Version:
    """The version this request is served in: the newest, unless it or its client asked for another."""
    known = context.current().version
    return (_find(known) if known else None) or _versions()[-1]


def _find(date: str) -> Version | None:
    return next((version for version in _versions() if version.date == date), None)


def _versions() -> tuple[Version, ...]:
    return cast(tuple[Version, ...], current_app.extensions[_NAME])
