"""The API's description: valid, complete, true, and changed only on purpose."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jsonschema
import pytest
from flask import Flask
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from clients.generator.description import spelled_out
from coalition.event_types import EVENT_TYPES
from kit.http import api
from kit.http.api import Blueprint
from kit.http.problems import CONTENT_TYPE
from kit.http.sharing import MOST_CODES_IN_NAME
from kit.secrets import Keyring
from kit.settings import Settings
from tests.conftest import CARD
from tests.pin_openapi import PINNED, described
from tests.service import Caller
from wsgi import create_app

SERVED: dict[str, Any] = json.loads(described())
DOCUMENT = spelled_out(SERVED)
METHODS = ("get", "post", "put", "patch", "delete")
OPERATIONS = {
    f"{method.upper()} {path}": (operation, item.get("parameters", []))
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if method in METHODS and not path.startswith("/oauth/")
}
# Forms, with errors of their own.
OAUTH = {f"POST {path}": item["post"] for path, item in DOCUMENT["paths"].items() if path.startswith("/oauth/")}
WEBHOOKS = {name: item["post"] for name, item in DOCUMENT["webhooks"].items()}
# Served to whoever asks, and no part of the API: how to sign in, its pages, what the operator watches.
WITHOUT_TOKEN = re.compile(
    r"/(|healthz|readyz|(openapi|asyncapi)\.json|docs(/.*)?|problems/.*|\.well-known/.*|"
    r"oauth/.*|sign-in/.*|sign-out|passkeys(/.*)?|credentials(/.*)?|pages/.*|consents(/.*)?|device(/.*)?|awards(/.*)?)"
)


def validate(instance: Any, schema: dict[str, Any]) -> None:
    """Raise unless `instance` is valid; references lead into the document."""
    registry = Registry().with_resource("urn:api", Resource(contents=DOCUMENT, specification=DRAFT202012))
    absolute = json.loads(json.dumps(schema).replace('"#/', '"urn:api#/'))
    jsonschema.Draft202012Validator(absolute, registry=registry).validate(instance)


def test_is_the_same_for_all_who_ask_first_at_once() -> None:
    nowhere = Settings(database_url="postgresql://nobody/", redis_url="redis://nobody", secret_key="0" * 64)
    app = create_app(nowhere, Keyring(bytes(32)))
    with ThreadPoolExecutor(16) as many:
        answers = list(many.map(lambda _: app.test_client().get("/openapi.json"), range(32)))
    assert {(answer.status_code, answer.text + "\n") for answer in answers} == {(200, described())}


def contents(operation: dict[str, Any]):
    """Every body of an operation: its media type's description. What is answered by `default` is any problem."""
    yield from operation.get("requestBody", {}).get("content", {}).items()
    for response in (one for status, one in operation["responses"].items() if status != "default"):
        yield from response.get("content", {}).items()


def test_it_is_valid() -> None:
    OpenAPIV31SpecValidator(SERVED).validate()
    assert SERVED["openapi"].startswith("3.1")


def test_what_operations_have_in_common_stands_there_once() -> None:
    everything = [*SERVED["paths"].values(), *SERVED["webhooks"].values()]
    operations = [item[method] for item in everything for method in METHODS if method in item]
    parameters = [one for part in (*everything, *operations) for one in part.get("parameters", [])]
    own = [json.dumps(one) for one in parameters if "$ref" not in one]
    assert len(set(own)) == len(own)
    problems = [one["content"][CONTENT_TYPE]["examples"] for part in operations for one in part["responses"].values()
                if CONTENT_TYPE in one.get("content", {})]  # fmt: skip
    short = [tuple(codes) for codes in problems if len(codes) <= MOST_CODES_IN_NAME]
    assert len(set(short)) == len(short)
    for section in ("parameters", "responses"):
        for name in SERVED["components"][section]:
            assert f'"#/components/{section}/{name}"' in json.dumps(SERVED), f"nothing refers to {name}"


def test_it_is_the_one_that_was_reviewed() -> None:
    assert described() == PINNED.read_text("utf-8"), (
        "the API's description has changed; if that is meant, pin it: .venv/bin/python -m tests.pin_openapi"
    )


def test_docstrings_are_for_us() -> None:
    ours = Blueprint("ours", __name__)

    @ours.get("/ours")
    def get() -> str:
        """Not for everybody."""
        return ""

    frame = api.create(Flask("ours"), title="Ours", version="1", scopes={}, member_scopes={})
    frame.register_blueprint(ours)
    described = frame.spec.to_dict()["paths"]["/ours"]["get"]
    assert described.keys() & {"summary", "description"} == set()
    assert "everybody" not in json.dumps(described)


def test_every_route_is_described_or_known_to_be_none_of_the_api(app) -> None:
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            assert f"{method} {path}" in OPERATIONS or WITHOUT_TOKEN.fullmatch(rule.rule), (method, path)


def test_names_of_operations_are_readable_and_each_its_own() -> None:
    names = [operation["operationId"] for operation, _ in OPERATIONS.values()]
    names += [operation["operationId"] for operation in (*WEBHOOKS.values(), *OAUTH.values())]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z_]{3,60}", name) for name in names), names


@pytest.mark.parametrize("which", OPERATIONS)
def test_an_operation_says_all_it_owes(which: str) -> None:
    operation, shared = OPERATIONS[which]
    assert operation["summary"].endswith(".")
    assert operation["description"]
    assert set(operation["tags"]) <= {tag["name"] for tag in DOCUMENT["tags"]}
    [(scheme, scopes)] = [pair for need in operation["security"] for pair in need.items()]
    flows = DOCUMENT["components"]["securitySchemes"][scheme]["flows"]
    known = {scope for flow in flows.values() for scope in flow["scopes"]}
    assert scopes
    assert set(scopes) <= set(known)
    assert {"401", "403", "429", "500", "503", "400"} <= set(operation["responses"])
    assert any(status.startswith("2") for status in operation["responses"])
    if "requestBody" in operation:
        assert {"413", "415"} <= set(operation["responses"])
    for parameter in shared:
        assert parameter["description"]
        assert "example" in parameter
        assert parameter["schema"].get("pattern")


@pytest.mark.parametrize("which", [*OPERATIONS, *WEBHOOKS, *OAUTH])
def test_every_body_has_an_example_and_it_is_valid(which: str) -> None:
    operation = OPERATIONS[which][0] if which in OPERATIONS else {**WEBHOOKS, **OAUTH}[which]
    for media, content in contents(operation):
        if "examples" in content:
            referred = [example["$ref"].rsplit("/", 1)[-1] for example in content["examples"].values()]
            examples = [DOCUMENT["components"]["examples"][name]["value"] for name in referred]
        else:
            examples = [content["example"]]
        assert examples
        assert "\\Z" not in json.dumps(content), "patterns are ECMA-262's, as JSON Schema has them"
        if "json" in media and "jsonl" not in media:
            for example in examples:
                validate(example, content["schema"])


@pytest.mark.parametrize("which", OPERATIONS)
def test_every_answer_names_its_request_and_version(which: str) -> None:
    for status, response in OPERATIONS[which][0]["responses"].items():
        if status != "default":
            assert {"Request-Id", "Coalition-Version"} <= set(response["headers"]), status


def test_every_form_of_the_authorization_server_is_described(app) -> None:
    served = {rule.rule for rule in app.url_map.iter_rules() if "POST" in (rule.methods or set())}
    forms = {path for path in served if path.startswith("/oauth/")} - {"/oauth/authorize", "/oauth/userinfo"}
    assert {f"POST {path}" for path in forms} == set(OAUTH)
    for operation in OAUTH.values():
        known = DOCUMENT["components"]["securitySchemes"]
        assert {scheme for need in operation["security"] for scheme in need} <= set(known)


def test_every_webhook_there_is_is_described() -> None:
    assert set(WEBHOOKS) == set(EVENT_TYPES)


def test_the_examples_of_requests_are_taken_by_the_api(caller) -> None:
    """Sent as they stand, and with what they name put in where it has to be there."""
    grocer: Caller = caller("greengrocer")
    member = grocer.post("/v1/members", {"card": CARD}).json["member_id"]
    grocer.post("/v1/earns", {"card": CARD, "points": 1000, "reference": "S1"})
    sent = 0
    for which, (operation, shared) in OPERATIONS.items():
        example = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
        if example is None:
            continue
        method, path = which.split(" ")
        for parameter in shared:
            path = path.replace(f"{{{parameter['name']}}}", parameter["example"])
        if "member_id" in example:
            example = {**example, "member_id": member}
        headers = {
            "Authorization": f"Bearer {grocer.token}",
            "Idempotency-Key": which.replace(" ", "-"),
            "If-Match": "*",
        }
        answer = grocer.http.open(path, method=method, json=example, headers=headers)
        assert answer.status_code < 500, (which, answer.text)
        assert answer.json.get("code") not in ("invalid_request", "malformed_request", "malformed_id"), answer.text
        sent += 1
    assert sent > 10
