"""What every request gets: an id, a bounded body, strict JSON, one log line."""

from __future__ import annotations

import codecs
import logging
import re
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import marshmallow as ma
from flask import Flask, Request, Response, current_app, request
from webargs.flaskparser import FlaskParser

from kit import ids, logs, masking, strict_json, tracing
from kit.http import context, exchange, versions
from kit.http.context import Body
from kit.http.problems import BodyTooLarge, InvalidRequest, MalformedRequest, UnsupportedMediaType
from kit.strict_json import MalformedJson, UnwritableText

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger("http")
View = TypeVar("View", bound=Callable[..., Any])

A_YEAR_S = 31_536_000
LARGEST_BODY_BYTES = exchange.SMALL_BODY_BYTES
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
NOT_FOUND = 404
DRY_RUN = {
    "in": "query",
    "name": "dry_run",
    "schema": {"type": "boolean", "default": False},
    "description": (
        "Answer as if the request were carried out, and do nothing: post nothing, send no event and keep no key."
    ),
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
    app.wsgi_app = _Unseeing(app.wsgi_app)  # type: ignore[method-assign]


class _Unseeing:
    """Runs a request in no view of members, whatever is around it: who is asking brings one, and it ends there."""

    def __init__(self, serve: WSGIApplication) -> None:
        self._serve = serve

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with ids.seen_by(None):
            return self._serve(environ, start_response)


def accepts_up_to(size: int) -> Callable[[View], View]:
    """Let a view take bodies of up to `size` bytes instead of LARGEST_BODY_BYTES."""

    def decorate(view: View) -> View:
        view.largest_body_bytes = size  # type: ignore[attr-defined]
        return view

    return decorate


def _begin() -> None:
    given = request.headers.get("Request-Id", "")
    context.begin(
        context.Request(
            request_id=given if REQUEST_ID.fullmatch(given) else f"req_{ids.new().hex}",
            trace=tracing.begin(request.headers.get("traceparent", "")),
        )
    )
    view = current_app.view_functions.get(request.endpoint or "")
    here = exchange.of(request.environ)
    here.largest_body_bytes = getattr(view, "largest_body_bytes", LARGEST_BODY_BYTES)
    request.max_content_length = here.largest_body_bytes
    if here.refusal is not None:
        raise here.refusal
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        _check_charset(request.mimetype_params.get("charset", "utf-8"))


def _check_charset(named: str) -> None:
    """Raise UnsupportedMediaType where a body isn't UTF-8, by its own word: everything here reads UTF-8."""
    try:
        is_utf8 = codecs.lookup(named).name in ("utf-8", "ascii")
    except (LookupError, ValueError):
        is_utf8 = False
    if not is_utf8:
        raise UnsupportedMediaType("the body must be in UTF-8")


def _end(response: Response) -> Response:
    known = context.current()
    response.headers["Request-Id"] = known.request_id
    response.headers["traceresponse"] = known.trace.header
    response.headers["X-Content-Type-Options"] = "nosniff"
    if "Authorization" in request.headers:
        # Secrets, balances, whose points they are: nothing that takes a token is for anybody's cache.
        response.headers["Cache-Control"] = "no-store"
    if known.is_dry_run:
        response.headers["Dry-Run"] = "true"
    if request.path not in _SILENT:
        where: dict[str, Any] = {"path": masking.path(request.path)} if response.status_code == NOT_FOUND else {}
        logs.event(
            log,
            f"{request.method} {request.script_root + request.url_rule.rule if request.url_rule else '-'}",
            status=response.status_code,
            **where,
            ms=round((time.perf_counter() - known.began) * 1000, 1),
            request_id=known.request_id,
            trace_id=known.trace.trace_id,
            **known.log_facts,
        )
    return response


def _over_https_only(response: Response) -> Response:
    # RFC 6797. Not for subdomains: what else is served below this host is not ours to say.
    response.headers["Strict-Transport-Security"] = f"max-age={A_YEAR_S}"
    return response


def is_dry_run() -> bool:
    """Whether this request only asks what would be; raises InvalidRequest for anything but true or false."""
    given = request.args.get("dry_run", "false")
    if given not in ("true", "false"):
        raise InvalidRequest(
            "dry_run must be true or false", errors=[{"pointer": "/dry_run", "detail": "true or false"}]
        )
    return given == "true"


def check_query() -> None:
    """Refuse a query string nobody reads, or of which one value would win in silence; raises InvalidRequest.

    A view that takes a query checks it by itself, and whatever changes something can be asked to run dry.
    """
    if not request.query_string:
        return
    if twice := [name for name, values in request.args.lists() if len(values) > 1]:
        errors = [
            {"pointer": f"/{strict_json.escape(name)}", "detail": "This field occurs more than once."} for name in twice
        ]
        raise InvalidRequest("a query parameter occurs more than once", errors=errors)
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
    context.change(log_facts={**context.current().log_facts, **facts})


def read_json(req: Request) -> Any:
    """The JSON body of `req`, read as `strict_json` does.

    Raises UnsupportedMediaType, BodyTooLarge, MalformedRequest, InvalidRequest.
    """
    if (known := context.current().body) is not None:
        return known.newest
    if req.mimetype != "application/json":
        raise UnsupportedMediaType("the body must be application/json")
    largest = req.max_content_length or LARGEST_BODY_BYTES
    if (req.content_length or 0) > largest:
        raise BodyTooLarge(f"the body can have up to {largest} bytes")
    try:
        sent = strict_json.loads(req.get_data(cache=True))
    except UnwritableText as error:
        errors = [{"pointer": pointer, "detail": f"Here {error}."} for pointer in error.pointers]
        raise InvalidRequest(str(error), errors=errors) from None
    except MalformedJson as error:
        raise MalformedRequest(f"the body is not valid JSON: {error}") from None
    body = Body(sent, versions.newer(sent))
    context.change(body=body)
    return body.newest


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
