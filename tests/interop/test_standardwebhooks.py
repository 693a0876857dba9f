"""The npm package of Standard Webhooks takes our messages, with either secret of a rotation."""

from __future__ import annotations

import json
import subprocess
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from kit import clock
from kit.secrets import Keyring
from tests.interop import npm
from webhooks import signing


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return npm.install(Path(__file__).parent / "standardwebhooks", tmp_path_factory.mktemp("standardwebhooks"))


def verified(folder: Path, **asked: Any) -> list[bool]:
    done = subprocess.run(
        ["node", "verify.mjs"],
        cwd=folder,
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[bool] = json.loads(done.stdout)
    return found


def test_it_takes_what_either_secret_signed_and_nothing_else(folder: Path) -> None:
    old, new, other = (signing.new_secret() for _ in range(3))
    body = '{"id":"evt_1","data":{"reference":"Käse 🧀"}}'
    headers = signing.headers(
        [new, old],
        signer=partial(Keyring(b"r" * 32).sign, purpose=signing.purpose(UUID(int=1))),
        message_id="evt_1",
        timestamp=int(clock.now().timestamp()),
        body=body.encode(),
    )
    secrets = [old, new, other]
    assert verified(folder, secrets=secrets, headers=headers, body=body) == [True, True, False]
    assert verified(folder, secrets=secrets, headers=headers, body=body + " ") == [False] * 3
    late = {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 1)}
    assert verified(folder, secrets=secrets, headers=late, body=body) == [False] * 3
