"""The AsyncAPI document: what is served, whether it is whole, and that it tells what the API's description tells."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from api import event_documents
from coalition.event_types import EVENT_TYPES
from tests.api.test_openapi import DOCUMENT

ASYNCAPI = event_documents.asyncapi(version="1.0.0")


def at(reference: dict[str, str]) -> Any:
    """What a reference of the document leads to."""
    found: Any = ASYNCAPI
    for name in reference["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found if "$ref" not in found else at(found)


def test_it_is_served_to_whoever_asks(app) -> None:
    answer = app.test_client().get("/asyncapi.json")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert answer.json == json.loads(json.dumps(ASYNCAPI))
    assert "/asyncapi.json" in app.test_client().get("/").text


def test_every_kind_of_event_is_an_operation_with_its_message() -> None:
    assert ASYNCAPI["asyncapi"] == "3.0.0"
    assert set(ASYNCAPI["operations"]) == set(ASYNCAPI["components"]["messages"]) == set(EVENT_TYPES)
    for operation in ASYNCAPI["operations"].values():
        assert operation["action"] == "send"
        channel = at(operation["channel"])
        # A reference of an operation leads to a message of its channel, and not past it.
        [message] = operation["messages"]
        assert message["$ref"].startswith(operation["channel"]["$ref"] + "/messages/")
        assert at(message)["name"] in channel["messages"]


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_it_tells_of_an_event_what_the_other_description_tells(name: str) -> None:
    message = ASYNCAPI["components"]["messages"][name]
    described = DOCUMENT["webhooks"][name]["post"]
    body = described["requestBody"]["content"]["application/json"]
    assert (message["payload"], message["examples"][0]["payload"]) == (body["schema"], body["example"])
    jsonschema.Draft202012Validator(message["payload"]).validate(message["examples"][0]["payload"])
    headers = at(message["traits"][0])["headers"]
    told = {one["name"]: one["required"] for one in described["parameters"]}
    assert {one: one in headers["required"] for one in headers["properties"]} == told
