"""What every request gets: an id, a bounded body, strict JSON, one log line."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import marshmallow as ma
from flask import Flask, Request, Response, current_app, g, request
from webargs.flaskparser import FlaskParser

from kit import ids, logs, strict_json
from kit.http import exchange, tracing, versions
from kit.http.problems import BodyTooLarge, InvalidRequest, MalformedRequest, UnsupportedMediaType
from kit.strict_json import MalformedJson, UnwritableText

log = logging.getLogger("http")
View = TypeVar("View", bound=Callable[..., Any])

A_YEAR_S = 31_536_000
LARGEST_BODY_BYTES = exchange.SMALL_BODY_BYTES
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
NOT_FOUND = 404
LONGEST_PATH_SHOWN = 200
# Our own ids may stand: without the thing itself they say nothing of anybody.
_SOMEBODYS = re.compile(
    r"(?<![0-9a-z_])\+?[0-9][0-9 ().-]{5,}|[^/]*@[^/]*|(?<![^/])(?![a-z]{2,6}_[0-9a-z]{26}(?:/|$))[^/]{33,}"
)
DRY_RUN = {
    "in": "query",
    "name": "dry_run",
    "schema": {"type": "boolean", "default": False},
    "description": "Answer as if it were done, and do nothing: no posting, no event, no key kept.",
}
_SILENT = ("/healthz", "/readyz")


def install(app: Flask, *, is_https: bool = False) -> None:
    """Give every request of `app` its id, its bounds and its log line; `is_https`: browsers come over TLS only."""
    # An address is right or there is nothing at it: a redirect would go to whatever host the sender named.
    app.url_map.merge_slashes = False
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY_BYTES
    app.before_request(_begin)
    app.after_request(_end)
    if is_https:
        app.after_request(_over_https_only)
    app.teardown_request(_forget)


def accepts_up_to(size: int) -> Callable[[View], View]:
    """Let a view take bodies of up to `size` bytes instead of LARGEST_BODY_BYTES."""

    def decorate(view: View) -> View:
        view.largest_body_bytes = size  # type: ignore[attr-defined]
        return view

    return decorate


def _begin() -> None:
    g.began = time.perf_counter()
    ids.see_as(None)
    view = current_app.view_functions.get(request.endpoint or "")
    here = exchange.of(request.environ)
    here.largest_body_bytes = getattr(view, "largest_body_bytes", LARGEST_BODY_BYTES)
    request.max_content_length = here.largest_body_bytes
    given = request.headers.get("Request-Id", "")
    g.request_id = given if REQUEST_ID.fullmatch(given) else f"req_{ids.new().hex}"
    g.trace = tracing.begin(request.headers.get("traceparent", ""))
    if here.refusal is not None:
        raise here.refusal


def _end(response: Response) -> Response:
    response.headers["Request-Id"] = g.request_id
    response.headers["traceresponse"] = g.trace.header
    response.headers["X-Content-Type-Options"] = "nosniff"
    if "Authorization" in request.headers:
        # Secrets, balances, whose points they are: nothing that takes a token is for anybody's cache.
        response.headers["Cache-Control"] = "no-store"
    if g.get("dry_run"):
        response.headers["Dry-Run"] = "true"
    if request.path not in _SILENT:
        where: dict[str, Any] = {"path": _shown(request.path)} if response.status_code == NOT_FOUND else {}
        logs.event(
            log,
            f"{request.method} {request.script_root + request.url_rule.rule if request.url_rule else '-'}",
            status=response.status_code,
            **where,
            ms=round((time.perf_counter() - g.began) * 1000, 1),
            request_id=g.request_id,
            trace_id=g.trace.trace_id,
            **g.get("log_facts", {}),
        )
    return response


def _over_https_only(response: Response) -> Response:
    # RFC 6797. Not for subdomains: what else is served below this host is not ours to say.
    response.headers["Strict-Transport-Security"] = f"max-age={A_YEAR_S}"
    return response


def _shown(path: str) -> str:
    """A path that led nowhere, without what may be somebody's: long numbers, addresses, tokens."""
    return _SOMEBODYS.sub("…", path[:LONGEST_PATH_SHOWN])


def _forget(error: BaseException | None) -> None:
    # The thread goes on to another request.
    ids.see_as(None)


def is_dry_run() -> bool:
    """Whether this request only asks what would be; raises InvalidRequest for anything but true or false."""
    given = request.args.get("dry_run", "false")
    if given not in ("true", "false"):
        raise InvalidRequest("dry_run is true or false", errors=[{"pointer": "/dry_run", "detail": "true or false"}])
    return given == "true"


def check_query() -> None:
    """Refuse a query string nobody reads, or of which one value would win in silence; raises InvalidRequest.

    A view that takes a query checks it by itself, and whatever changes something can be asked to run dry.
    """
    if not request.query_string:
        return
    if twice := [name for name, values in request.args.lists() if len(values) > 1]:
        errors = [{"pointer": f"/{strict_json.escape(name)}", "detail": "Given more than once."} for name in twice]
        raise InvalidRequest("a query parameter is given more than once", errors=errors)
    view = current_app.view_functions.get(request.endpoint or "")
    if request.method not in ("GET", "HEAD") and "dry_run" in request.args:
        is_dry_run()
    elif getattr(view, "takes_query", False):
        return
    unknown = [name for name in request.args if name != "dry_run" or request.method in ("GET", "HEAD")]
    if unknown:
        errors = [{"pointer": f"/{strict_json.escape(name)}", "detail": "Unknown field."} for name in unknown]
        raise InvalidRequest("there is no such query parameter", errors=errors)


def note(**facts: Any) -> None:
    """Add facts to this request's log line: ids only."""
    g.log_facts = {**g.get("log_facts", {}), **facts}


def read_json(req: Request) -> Any:
    """The JSON body of `req`, read as `strict_json` does.

    Raises UnsupportedMediaType, BodyTooLarge, MalformedRequest, InvalidRequest.
    """
    if "json" in g:
        return g.json
    if req.mimetype != "application/json":
        raise UnsupportedMediaType("the body has to be application/json")
    largest = req.max_content_length or LARGEST_BODY_BYTES
    if (req.content_length or 0) > largest:
        raise BodyTooLarge(f"the body may have up to {largest} bytes")
    try:
        sent = strict_json.loads(req.get_data(cache=True))
    except UnwritableText as error:
        errors = [{"pointer": pointer, "detail": f"Here {error}."} for pointer in error.pointers]
        raise InvalidRequest(str(error), errors=errors) from None
    except MalformedJson as error:
        raise MalformedRequest(f"the body is not valid JSON: {error}") from None
    g.sent = sent
    g.json = versions.newer(sent)
    return g.json


class StrictParser(FlaskParser):
    """webargs with our JSON reader, unknown fields refused everywhere, and errors as problems."""

    DEFAULT_UNKNOWN_BY_LOCATION = dict.fromkeys(FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION, ma.RAISE)

    def load_json(self, req: Request, schema: ma.Schema) -> Any:
        """The parsed body, {} for none where a schema may be left out; replaces webargs's lenient reader."""
        if getattr(schema, "may_be_left_out", False) and not req.content_length and not req.mimetype:
            return {}
        return read_json(req)

    def handle_error(self, error: ma.ValidationError, *args: Any, **kwargs: Any) -> NoReturn:
        """Name every wrong field with a JSON pointer."""
        raise invalid_request(error)


def invalid_request(error: ma.ValidationError) -> InvalidRequest:
    """What marshmallow found wrong, every field with a JSON pointer."""
    found = list(_pointers(error.normalized_messages()))  # type: ignore[no-untyped-call]
    return InvalidRequest(found[0]["detail"] if found else "invalid", errors=found)


def _pointers(messages: Any, path: str = "") -> Any:
    if isinstance(messages, dict):
        for name, inner in messages.items():
            # webargs puts the location first; the request has no such level.
            step = "" if path == "" and name in ("json", "query", "_schema") else f"/{strict_json.escape(name)}"
            yield from _pointers(inner, path + step if step else path or "")
    else:
        for message in messages if isinstance(messages, list) else [messages]:
            yield {"pointer": path, "detail": str(message)}
