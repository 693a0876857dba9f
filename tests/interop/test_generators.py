"""Generators that partners use, run over our description: every schema comes out with its fields, and every route."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.interop import npm
from tests.pin_openapi import PINNED

DOCUMENT: dict[str, Any] = json.loads(PINNED.read_text("utf-8"))
SCHEMAS: dict[str, dict[str, Any]] = DOCUMENT["components"]["schemas"]
WITH_FIELDS = {name: set(schema["properties"]) for name, schema in SCHEMAS.items() if "properties" in schema}
# What a generator that knows JSON only has to be told of other media types; its own setting for it.
OVERRIDES = """
content_type_overrides:
  text/csv: application/octet-stream
  application/jsonl: application/octet-stream
  application/x-ndjson: application/octet-stream
"""
TIMEOUT_S = 120


def test_no_schema_has_alternatives_beside_its_fields() -> None:
    for name, schema in SCHEMAS.items():
        assert not ("properties" in schema and {"oneOf", "anyOf"} & schema.keys()), name


@pytest.fixture(scope="module")
def python_client(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """What openapi-python-client makes of it, and what it said."""
    folder = tmp_path_factory.mktemp("generated")
    config = folder / "config.yaml"
    config.write_text(OVERRIDES + "post_hooks: []\n", "utf-8")
    words = ["generate", "--path", str(PINNED), "--output-path", str(folder / "out"), "--meta", "none"]
    command = [str(Path(sys.executable).with_name("openapi-python-client")), *words, "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "out", done.stdout + done.stderr


def test_openapi_python_client_has_every_schema_with_its_fields(python_client: tuple[Path, str]) -> None:
    folder, said = python_client
    assert "WARNING" not in said, said
    made = "\n".join(path.read_text("utf-8") for path in sorted((folder / "models").glob("*.py")))
    for name, wanted in WITH_FIELDS.items():
        found = re.search(rf"^class {name}:\n(.*?)(?=^class |\Z)", made, re.M | re.S)
        assert found, name
        # A field called like a word of Python's has a `_` behind it.
        fields = {field.rstrip("_") for field in re.findall(r"^    (\w+): ", found[1], re.M)}
        assert wanted <= fields, name


def test_openapi_python_client_has_every_route_and_one_version(python_client: tuple[Path, str]) -> None:
    folder, _ = python_client
    routes = [path for path in (folder / "api").glob("*/*.py") if path.name != "__init__.py"]
    described = [operation for item in DOCUMENT["paths"].values() for operation in item.values() if "tags" in operation]
    assert len(routes) == len(described)
    assert [path.name for path in (folder / "models").glob("*version*.py")] == ["api_version.py"]


def test_openapi_typescript_has_every_schema_with_its_fields(tmp_path: Path) -> None:
    folder = npm.install(Path(__file__).parent / "openapi_typescript", tmp_path)
    tools = folder / "node_modules"
    types = folder / "api.ts"
    subprocess.run(
        ["node", str(tools / "openapi-typescript" / "bin" / "cli.js"), str(PINNED), "--output", str(types)],
        check=True, capture_output=True, timeout=TIMEOUT_S,
    )  # fmt: skip
    lines = [
        "type Has<T, K extends keyof T> = K;\nimport type { components } from './api';\ntype S = components['schemas'];"
    ]
    for name, wanted in WITH_FIELDS.items():
        lines += [f"export type {name}_{n} = Has<S['{name}'], '{field}'>;" for n, field in enumerate(sorted(wanted))]
    (folder / "check.ts").write_text("\n".join(lines), "utf-8")
    compiler = ["node", str(tools / "typescript" / "bin" / "tsc"), "--noEmit", "--strict", "--skipLibCheck"]
    done = subprocess.run(
        [*compiler, "--moduleResolution", "bundler", "--module", "esnext", "check.ts"],
        cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
