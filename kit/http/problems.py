"""Errors as RFC 9457 problem details: every error of the tree has a status here, and a page in the catalogue."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, ClassVar

import marshmallow as ma
from flask import Blueprint, Flask, Response, render_template_string, request
from markupsafe import Markup, escape
from werkzeug.exceptions import HTTPException

from kit import errors
from kit.errors import CoalitionError
from kit.http import context
from kit.http.fields import OPTIONAL

log = logging.getLogger(__name__)
CONTENT_TYPE = "application/problem+json"

_STATUS_OF_CATEGORY: dict[type[CoalitionError], int] = {
    errors.Invalid: 422,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Forbidden: 403,
    errors.LimitReached: 429,
    errors.Stale: 412,
    errors.Unavailable: 503,
}


class HttpError(CoalitionError):
    """An error of HTTP itself, before anything of the core is asked."""

    status: ClassVar[int]


class MalformedRequest(HttpError):
    code, title, status = "malformed_request", "Malformed request", 400
    description = (
        "The request is not well-formed HTTP or JSON: it has a syntax error, invalid UTF-8, or the same name twice in "
        "one object."
    )
    remedy = "Correct the request as `detail` says. Send valid JSON in UTF-8, with each name once in an object."


class IdempotencyKeyMissing(HttpError):
    code, title, status = "idempotency_key_missing", "Idempotency-Key missing", 400
    description = "A request that moves points needs an Idempotency-Key header with 1 to 128 visible ASCII characters."
    remedy = "Make an Idempotency-Key for each new request. Send the same key when you retry that request."


class Unauthenticated(HttpError):
    code, title, status = "unauthenticated", "Unauthenticated", 401
    description = "The access token is missing, unknown, expired or revoked."
    remedy = "Get a new access token from /oauth/token and send the request again with it."


class InsufficientScope(HttpError):
    code, title, status = "insufficient_scope", "Insufficient scope", 403
    description = "The access token does not have the scope that this route requires. `required_scope` names it."
    remedy = (
        "Ask for a token with the scope in `required_scope`. If your client does not have that scope, ask the "
        "coalition for it."
    )
    facts = ("required_scope",)


class RouteNotFound(HttpError):
    code, title, status = "route_not_found", "Route not found", 404
    description = "There is nothing at this address."
    remedy = (
        "Compare the address with the description at /openapi.json. Put ids into the path exactly as you received them."
    )


class MethodNotAllowed(HttpError):
    code, title, status = "method_not_allowed", "Method not allowed", 405
    description = "This address does not support this method."
    remedy = "Use one of the methods in the Allow header."


class BodyTooLarge(HttpError):
    code, title, status = "body_too_large", "Body too large", 413
    description = "The request's body is larger than this route accepts."
    remedy = "Send less at once. Use a batch file for what does not fit into a batch."


class UnsupportedMediaType(HttpError):
    code, title, status = "unsupported_media_type", "Unsupported media type", 415
    description = (
        "The body does not have the media type that this route accepts, in UTF-8. Most routes accept "
        "`application/json`."
    )
    remedy = "Send the header Content-Type: application/json, or the type that the route's description names."


class InvalidRequest(HttpError):
    code, title, status = "invalid_request", "Invalid request", 422
    description = "Fields of the request are missing, unknown or out of range. `errors` lists each of them."
    remedy = "Correct each field listed in `errors`. The description at /openapi.json has an example of the request."
    facts = ("errors",)


class InternalError(HttpError):
    code, title, status, retryable = "internal_error", "Internal error", 500, True
    description = "We made a mistake. You can send the same request again with the same key."
    remedy = "Send the same request again with the same Idempotency-Key. If it fails again, tell us the `request_id`."


_OF_STATUS: dict[int, type[HttpError]] = {
    404: RouteNotFound,
    405: MethodNotAllowed,
    413: BodyTooLarge,
    415: UnsupportedMediaType,
}


class FieldErrorSchema(ma.Schema):
    schema_description = "One field that is wrong."

    pointer = ma.fields.String(metadata={"description": "A JSON pointer (RFC 6901) to the field in the request"})
    detail = ma.fields.String()


class ProblemSchema(ma.Schema):
    schema_description = "RFC 9457 problem details."

    type = ma.fields.String(
        metadata={"description": "The address of the page about this code", "format": "uri-reference"}
    )
    title = ma.fields.String()
    status = ma.fields.Integer()
    code = ma.fields.String(metadata={"description": "A stable code that programs can rely on"})
    detail = ma.fields.String()
    request_id = ma.fields.String()
    retryable = ma.fields.Boolean(metadata={"description": "Whether you can send the same request again"})
    errors = ma.fields.List(ma.fields.Nested(FieldErrorSchema), metadata={OPTIONAL: True})

    class Meta:
        unknown = ma.INCLUDE


def status_of(kind: type[CoalitionError]) -> int:
    """The HTTP status for an error class, by its category."""
    if issubclass(kind, HttpError):
        return kind.status
    return next(status for category, status in _STATUS_OF_CATEGORY.items() if issubclass(kind, category))


def document(error: CoalitionError) -> dict[str, Any]:
    """`error` as problem details, without the request it came of."""
    return {
        **error.fields,
        "type": f"/problems/{error.code}",
        "title": error.title,
        "status": status_of(type(error)),
        "code": error.code,
        "detail": error.detail,
        "retryable": error.retryable,
    }


def respond(error: CoalitionError) -> Response:
    """The response that carries `error` as a problem document."""
    body = {**document(error), "request_id": context.current().request_id}
    status = body["status"]
    context.change(problem=body)
    response = Response(json.dumps(body, default=str), status=status, content_type=CONTENT_TYPE)
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    if status == HTTPStatus.FORBIDDEN and "required_scope" in error.fields:
        scope = error.fields["required_scope"]
        response.headers["WWW-Authenticate"] = f'Bearer error="insufficient_scope", scope="{scope}"'
    if error.retryable and status in (409, 429, 503):
        response.headers["Retry-After"] = str(error.fields.get("retry_after_s", 1))
    return response


def from_http_exception(error: HTTPException) -> Response:
    """Flask's and werkzeug's own errors as problems."""
    if error.response is not None or error.code is None or error.code < HTTPStatus.BAD_REQUEST:
        return Response(error.get_response(request.environ).get_data(), status=error.code)
    kind = _OF_STATUS.get(error.code, InternalError if error.code >= 500 else MalformedRequest)
    response = respond(kind(error.description or kind.title))
    for name, value in error.get_headers(request.environ):
        if name in ("Allow", "Retry-After"):
            response.headers[name] = value
    return response


def install(app: Flask) -> None:
    """Let every error of `app` leave as a problem document, and serve the catalogue under /problems/."""
    app.register_error_handler(CoalitionError, respond)
    app.register_error_handler(HTTPException, from_http_exception)
    app.register_error_handler(Exception, _fault)
    app.register_blueprint(_pages())


def _fault(error: Exception) -> Response:
    log.exception("fault", exc_info=error, extra={"facts": {"request_id": context.current().request_id}})
    return respond(InternalError("we made a mistake"))


_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Problems</title>
<h1>{{ "Problem: " ~ entries[0].title if entries|length == 1 else "Problems" }}</h1>
<p>An error is a problem document (RFC 9457). Its <code>code</code> names one of these
and never changes its meaning.</p>
<dl>{% for entry in entries %}<dt id="{{ entry.code }}">
<a href="{{ root }}/problems/{{ entry.code }}">{{ entry.code }}</a>
({{ entry.status }}{{ ", may be retried" if entry.retryable }})</dt><dd>{{ entry.text }}
<p>What to do: {{ entry.remedy }}</p></dd>{% endfor %}</dl></html>"""


def _pages() -> Blueprint:
    pages = Blueprint("problems", __name__)

    @pages.get("/problems/", strict_slashes=False)
    def catalogue() -> str:
        return _page(errors.catalogue().values())

    @pages.get("/problems/<code>")
    def problem(code: str) -> str:
        if (kind := errors.catalogue().get(code)) is None:
            raise RouteNotFound("no problem has this code")
        return _page([kind])

    return pages


def _page(kinds: Iterable[type[CoalitionError]]) -> str:
    return render_template_string(_PAGE, root=request.script_root, entries=[_entry(kind) for kind in kinds])


def _entry(kind: type[CoalitionError]) -> dict[str, Any]:
    return {
        "code": kind.code,
        "title": kind.title,
        "status": status_of(kind),
        "retryable": kind.retryable,
        "text": marked_up(kind.description),
        "remedy": marked_up(kind.remedy),
    }


def marked_up(text: str) -> Markup:
    """Plain text as HTML: what stands between backticks is code."""
    return Markup(re.sub(r"`+([^`]+)`+", r"<code>\1</code>", str(escape(" ".join(text.split())))))  # noqa: S704
