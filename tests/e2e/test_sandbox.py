"""The sandbox as a new partner meets it: beside live from one command, and the faults only a real server can show."""

from __future__ import annotations

import http.client
import json
import os
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from tests import receiving
from tests.e2e.conftest import Place, wait_for
from tests.receiving import Receiver


class Api:
    """The sandbox's API as a partner calls it, a connection for each request."""

    def __init__(self, place: Place, made: dict[str, Any]) -> None:
        self._port = int(place.variables["COALITION_HTTP_PORT"])
        basic = b64encode(f"{made['client_id']}:{made['client_secret']}".encode()).decode()
        status, answer, _ = self._send(
            "/sandbox/oauth/token", "grant_type=client_credentials",
            {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"},
        )  # fmt: skip
        assert status == 200, answer
        self.token = answer["access_token"]

    def post(self, path: str, body: dict[str, Any], key: str = "") -> tuple[int, Any, Any]:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        return self._send(path, json.dumps(body), {**headers, "Idempotency-Key": key or body.get("reference", "-")})

    def _send(self, path: str, body: str, headers: dict[str, str]) -> tuple[int, Any, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read()), answer.headers
        finally:
            connection.close()


@pytest.fixture
def here(place: Callable[[str], Place]) -> Iterator[Place]:
    made = place("here")
    made.variables.update(
        COALITION_SANDBOX="beside",
        COALITION_WEB_PROCESSES="1",
        COALITION_WEBHOOK_ALLOW_HTTP="true",
        COALITION_WEBHOOK_ALLOWED_NETWORKS="127.0.0.0/8",
    )
    yield made
    if "COALITION_DATABASE_URL" in os.environ:
        url = make_url(made.variables["COALITION_DATABASE_URL"])
        with psycopg.connect(os.environ["COALITION_DATABASE_URL"], autocommit=True) as connection:
            name = sql.Identifier(f"{url.database}_sandbox")
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))


def test_a_new_partner_tries_all_that_can_go_wrong(here: Place, receiver: Receiver) -> None:
    with here.up():
        code, out = here.run("sandbox", "partner", "Corner Grocer", "--json")
        assert code == 0, here.stderr
        made = json.loads(out)
        assert made["base_url"].endswith("/sandbox")
        api, card = Api(here, made), made["members"][0]["card"]
        asked = {"url": receiver.url, "event_types": ["points.burned"]}
        status, endpoint, _ = api.post("/sandbox/v1/webhook-endpoints", asked)
        assert status == 201, endpoint
        receiving.trust(receiver.url, endpoint["secret"])

        lost = {"card": card, "points": 100, "reference": "sandbox:commit_then_drop:1"}
        with pytest.raises((http.client.RemoteDisconnected, http.client.IncompleteRead)):
            api.post("/sandbox/v1/burns", lost)
        status, burned, headers = api.post("/sandbox/v1/burns", lost)
        assert (status, headers["Idempotent-Replay"]) == (201, "true")
        assert burned["available_after"] == made["members"][0]["points"] - 100

        late = {"card": card, "points": 1, "reference": "sandbox:late_webhook:1"}
        twice = {"card": card, "points": 2, "reference": "sandbox:duplicate_webhook:1"}
        for body in (late, twice):
            assert api.post("/sandbox/v1/burns", body)[0] == 201
        wait_for(lambda: len(receiver.bodies) >= 4, within_s=60)
        references = [event["data"]["reference"] for event in receiver.events()]
        assert references == [lost["reference"], twice["reference"], twice["reference"], late["reference"]]
        _, first, second, *_ = receiver.events()
        assert first["id"] == second["id"]

        # Live knows nothing of it, and any command does the other's work when it is told so.
        assert "corner-grocer" not in here.run("partner", "list", "--json")[1]
        assert "corner-grocer" in here.run("--sandbox", "partner", "list", "--json")[1]
        assert json.loads(here.run("--sandbox", "ledger", "verify", "--json")[1])["clean"]


def test_without_a_database_for_it_live_starts_and_says_so(here: Place) -> None:
    here.variables["COALITION_SANDBOX_DATABASE_URL"] = "postgresql://nobody@127.0.0.1:1/none"
    process = here.command("up")
    try:
        assert process.stdout is not None
        assert "Coalition is up" in process.stdout.readline(), here.stderr
        assert process.stdout.readline().startswith("no sandbox: can't connect to the database")
        connection = http.client.HTTPConnection("127.0.0.1", int(here.variables["COALITION_HTTP_PORT"]), timeout=30)
        connection.request("GET", "/sandbox/readyz")
        assert connection.getresponse().status == 404
        connection.close()
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.mark.parametrize("words", [("up",), ("demo",)])
def test_what_is_not_about_the_sandbox_says_so(here: Place, words: tuple[str, ...]) -> None:
    assert here.run("--sandbox", *words)[0] == 1
    assert "leave --sandbox out" in here.stderr
