"""The Postman collection, run from top to bottom by Postman's own runner against the service."""

from __future__ import annotations

import json
import subprocess
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from clients.generator import postman
from coalition import rates
from partners import accounts
from tests.clients.conftest import Service
from tests.clients.conftest import service as service
from tests.interop import npm

TIMEOUT_S = 120
# What the requests before have to leave undone; everything else is done.
REFUSED = {
    ("Identifiers", "Confirm"): 404,  # the identifier was removed
    ("Identifiers", "Send code"): 404,
    ("Holds", "Void"): 409,  # the hold was captured
    ("Webhook deliveries", "Get"): 404,  # nothing was sent yet
    ("Webhook deliveries", "Retry"): 404,
}


@pytest.fixture
def newman(tmp_path: Path) -> list[str]:
    folder = npm.install(Path(__file__).parent / "newman", tmp_path)
    return ["node", str(folder / "node_modules" / "newman" / "bin" / "newman.js")]


@pytest.mark.parametrize("service", [{"sandbox": "only"}], indirect=True)
def test_it_runs_from_top_to_bottom(service: Service, newman: list[str], tmp_path: Path) -> None:
    client_id, secret = service.credentials("greengrocer")
    with service.world.transaction() as session:
        partner_id = accounts.by_code(session, "greengrocer").partner_id
        rates.set_rate(
            session, partner_id=partner_id, points_per_unit=Decimal(100), minor_per_unit=100, currency="GBP",
            since=date(2026, 1, 1),
        )  # fmt: skip
    report = tmp_path / "report.json"
    variables = {"baseUrl": f"http://127.0.0.1:{service.port}", "clientId": client_id, "clientSecret": secret}
    done = subprocess.run(
        [*newman, "run", str(postman.PLACE), "--reporters", "cli,json", "--reporter-json-export", str(report),
         *(word for name, value in variables.items() for word in ("--env-var", f"{name}={value}"))],
        capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    # By the request's place: newman counts the script's request for a token as a first answer to the first.
    executions = {
        one["cursor"]["position"]: one["response"]["code"]
        for one in json.loads(report.read_text("utf-8"))["run"]["executions"]
    }
    names = [
        (folder["name"], item["name"])
        for folder in json.loads(postman.PLACE.read_text("utf-8"))["item"]
        for item in folder["item"]
    ]
    codes = dict(zip(names, executions.values(), strict=True))
    assert {name: code for name, code in codes.items() if not 200 <= code < 300} == REFUSED
    assert service.world.count("coalition.hold") == 1
