"""The secret key is rotated under a coalition that goes on posting, and what the first key gave out stays good."""

from __future__ import annotations

import http.client
import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from threading import Event, Thread
from typing import Any

from kit import secret_key
from kit.settings import Settings
from tests.conftest import drop_logins
from tests.e2e.conftest import Place

TERMS = ("--rate", "1", "--price", "0.9")
WHY = ("--reason", "once a year", "--by", "ann")
CARD = "7001000000178503"


class Till:
    """Posts with one token, whatever becomes of the keys."""

    def __init__(self, place: Place, client: dict[str, Any]) -> None:
        self._port = int(place.variables["COALITION_HTTP_PORT"])
        self._basic = b64encode(f"{client['client_id']}:{client['client_secret']}".encode()).decode()
        self._numbers = count(1)
        self.token = self.sign_in()

    def sign_in(self) -> str:
        headers = {"Authorization": f"Basic {self._basic}", "Content-Type": "application/x-www-form-urlencoded"}
        status, answer = self._send("/oauth/token", "grant_type=client_credentials", headers)
        assert status == 200, answer
        return str(answer["access_token"])

    def earn(self) -> dict[str, Any]:
        return self.post("/v1/earns", {"card": CARD, "points": 1, "reference": f"R{next(self._numbers)}"})

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        key = {"Idempotency-Key": body.get("reference", CARD)}
        status, answer = self._send(path, json.dumps(body), headers | key)
        assert status == 201, answer
        return dict(answer)

    @contextmanager
    def busy(self) -> Iterator[list[object]]:
        """Post all the time of the block, one after the other; what went wrong."""
        over, failed = Event(), list[object]()

        def post() -> None:
            while not over.is_set():
                try:
                    self.earn()
                except (AssertionError, OSError) as error:
                    failed.append(error)

        thread = Thread(target=post)
        thread.start()
        try:
            yield failed
        finally:
            over.set()
            thread.join()

    def _send(self, path: str, body: str, headers: dict[str, str]) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()


def test_a_key_is_rotated_while_everything_runs_and_the_first_one_then_opens_nothing(place) -> None:
    here = place("here")
    file = here.folder / secret_key.FILE
    if given := here.variables.pop("COALITION_SECRET_KEY", None):  # on real engines, too, it stands in its file
        file.write_text(given)
    with here.up():
        first = file.read_text()
        assert here.run("partner", "create", "grocer", *TERMS)[0] == 0
        till = Till(here, json.loads(here.run("client", "create", "grocer", "--json")[1]))
        till.post("/v1/members", {"card": CARD})
        with till.busy() as failed:
            code, said = here.run("key", "rotate", *WHY, "--json")
            assert code == 0, here.stderr
            rotated = json.loads(said)
            # Commands have the new key at once, processes of the first go on.
            assert here.run("member", "find", "--card", CARD)[0] == 0
            assert here.run("key", "retire", rotated["former_key_id"], *WHY)[0] == 1
            assert "connections are open under the secret key" in here.stderr
        assert failed == []
        before = till.earn()
    assert file.read_text() != first
    with here.up():
        assert till.earn()["member_id"] == before["member_id"], "the partner knows its members by the same ids"
        with till.busy() as failed:
            assert here.run("key", "retire", rotated["former_key_id"], *WHY)[0] == 0, here.stderr
            till.sign_in()
        assert failed == []
        assert here.run("ledger", "verify")[0] == 0
        assert here.run("audit", "verify")[0] == 0
    second = file.read_text()
    file.write_text(first)
    assert here.run("up")[0] == 1
    assert f"the secret key {rotated['former_key_id']} was retired on" in here.stderr
    if given:
        drop_logins(Settings(database_url=here.variables["COALITION_DATABASE_URL"], secret_key=second.strip()))
