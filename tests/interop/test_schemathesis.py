"""schemathesis, all checks, as two partners: no fault of ours, no answer but the described, nothing foreign."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from werkzeug.serving import make_server

from identity import clients
from kit import clock
from tests.conftest import CARD, World, act
from tests.interop.test_clients import free_port
from tests.service import shut
from wsgi import create_app

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 300
# The same requests each time: what only another seed finds is looked for by hand, with more examples.
EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "")
CONFIG = """
hooks = "tests.interop.schemathesis_hooks"
seed = 1

[cache]
enabled = false

[generation]
{generation}

[auth.wfc]
path = "{auth}"
user = "{user}"
{peers}
"""


@contextmanager
def serving(world: World) -> Iterator[str]:
    """The service on a port of its own."""
    port = free_port()
    app = create_app(replace(world.settings, public_url=f"http://127.0.0.1:{port}"))
    server = make_server("127.0.0.1", port, app, threaded=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.shutdown()
        server.server_close()
        shut(app)


@pytest.fixture
def run(world: World, tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Let schemathesis at the service, as the given identities; raises with what it said, if it found anything."""
    with serving(world) as url:

        def token(partner: Any) -> str:
            with world.transaction() as session:
                client, secret = clients.create(
                    session,
                    act(world.keyring, now=clock.now()),
                    partner_id=partner and partner.partner_id,
                    scopes=None,
                )
            answer = requests.post(
                f"{url}/oauth/token",
                data={"grant_type": "client_credentials"},
                auth=(client.client_id, secret),
                timeout=10,
            )
            return str(answer.json()["access_token"])

        def run(paths: str, identities: dict[str, Any]) -> None:
            tokens = {name: token(partner) for name, partner in identities.items()}
            if "grocer" in tokens:
                headers = {"Authorization": f"Bearer {tokens['grocer']}"}
                requests.post(f"{url}/v1/members", json={"card": CARD}, headers=headers, timeout=10).raise_for_status()
            auth = [
                {"name": name, "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {value}"}]}
                for name, value in tokens.items()
            ]
            (tmp_path / "auth.json").write_text(json.dumps({"auth": auth}))
            names = list(identities)
            (tmp_path / "schemathesis.toml").write_text(
                CONFIG.format(
                    generation=f"max-examples = {EXAMPLES}" if EXAMPLES else "max-examples = 4\ndeterministic = true",
                    auth=tmp_path / "auth.json",
                    user=names[0],
                    peers=f"peers = {json.dumps(names)}" if len(names) > 1 else "",
                )
            )
            command = [
                str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(tmp_path / "schemathesis.toml"),
                "run", f"{url}/openapi.json", "--include-path-regex", paths, "--checks", "all",
                "--continue-on-failure", "--warnings", "off", "--no-color",
            ]  # fmt: skip
            timeout_s = TIMEOUT_S * (10 if EXAMPLES else 1)
            done = subprocess.run(
                command, cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )  # fmt: skip
            assert done.returncode == 0, done.stdout[-20_000:] + done.stderr

        yield run


def test_two_partners(run: Callable[..., None], world: World) -> None:
    run(r"^/v1/(?!admin|me)", {"grocer": world.partner("greengrocer"), "fuel": world.partner("fuel-station")})


def test_the_coalitions_admin(run: Callable[..., None]) -> None:
    run(r"^/v1/admin", {"admin": None})
