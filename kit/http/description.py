"""The API's description, completed: what every route owes its caller is written here once, not at each route.

flask-smorest describes paths, parameters and schemas; this adds to each operation its name, its scope, its examples,
the headers every answer carries, and each problem it can meet, by status and code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, TypeVar

from flask import Flask, request

from kit import ids
from kit.errors import CoalitionError, Stale
from kit.http import etags, idempotency, problems, rate_limits, versions
from kit.http.bodies import IncompleteBody
from kit.http.examples import Examples
from kit.http.fields import OPTIONAL
from kit.http.requests import DRY_RUN, REQUEST_ID
from kit.http.sharing import share

View = TypeVar("View", bound=Callable[..., Any])
Problems = Iterable[type[CoalitionError]]
JSON = "application/json"
REQUEST_EXAMPLE = "req_0123456789abcdef0123456789abcdef"

_EVERYWHERE: tuple[type[CoalitionError], ...] = (
    problems.Unauthenticated,
    problems.InsufficientScope,
    problems.InvalidRequest,
    versions.UnknownVersion,
    rate_limits.RateLimited,
    problems.InternalError,
)
_WITH_BODY = (problems.MalformedRequest, IncompleteBody, problems.BodyTooLarge, problems.UnsupportedMediaType)
_WITH_PARAMETER: dict[str, tuple[type[CoalitionError], ...]] = {
    idempotency.PARAMETER["name"]: (problems.IdempotencyKeyMissing,),  # type: ignore[dict-item]
    etags.IF_MATCH["name"]: (etags.PreconditionRequired, Stale, problems.MalformedRequest),  # type: ignore[dict-item]
}
_HEADERS: dict[str, tuple[str, str]] = {
    "Request-Id": ("The id of this request. Quote it when you contact us, or GET /v1/requests/{request_id}.",
                   REQUEST_EXAMPLE),
    "Coalition-Version": ("The version of the API that this answer follows.", versions.VERSIONS[-1].date),
    "RateLimit-Policy": ("Your limit for requests of this kind: q requests in w seconds.",
                         '"writes";q=10000;w=2'),
    "RateLimit": ("How many requests are left (r), and in how many seconds the limit is full again (t).",
                  '"writes";r=9999;t=1'),
    "traceresponse": ("Your trace, or one that we started, with our span (W3C Trace Context).",
                      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    "Retry-After": ("How many seconds to wait before you send the same request again.", "1"),
    "Idempotent-Replay": ("`true` if we answered this key before and posted nothing now.", "true"),
    "Dry-Run": ("`true` if we did nothing because you asked for a dry run.", "true"),
}  # fmt: skip
_EVERY_ANSWER = ("Request-Id", "Coalition-Version", "RateLimit-Policy", "RateLimit", "traceresponse")
_EVERY_REQUEST: dict[str, dict[str, Any]] = {
    "RequestId": {
        "in": "header", "name": "Request-Id", "schema": {"type": "string"},
        "description": (
            "Your own id for this request: 8 to 64 letters, digits and . _ -. We make one if you send none or another "
            "text."
        ),
    },
    "CoalitionVersion": {
        "in": "header", "name": versions.HEADER,
        "schema": {"$ref": "#/components/schemas/ApiVersion"},
        "description": (
            "The version of the API to use. If you leave it out, we use your client's version, which is that of its "
            "first request."
        ),
    },
    "Traceparent": {
        "in": "header", "name": "traceparent", "schema": {"type": "string"},
        "description": "The trace that this request belongs to (W3C Trace Context).",
    },
}  # fmt: skip
# What a caller may send with its requests, and what it may read of their answers.
REQUEST_HEADERS = (
    idempotency.PARAMETER["name"],
    *(parameter["name"] for parameter in _EVERY_REQUEST.values()),
)
ANSWER_HEADERS = tuple(_HEADERS)


def fails_with(*kinds: type[CoalitionError]) -> Callable[[View], View]:
    """Say which problems a view can meet besides those that every route of its shape can."""

    def decorate(view: View) -> View:
        view.problems = kinds  # type: ignore[attr-defined]
        return view

    return decorate


def complete(
    document: dict[str, Any],
    app: Flask,
    *,
    unavailable: Problems,
    of_schema: Mapping[str, Any],
    of_field: Mapping[str, Any],
    in_schema: Mapping[str, Mapping[str, Any]],
    of_operation: Mapping[str, Mapping[str, Any]],
    webhooks: Mapping[str, Any],
    forms: Mapping[str, Any],
) -> dict[str, Any]:
    """`document`, as flask-smorest made it, with all that; `unavailable` are problems that any route may meet.

    `forms` are `paths` that are no routes of the API's, with their `tag`, the `schemes` to sign in by, and the
    `responses` that they share.
    """
    _write_patterns_for_everybody(document)
    components = document["components"]
    examples = Examples(
        components["schemas"], of_schema=of_schema, of_field=of_field, in_schema=in_schema, of_operation=of_operation
    )
    components["headers"] = {
        name: {"description": text, "schema": {"type": "string"}, "example": example}
        for name, (text, example) in _HEADERS.items()
    }
    components["schemas"]["ApiVersion"] = {
        "type": "string",
        "enum": [version.date for version in versions.VERSIONS],
        "description": "A version of the API, named by its date.",
    }
    components["parameters"] = {**components.get("parameters", {}), **_EVERY_REQUEST}
    met: set[type[CoalitionError]] = set()
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        item = document["paths"].get(path, {})
        _describe_path(item.get("parameters", []), examples)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            if (operation := item.get(method.lower())) is not None:
                view = app.view_functions[rule.endpoint]
                shared = item.get("parameters", [])
                met |= _complete_operation(operation, method, rule.endpoint, view, shared, examples, tuple(unavailable))
    _require_what_answers_hold(document["paths"], components["schemas"])
    components["examples"] = {
        kind.code: {"summary": kind.title, "value": _problem_example(kind)}
        for kind in sorted(met, key=lambda kind: kind.code)
    }
    components["responses"].pop("UNPROCESSABLE_ENTITY", None)  # flask-smorest's, for whatever takes arguments
    document["webhooks"] = dict(webhooks)
    share(document["webhooks"], components, prefix="Webhook")
    document["servers"] = [{"url": request.script_root or "/"}]
    _write_addresses(components["securitySchemes"], request.script_root)
    share(document["paths"], components)
    document["paths"] |= forms["paths"]
    components["responses"] |= forms["responses"]
    document["tags"].append(forms["tag"])
    components["securitySchemes"] |= forms["schemes"]
    return document


def _write_addresses(schemes: dict[str, Any], root: str) -> None:
    """Let the addresses of the authorization server be those below `root`, where this API is mounted."""
    for scheme in schemes.values():
        for flow in scheme["flows"].values():
            flow |= {name: root + path for name, path in flow.items() if name.endswith("Url")}


def _write_patterns_for_everybody(part: Any) -> None:
    """Let every pattern be one of ECMA-262, as JSON Schema asks: Python's own ends and names mean nothing elsewhere."""
    if isinstance(part, dict):
        if isinstance(part.get("pattern"), str):
            part["pattern"] = re.sub(r"\(\?P<\w+>", "(", part["pattern"]).replace(r"\Z", "$")
        for inner in part.values():
            _write_patterns_for_everybody(inner)
    elif isinstance(part, list):
        for inner in part:
            _write_patterns_for_everybody(inner)


def _require_what_answers_hold(paths: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Say of answers' schemas that their fields are always there, unless marked OPTIONAL, and that more may come."""
    operations = [item[method] for item in paths.values() for method in item if method != "parameters"]
    asked = _named([operation.get("requestBody") for operation in operations], schemas)
    for name in _named([operation["responses"] for operation in operations], schemas) - asked:
        fields = schemas[name].get("properties", {})
        schemas[name]["required"] = [field for field in fields if not fields[field].pop(OPTIONAL, False)]
        if schemas[name].get("additionalProperties") is False:
            del schemas[name]["additionalProperties"]


def _named(part: Any, schemas: dict[str, Any]) -> set[str]:
    """The names of all schemas that `part` refers to, and those that they refer to."""
    found: set[str] = set()
    waiting = [part]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            waiting += one.values()
            kind, _, name = str(one.get("$ref", "")).rpartition("/")
            if kind == "#/components/schemas" and name not in found:
                found.add(name)
                waiting.append(schemas[name])
    return found


def _complete_operation(
    operation: dict[str, Any],
    method: str,
    endpoint: str,
    view: Any,
    shared: list[dict[str, Any]],
    examples: Examples,
    unavailable: tuple[type[CoalitionError], ...],
) -> set[type[CoalitionError]]:
    scope = getattr(view, "required_scope", None)
    operation["operationId"] = re.sub(r"\W", "_", endpoint).replace("_everything", "_list")
    more = [operation["description"]] if operation.get("description") else []
    operation["description"] = "\n\n".join([*more, f"Needs the scope `{scope}`."] if scope else more)
    if getattr(view, "deprecation", None):
        operation["deprecated"] = True
    own = operation.setdefault("parameters", [])
    if method != "GET" and DRY_RUN not in own:
        own.append(DRY_RUN)
    kinds = {*_EVERYWHERE, *unavailable, *getattr(view, "problems", ())}
    for parameter in own:
        kinds |= set(_WITH_PARAMETER.get(parameter["name"], ()))
    if any(parameter["name"] in ids.PREFIX_OF_FIELD for parameter in shared):
        kinds.add(ids.MalformedId)
    if "requestBody" in operation:
        kinds |= set(_WITH_BODY)
        for content in operation["requestBody"]["content"].values():
            content.setdefault("example", examples.make(content.get("schema", {})))
    own += [{"$ref": f"#/components/parameters/{name}"} for name in _EVERY_REQUEST]
    _complete_responses(operation, kinds, examples)
    return kinds


# What stands in paths and is no id with a prefix.
_IN_PATHS = {
    "request_id": (f"^{REQUEST_ID.pattern}$", "The Request-Id header of an answer."),
    "client_id": ("^co_client_[A-Za-z0-9_-]{22}$", "The id of an OAuth client."),
    "consumer_name": ("^[a-z0-9][a-z0-9_.-]{0,63}$", "The name you gave the consumer."),
    "day": ("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "A day in UTC."),
}


def _describe_path(parameters: list[dict[str, Any]], examples: Examples) -> None:
    for parameter in parameters:
        prefix = ids.PREFIX_OF_FIELD.get(parameter["name"])
        if prefix is not None:
            pattern = f"^{prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$"
            parameter["schema"] = {"type": "string", "pattern": pattern}
            parameter["description"] = f"An id that begins with `{prefix}_`."
        elif parameter["name"] in _IN_PATHS:
            pattern, said = _IN_PATHS[parameter["name"]]
            parameter["schema"] = {"type": "string", "pattern": pattern}
            parameter["description"] = said
        parameter.setdefault("example", examples.make(parameter["schema"], name=parameter["name"]))


def _complete_responses(operation: dict[str, Any], kinds: Problems, examples: Examples) -> None:
    responses: dict[str, Any] = operation["responses"]
    posts = any(parameter.get("name") == "Idempotency-Key" for parameter in operation["parameters"])
    dries = any(parameter.get("name") == "dry_run" for parameter in operation["parameters"])
    for status in [status for status in responses if status.startswith("2")]:
        response = responses[status]
        for content in response.get("content", {}).values():
            made = examples.answer(content.get("schema", {}), operation=operation["operationId"])
            content.setdefault("example", made)
        names = [*_EVERY_ANSWER, *(["Idempotent-Replay"] * posts), *(["Dry-Run"] * dries)]
        response["headers"] = {**response.get("headers", {}), **_headers(names)}
    by_status: dict[int, list[type[CoalitionError]]] = {}
    for kind in sorted(kinds, key=lambda kind: kind.code):
        by_status.setdefault(problems.status_of(kind), []).append(kind)
    for number, found in sorted(by_status.items()):
        responses[str(number)] = _problem_response(HTTPStatus(number), found)
    operation["responses"] = dict(sorted(responses.items()))


def _problem_response(status: HTTPStatus, kinds: list[type[CoalitionError]]) -> dict[str, Any]:
    names = ["Request-Id", versions.HEADER]
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        names += ["RateLimit-Policy", "RateLimit"]
    if any(kind.retryable for kind in kinds) and status != HTTPStatus.INTERNAL_SERVER_ERROR:
        names.append("Retry-After")
    return {
        "description": f"{status.phrase}: " + ", ".join(f"`{kind.code}`" for kind in kinds),
        "headers": _headers(names),
        "content": {
            problems.CONTENT_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {kind.code: {"$ref": f"#/components/examples/{kind.code}"} for kind in kinds},
            }
        },
    }


def _headers(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _problem_example(kind: type[CoalitionError]) -> dict[str, Any]:
    return {**problems.document(kind(kind.description)), "request_id": REQUEST_EXAMPLE}
