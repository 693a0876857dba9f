"""The generated part of the client is made of the description as it is pinned, to the byte."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest
from coalition_client import events, models, problems, values
from coalition_client.errors import OF_STATUS, Problem

from api.commands import RoleMissing
from clients.generator import pin, postman
from coalition.event_types import EVENT_TYPES
from kit.http.problems import document
from tests.api.test_openapi import DOCUMENT
from tests.pin_openapi import PINNED


def test_it_is_made_of_the_description_of_today() -> None:
    files = pin.made_of(PINNED.read_text("utf-8"))
    assert pin.made_before() == set(files) - {postman.PLACE}
    for path, text in files.items():
        assert path.read_text("utf-8") == text, f"pin it: .venv/bin/python -m tests.pin_openapi ({path.name})"


def test_every_code_of_the_description_has_its_class() -> None:
    for code, example in DOCUMENT["components"]["examples"].items():
        kind = problems.OF_CODE[code]
        assert issubclass(kind, OF_STATUS[example["value"]["status"]])
        assert kind(example["value"]).code == code


def test_a_problem_keeps_what_else_it_tells() -> None:
    told = Problem(document(RoleMissing("no issuer", role="issuer")))
    assert (told.code, told.fields) == ("role_missing", {"role": "issuer"})


@pytest.mark.parametrize("name", models.__all__)
def test_the_example_of_every_value_is_read_and_said_again(name: str) -> None:
    kind = getattr(models, name)
    example = _example(DOCUMENT["components"]["schemas"][name])
    read = values.decode(kind, {**example, "a_field_of_tomorrow": 1})
    assert {field for field in values.encode(read) if field != "meta"} == {
        one.name for one in dataclasses.fields(kind) if one.name != "meta"
    }
    for one in dataclasses.fields(kind):
        if isinstance(example.get(one.name), list):
            assert isinstance(getattr(read, one.name), tuple)
    assert typing.get_type_hints(kind)


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_the_example_of_every_event_has_its_class(name: str) -> None:
    example = EVENT_TYPES[name].example
    kind = events.OF_TYPE[name, example["version"]]
    read = values.decode(kind, example["data"])
    assert set(values.encode(read)) == {field.name for field in EVENT_TYPES[name].fields}


def _example(schema: dict) -> typing.Any:
    if "$ref" in schema:
        return _example(DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return _example(schema["anyOf"][0])
    if "properties" in schema:
        return {name: _example(inner) for name, inner in schema["properties"].items()}
    kind = next(iter(schema["type"])) if isinstance(schema["type"], list) else schema["type"]
    if kind == "array":
        return [_example(schema["items"])]
    by_format = {"date": "2026-03-02", "date-time": "2026-03-02T12:00:00+00:00"}
    return by_format.get(schema.get("format", ""), {"integer": 1, "boolean": True, "object": {}}.get(kind, "text"))


def test_another_generator_can_read_the_description_too(tmp_path: Path) -> None:
    """openapi-python-client leaves out nothing but the bodies it doesn't know: files of CSV and JSON Lines."""
    config = tmp_path / "config.yaml"
    config.write_text("post_hooks: []\n")
    made = subprocess.run(
        [sys.executable, "-m", "openapi_python_client", "generate", "--path", str(PINNED),
         "--output-path", str(tmp_path / "out"), "--config", str(config), "--meta", "none"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=True,
    )  # fmt: skip
    warnings = re.findall(r"^WARNING parsing (\w+ \S+)", made.stdout, re.M)
    assert warnings == ["POST /v1/batches/files", "GET /v1/batches/{batch_id}/results"], made.stdout
    routes = [path for path in (tmp_path / "out" / "api").rglob("*.py") if path.name != "__init__.py"]
    assert len(routes) == sum(len(item.keys() - {"parameters"}) for item in DOCUMENT["paths"].values()) - 1
