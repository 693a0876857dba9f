"""What every route owes its caller: refusals of one shape, each where it belongs; versions; what is going to end."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import marshmallow as ma
import pytest

from api.auth import requires
from identity.scopes import ADMIN_SCOPES, MEMBER_SCOPES, SCOPES
from kit.http import problems, versions
from kit.http.api import Blueprint
from kit.http.requests import LARGEST_BODY_BYTES
from kit.http.versions import Change, Deprecation, Version
from kit.secrets import Keyring
from kit.settings import Settings
from tests.pin_openapi import pinned
from tests.service import Caller, shut
from wsgi import create_app

DOCUMENT = pinned()
OPERATIONS = DOCUMENT["paths"]
JSON = "application/json"
OLD, NEW = "2026-11-01", "2027-03-01"


@dataclass(frozen=True)
class Route:
    """One route of the API; `path` holds ids that are well-formed and nobody's."""

    method: str
    path: str
    scope: str
    largest: int
    operation: dict[str, Any]
    examples: dict[str, str]  # the ids in `path`, by the names of its parameters

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def takes_json(self) -> bool:
        return JSON in self.operation.get("requestBody", {}).get("content", {})


def _routes() -> Iterator[Route]:
    app = create_app(
        Settings(database_url="postgresql://nobody/", redis_url="redis://nobody", secret_key="0" * 64),
        Keyring(bytes(32)),
    )
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith("/v1"):
            continue
        item = OPERATIONS[re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)]
        path = rule.rule
        examples = {parameter["name"]: parameter["example"] for parameter in item.get("parameters", [])}
        for name, example in examples.items():
            path = re.sub(rf"<(\w+:)?{name}>", example, path)
        view: Any = app.view_functions[rule.endpoint]
        largest = getattr(view, "largest_body_bytes", LARGEST_BODY_BYTES)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield Route(method, path, view.required_scope, largest, item[method.lower()], examples)


ROUTES = list(_routes())
# Of a partner's own clients; the admin's and the members' have other tokens.
PARTNERS = [route for route in ROUTES if route.scope in SCOPES]
WITH_JSON = [route for route in PARTNERS if route.takes_json]


@pytest.fixture
def grocer(caller) -> Caller:
    return caller("greengrocer")


def call(caller: Caller, route: Route, *, body: bytes | None = None, media: str = JSON, query: str = ""):
    """Call `route` as `caller`, with all the headers it wants, and see that a refusal is documented."""
    headers = {"Authorization": f"Bearer {caller.token}", "Idempotency-Key": "k", "If-Match": "*"}
    answer = caller.http.open(
        route.path + query, method=route.method, data=body, content_type=media if body is not None else None,
        headers=headers,
    )  # fmt: skip
    if answer.status_code >= 400:
        check_problem(route, answer)
    return answer


def check_problem(route: Route, answer) -> None:
    assert answer.status_code < 500, (route.name, answer.text)
    assert answer.content_type == problems.CONTENT_TYPE, route.name
    problem = answer.json
    assert problem["status"] == answer.status_code
    assert problem["type"] == f"/problems/{problem['code']}"
    assert problem["request_id"] == answer.headers["Request-Id"]
    described = route.operation["responses"][str(answer.status_code)]
    assert f"`{problem['code']}`" in described["description"], (route.name, problem["code"])


def codes(answers) -> set[tuple[int, str]]:
    return {(answer.status_code, answer.json["code"]) for answer in answers}


def test_there_are_routes_to_walk() -> None:
    assert len(ROUTES) >= 22
    assert len(WITH_JSON) >= 11


def test_without_a_token_every_route_answers_401(http) -> None:
    for route in ROUTES:
        for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic eDp5"}):
            answer = http.open(route.path, method=route.method, headers=headers)
            assert (answer.status_code, answer.json["code"]) == (401, "unauthenticated"), route.name
            check_problem(route, answer)


def test_without_its_scope_every_route_answers_403(caller) -> None:
    for route in ROUTES:
        assert route.scope in {**SCOPES, **MEMBER_SCOPES, **ADMIN_SCOPES}
    for index, scope in enumerate(sorted({route.scope for route in ROUTES})):
        powerless = caller(f"powerless-{index}", [other for other in SCOPES if other != scope])
        found = codes(call(powerless, route, body=b"{") for route in ROUTES if route.scope == scope)
        assert found == {(403, "insufficient_scope")}


def test_malformed_json_is_400_everywhere(grocer) -> None:
    for body in (b"{", b"\xff", b'{"a": 1, "a": 2}', b'{"a": NaN}'):
        found = codes(call(grocer, route, body=body) for route in WITH_JSON)
        assert found == {(400, "malformed_request")}


def test_another_content_type_is_415_everywhere(grocer) -> None:
    for media in ("text/plain", "application/x-www-form-urlencoded", "application/json5", "multipart/form-data",
                  "application/json; charset=utf-16", "application/json; charset=iso-8859-1"):  # fmt: skip
        found = codes(call(grocer, route, body=b"a=1", media=media) for route in WITH_JSON)
        assert found == {(415, "unsupported_media_type")}


def test_too_large_a_body_is_413_everywhere(grocer) -> None:
    found = codes(call(grocer, route, body=b" " * (route.largest + 1)) for route in WITH_JSON)
    assert found == {(413, "body_too_large")}


def test_unknown_fields_are_422_everywhere_and_named(grocer) -> None:
    for route in WITH_JSON:
        answer = call(grocer, route, body=b'{"no_such_field": 1}')
        assert (answer.status_code, answer.json["code"]) == (422, "invalid_request"), route.name
        assert "/no_such_field" in [error["pointer"] for error in answer.json["errors"]], route.name


def test_unknown_query_parameters_are_422_everywhere(grocer) -> None:
    for route in PARTNERS:
        body = json.dumps(route.operation["requestBody"]["content"][JSON]["example"]) if route.takes_json else None
        answer = call(grocer, route, body=body and body.encode(), query="?no_such_parameter=1")
        assert (answer.status_code, answer.json["code"]) == (422, "invalid_request"), (route.name, answer.text)
        assert "/no_such_parameter" in [error["pointer"] for error in answer.json["errors"]], route.name


def test_odd_requests_are_never_a_fault_of_ours(grocer) -> None:
    odd = (b"[]", b"null", b'"x"', b"0", b'{"member_id": null}', b'{"card": "\\u0000"}', b'{"reference": "\\ud800"}')
    for route in PARTNERS:
        for body in odd:
            call(grocer, route, body=body)
        for query in ("?%00=%00", "?a[]=1&a[]=2", "?cursor=%ff", "?limit=-1", "?dry_run=maybe"):
            call(grocer, route, query=query)


def test_ids_that_are_nobodys_are_404_or_malformed_422(grocer) -> None:
    for route in (route for route in PARTNERS if route.method == "GET" and SUFFIX in route.path):
        assert call(grocer, route).status_code == 404 or "transactions" in route.path, route.name
        other = replace(route, path=route.path.replace(SUFFIX, "x"))
        assert call(grocer, other).json["code"] == "malformed_id"


SUFFIX = "01h45ytscbebyvny4gc8cr8ma2"


SECRET = re.compile(r"(.*_)?(secret|token|pin|seed)")


def _names(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield from _names(DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
        yield from schema.get("properties", {})
        for part in (*schema.get("properties", {}).values(), schema.get("items")):
            yield from _names(part)


def test_nothing_that_takes_a_token_is_kept_by_a_cache_least_of_all_secrets(caller, admin) -> None:
    boss, grocer = admin(), caller("greengrocer")
    for route in ROUTES:
        answer = call(grocer if route.scope in SCOPES else boss, route)
        assert answer.headers["Cache-Control"] == "no-store", route.name
    giving = {
        route.name.replace(SUFFIX, "…")
        for route in ROUTES
        for content in route.operation["responses"].get("201", {}).get("content", {}).values()
        if any(SECRET.fullmatch(name) for name in _names(content["schema"]))
    }
    assert giving == {"POST /v1/admin/partners/prt_…/clients", "POST /v1/webhook-endpoints"}, "each is tried here"
    owner = boss.get("/v1/admin/partners").json["data"][0]["partner_id"]
    made = boss.post(f"/v1/admin/partners/{owner}/clients", {})
    registered = grocer.post("/v1/webhook-endpoints", {"url": "https://hooks.example.com/x"})
    for shown, name in ((made, "client_secret"), (registered, "secret")):
        assert shown.json[name]
        assert shown.headers["Cache-Control"] == "no-store"


def test_every_answer_carries_its_version_and_an_unknown_one_is_refused(grocer) -> None:
    assert grocer.get("/v1/event-types").headers["Coalition-Version"] == versions.VERSIONS[-1].date
    assert grocer.http.get("/healthz").headers["Coalition-Version"]
    for unknown in ("2020-01-01", "latest", "2026-11-01 ", "２026-11-01"):
        answer = grocer.post("/v1/earns", {}, **{"Coalition-Version": unknown})
        if unknown.strip() == OLD:
            continue  # spaces around a header's value are none of its
        assert (answer.status_code, answer.json["code"]) == (400, "unknown_version"), unknown
        assert answer.json["versions"] == [version.date for version in versions.VERSIONS]


def test_what_is_not_there_is_not_there_in_any_version(http) -> None:
    for method, path, status in (("TRACE", "/v1/earns", 405), ("GET", "/v1/nothing", 404)):
        assert http.open(path, method=method, headers={"Coalition-Version": "2000-01-01"}).status_code == status


class _ToySchema(ma.Schema):
    """A toy that was called `colour` and is called `shade` since the newer version."""

    shade = ma.fields.String(required=True)


def _renamed(old: str, new: str) -> Any:
    return lambda body: {new if field == old else field: value for field, value in body.items()}


RENAMED = Change(frozenset(("toys.make",)), "colour is shade", _renamed("colour", "shade"), _renamed("shade", "colour"))
TWO_VERSIONS = (
    Version(OLD, "The first.", deprecation=Deprecation(datetime(2027, 3, 1, tzinfo=UTC))),
    Version(NEW, "Shades.", (RENAMED,)),
)


@pytest.fixture
def toys(app, world):
    """The API with two versions, and routes of which one is going to end."""
    made = Blueprint("toys", __name__, url_prefix="/v1/toys")

    @made.post("")
    @requires(made, "earn:write")
    @made.arguments(_ToySchema())
    @made.response(200, _ToySchema)
    def make(body: dict[str, Any]) -> dict[str, Any]:
        return body

    @made.get("/old")
    @requires(made, "earn:write")
    @versions.deprecated(
        datetime(2026, 12, 1, tzinfo=UTC), sunset=datetime(2027, 6, 1, tzinfo=UTC), link="https://example.com/why"
    )
    @made.response(200, _ToySchema)
    def old() -> dict[str, Any]:
        """Old."""
        return {"shade": "red"}

    other = create_app(world.settings)
    other.extensions["coalition.versions"] = TWO_VERSIONS
    other.register_blueprint(made)
    yield other
    shut(other)


def test_a_client_keeps_the_version_it_began_with_and_may_ask_for_another(toys, caller) -> None:
    early = caller("early")
    early.get("/v1/event-types")  # on the app that knows the first version only
    late = Caller(toys.test_client(), caller("late").token, None)
    early = Caller(toys.test_client(), early.token, None)

    def make(caller: Caller, body: dict[str, str], **headers: str) -> tuple[str, Any]:
        answer = caller.post("/v1/toys", body, **headers)
        return answer.headers["Coalition-Version"], answer.json if answer.status_code == 200 else answer.status_code

    assert make(early, {"colour": "red"}) == (OLD, {"colour": "red"})
    assert make(early, {"shade": "red"}, **{"Coalition-Version": NEW}) == (NEW, {"shade": "red"})
    assert make(late, {"shade": "red"}) == (NEW, {"shade": "red"})
    assert make(late, {"colour": "red"}) == (NEW, 422)
    assert make(late, {"colour": "red"}, **{"Coalition-Version": OLD}) == (OLD, {"colour": "red"})
    # What is kept is what it sent, not what was made of it; what a name of an older version holds no schema says.
    refused = early.post("/v1/toys", {"colour": 5})
    assert early.get(f"/v1/requests/{refused.headers['Request-Id']}").json["sent"]["body"] == {"colour": "[redacted]"}


def test_what_is_going_to_end_says_when(toys, caller) -> None:
    late = Caller(toys.test_client(), caller("late").token, None)
    answer = late.get("/v1/toys/old")
    assert answer.headers["Deprecation"] == f"@{int(datetime(2026, 12, 1, tzinfo=UTC).timestamp())}"
    assert answer.headers["Sunset"] == "Tue, 01 Jun 2027 00:00:00 GMT"
    assert answer.headers["Link"] == '<https://example.com/why>; rel="deprecation"; type="text/html"'
    assert "Deprecation" not in late.get("/v1/event-types").headers
    old = late.http.get("/v1/event-types", headers={"Authorization": f"Bearer {late.token}", "Coalition-Version": OLD})
    assert old.headers["Deprecation"].startswith("@")
    assert "Sunset" not in old.headers
