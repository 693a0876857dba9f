"""What guards every route there is and every one to come, and that it bites: routes that forget something are planted.

Beside `test_conventions`, which calls the routes: here is what can be read off them, and what their bodies take.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from werkzeug.routing import Rule

from api.auth import requires
from identity.scopes import ADMIN_SCOPES, MEMBER_SCOPES, SCOPES
from kit import ids
from kit.http.api import Blueprint
from kit.secrets import Keyring
from kit.settings import Settings
from tests.api.test_conventions import DOCUMENT, JSON, PARTNERS, ROUTES, SUFFIX, Route
from tests.identity.sign_in_kit import HTTPS
from tests.service import shut
from wsgi import create_app

NOWHERE = Settings(database_url="postgresql://nobody/", redis_url="redis://nobody", secret_key="0" * 64)
ALL_SCOPES = {**SCOPES, **MEMBER_SCOPES, **ADMIN_SCOPES}
# Whose routes take no access token, and what they have instead.
WITHOUT_TOKEN = {
    "sign_in": "how one gets in", "consents": "a member's session", "credentials": "a member's session",
    "passkeys": "somebody's session", "devices": "a staff member's session",
    "awards": "a staff member's session", "oauth": "clients' credentials",
    "pages": "what pages load", "problems": "documentation", "health": "the operator's", "api-docs": "documentation",
    "webhook-keys": "public keys",
}  # fmt: skip
ALONE = {"home", "docs", "docs_start", "docs_asset", "asyncapi_json"}  # documentation
NEEDS_SESSION = ("consents", "credentials", "passkeys", "devices", "awards")


def faults(app: Flask) -> list[str]:
    """The routes of `app` that let anybody in, want no scope, or stand in no description."""
    paths = json.loads(app.test_client().get("/openapi.json").text)["paths"]
    return [fault for rule in app.url_map.iter_rules() for fault in _faults(app, paths, rule)]


def _faults(app: Flask, paths: dict[str, Any], rule: Rule) -> Iterator[str]:
    room = rule.endpoint.partition(".")[0]
    if rule.endpoint in ALONE or (room in WITHOUT_TOKEN and not rule.rule.startswith("/v1")):
        return
    scope = getattr(app.view_functions[rule.endpoint], "required_scope", None)
    if scope not in ALL_SCOPES:
        yield f"{rule.rule} wants no scope"
    described = paths.get(re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), {})
    for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
        operation = described.get(method.lower())
        if operation is None:
            yield f"{method} {rule.rule} is not described"
        elif operation.get("security") != [{"oauth2": [scope]}]:
            yield f"{method} {rule.rule} is described without its scope"


def test_every_route_has_authentication_scope_and_description(app) -> None:
    assert faults(app) == []
    rooms = {rule.endpoint.partition(".")[0] for rule in app.url_map.iter_rules()}
    assert rooms >= {*WITHOUT_TOKEN, *ALONE}, "no name too many"


def _forgetful() -> Blueprint:
    made = Blueprint("forgetful", __name__, url_prefix="/v1/forgetful")

    @made.get("/open")
    def let_in() -> dict[str, Any]:
        """Anybody."""
        return {}

    @made.get("/hidden")
    @made.doc(security=[])
    @requires(made, "earn:write")
    def unsaid() -> dict[str, Any]:
        """Said to be for anybody."""
        return {}

    @made.get("/unknown")
    @requires(made, "earn:everything")
    def nobodys() -> dict[str, Any]:
        """Of a scope there is not."""
        return {}

    return made


def test_a_route_that_forgets_any_of_them_is_found() -> None:
    app = create_app(NOWHERE, Keyring(bytes(32)))
    frame = app.extensions["flask-smorest"]["apis"][""]["ext_obj"]
    frame.register_blueprint(_forgetful())
    app.add_url_rule("/v1/undescribed", endpoint="undescribed", view_func=lambda: "")
    app.add_url_rule("/export", endpoint="export", view_func=lambda: "")
    assert sorted(faults(app)) == [
        "/export wants no scope",
        "/v1/forgetful/open wants no scope",
        "/v1/forgetful/unknown wants no scope",
        "/v1/undescribed wants no scope",
        "GET /export is not described",
        "GET /v1/forgetful/hidden is described without its scope",
        "GET /v1/forgetful/open is described without its scope",
        "GET /v1/undescribed is not described",
    ]
    shut(app)


def test_a_page_of_somebodys_leads_who_is_not_signed_in_to_where_they_do_so(app, http) -> None:
    walked = 0
    for rule in app.url_map.iter_rules():
        if rule.endpoint.partition(".")[0] not in NEEDS_SESSION or rule.endpoint == "consents.authorize":
            continue
        values = {name: "member" if name == "kind" else str(ids.new()) for name in rule.arguments}
        path = app.url_map.bind("localhost").build(rule.endpoint, values, method=sorted(rule.methods or ())[-1])
        for method in (rule.methods or set()) & {"GET", "POST"}:
            answer = http.open(path, method=method, base_url=HTTPS)
            if method == "POST" and answer.status_code == 403:
                assert "/sign-in" not in answer.headers.get("Location", "")
            else:
                assert answer.status_code == 303, path
                assert answer.location.startswith(("/sign-in/", "/passkeys/")), path
            walked += 1
    assert walked >= 15


# What bodies and queries take.


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "allOf" in schema and "properties" not in schema:
        return _resolved(schema["allOf"][0])
    return schema


def _fields(schema: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every whole number and every time in a body, with the way to it."""
    for name, inner in _resolved(schema).get("properties", {}).items():
        field = _resolved(inner)
        kinds = field.get("type", [])
        if "integer" in ([kinds] if isinstance(kinds, str) else kinds):
            yield (*path, name), "integer"
        elif field.get("format") == "date-time":
            yield (*path, name), "date-time"
        yield from _fields(field, (*path, name))


WRONG: dict[str, list[Any]] = {
    "integer": [12.7, 12.0, "12", True, 1e300, 2**53, -(2**53), 10**30, [], {}],
    "date-time": ["2026-03-02T12:00:00", "2026-03-02", "yesterday", "", 1_772_452_800, True, "２026-03-02T12:00:00Z"],
}
TYPED = [
    pytest.param(route, path, kind, id=f"{route.method} {route.path.replace(SUFFIX, '…')} {'.'.join(path)}")
    for route in ROUTES
    if route.takes_json
    for path, kind in _fields(route.operation["requestBody"]["content"][JSON]["schema"])
]


def test_there_are_fields_to_try() -> None:
    kinds = [param.values[2] for param in TYPED]
    assert kinds.count("integer") >= 8
    assert kinds.count("date-time") >= 8


@pytest.mark.parametrize(("route", "path", "kind"), TYPED)
def test_whole_numbers_are_whole_and_times_have_an_offset_everywhere(caller, admin, route: Route, path, kind) -> None:
    asking = caller() if route.scope in SCOPES else admin()
    for wrong in WRONG[kind]:
        body = copy.deepcopy(route.operation["requestBody"]["content"][JSON]["example"])
        inner = body
        for name in path[:-1]:
            inner = inner.setdefault(name, {})
        inner[path[-1]] = wrong
        headers = {"Authorization": f"Bearer {asking.token}", "Idempotency-Key": "k", "If-Match": "*"}
        answer = asking.http.open(route.path, method=route.method, json=body, headers=headers)
        assert (answer.status_code, answer.json["code"]) == (422, "invalid_request"), (wrong, answer.text)
        pointers = [error["pointer"] for error in answer.json["errors"]]
        assert any(pointer.startswith("/" + "/".join(path)) for pointer in pointers), (wrong, pointers)


def _parameters(route: Route, where: str) -> list[str]:
    return [one["name"] for one in route.operation.get("parameters", []) if one.get("in") == where]


def test_a_query_parameter_given_twice_is_refused_everywhere(caller, admin) -> None:
    grocer, boss = caller("greengrocer"), admin()
    walked = 0
    for route in (route for route in ROUTES if route.scope not in MEMBER_SCOPES):
        asking = grocer if route.scope in SCOPES else boss
        for name in _parameters(route, "query"):
            values = ("false", "true") if name == "dry_run" else ("1", "2")
            path = f"{route.path}?{name}={values[0]}&{name}={values[1]}"
            headers = {"Authorization": f"Bearer {asking.token}", "Idempotency-Key": "k", "If-Match": "*"}
            answer = asking.http.open(path, method=route.method, json={} if route.takes_json else None, headers=headers)
            assert (answer.status_code, answer.json["code"]) == (422, "invalid_request"), path
            assert answer.json["errors"] == [{"pointer": f"/{name}", "detail": "This field occurs more than once."}], (
                path
            )
            walked += 1
    assert walked >= 30


MOVING = ("earn:write", "burn:write", "holds:write", "reversals:write")


def test_whatever_moves_points_wants_an_idempotency_key(caller) -> None:
    grocer = caller()
    moving = [route for route in PARTNERS if "Idempotency-Key" in _parameters(route, "header")]
    posting = {route.name for route in PARTNERS if route.method == "POST" and route.scope in MOVING}
    assert posting - {route.name for route in moving} == set()
    assert {"POST /v1/batches", "POST /v1/batches/files"} <= {route.name for route in moving}
    for route in moving:
        [(media, content), *_] = route.operation["requestBody"]["content"].items()
        body = json.dumps(content["example"]) if media == JSON else "x"
        for key in (None, "", "k" * 129, "a b", "ü"):
            headers = {"Authorization": f"Bearer {grocer.token}"}
            if key is not None:
                headers["Idempotency-Key"] = key
            answer = grocer.http.open(route.path, method="POST", data=body, content_type=media, headers=headers)
            assert (answer.status_code, answer.json["code"]) == (400, "idempotency_key_missing"), (route.name, key)


def test_an_answer_may_grow_fields_and_a_request_may_not() -> None:
    """marshmallow's plug-in closes answers too, and a client made of that would break at the next field."""
    for route in ROUTES:
        for status, response in route.operation["responses"].items():
            for content in response.get("content", {}).values():
                assert _resolved(content["schema"]).get("additionalProperties") is not False, (route.name, status)
        if route.takes_json:
            schema = _resolved(route.operation["requestBody"]["content"][JSON]["schema"])
            assert schema.get("additionalProperties") is False, route.name
