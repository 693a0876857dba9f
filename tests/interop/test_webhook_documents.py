"""Webhooks and their documents as packages of others see them: standardwebhooks and AsyncAPI's own schema, of npm."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import jsonschema
import pytest

from api import event_documents
from tests.interop import npm
from tests.webhooks.test_webhooks_document import AT, BODY, HEADERS, OTHER, SECRET, asked, block

NODE = """
import { readFileSync } from "node:fs";
const { body, headers, with: secret, now } = JSON.parse(readFileSync(0, "utf8"));
Date.now = () => now * 1000;
globalThis.Date = class extends Date { constructor(...given) { given.length ? super(...given) : super(now * 1000); } };
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return npm.install(Path(__file__).parent / "webhooks", tmp_path_factory.mktemp("webhooks"))


def test_the_asyncapi_document_is_one_as_its_published_schema_has_it(packages: Path) -> None:
    schema = json.loads((packages / "node_modules/@asyncapi/specs/schemas/3.0.0.json").read_text("utf-8"))
    validator = jsonschema.Draft7Validator(schema)
    document = json.loads(json.dumps(event_documents.asyncapi(version="1.0.0")))
    validator.validate(document)
    document["operations"]["points.earned"]["action"] = "shout"
    assert not validator.is_valid(document)


def test_the_documents_code_with_standardwebhooks_takes_the_message_and_no_forgery(packages: Path) -> None:
    imported, used = block("Node.js", "js").split("\n\n")

    def takes(body: bytes = BODY, secret: str = SECRET, now: int = AT, **changed: str) -> bool:
        done = subprocess.run(
            ["node", "--input-type=module", "-e", f"{imported}\n{NODE}\n{used}"],
            input=json.dumps(asked(body, {**HEADERS, **changed}, secret, now)), cwd=packages,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0 or "WebhookVerificationError" in done.stderr, done.stderr
        return done.returncode == 0

    assert takes()
    assert takes(**{"webhook-signature": f"{OTHER} {HEADERS['webhook-signature']}"})
    assert not takes(body=BODY + b" ")
    assert not takes(secret="whsec_" + SECRET[6:][::-1])
    assert not takes(now=AT + 301)
    assert not takes(**{"webhook-signature": OTHER})
