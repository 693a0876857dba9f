"""The description's examples of webhooks are what the service answers, but for ids, times and the like."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from api import examples
from clients.generator.description import spelled_out
from coalition import members
from kit import clock
from tests.conftest import CARD, NOW, World
from tests.receiving import Received, Receiver
from tests.service import Caller
from tests.webhooks.test_pump import pump
from webhooks import digests

PATHS = spelled_out(json.loads((Path(__file__).parents[1] / "openapi.json").read_text("utf-8")))["paths"]
OURS = re.compile(r"/v1/(webhook-|event)")
DIFFERENT = {
    "secret", "cursor", "next_cursor", "ids_sha256", "signature", "public_key", "url", "remote_ip", "reference",
    "member_seq", "sequence", "last_sequence", "available_after", "points",
}  # fmt: skip


def masked(value: Any, name: str = "") -> Any:
    """`value` without what is another at every coalition and at every time."""
    if isinstance(value, dict):
        return {key: masked(one, key) for key, one in value.items()}
    if isinstance(value, list):
        return [masked(one, name) for one in value]
    if name == "signed":
        return [line.split(" ")[0] for line in value.splitlines()]
    if name in ("dns_ms", "tls_ms"):
        return "int"  # there is neither on loopback, by http
    if value is not None and (name in DIFFERENT or name.endswith("_ms")):
        return type(value).__name__
    if isinstance(value, str) and re.fullmatch(r"[a-z]+_[0-7][0-9a-hjkmnp-tv-z]{25}", value):
        return value.partition("_")[0]
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d(T|$)", value):
        return "time" if "T" in value else "day"
    return value


class Seen:
    """What the service answered, by operation, beside the examples."""

    def __init__(self) -> None:
        self.operations: set[str] = set()

    def check(self, path: str, method: str, answer: Any) -> Any:
        """Compare an answer with the example of its operation; of a list, one that it has with the example's one."""
        described = PATHS[path][method]
        content = described["responses"][str(answer.status_code)]["content"]["application/json"]
        expected, got = masked(content["example"]), masked(answer.json)
        if isinstance(got.get("data"), list) and got["data"]:
            [one] = expected["data"]
            assert one in got["data"], (path, method, one, got["data"])
            expected, got = {**expected, "data": []}, {**got, "data": []}
        assert expected == got, (path, method)
        self.operations.add(described["operationId"])
        return answer.json


@pytest.fixture
def grocer(caller: Callable[[str], Caller]) -> Caller:
    return caller("greengrocer")


@pytest.fixture
def seen(world: World, grocer: Caller, receiver: Receiver, received: Received) -> Seen:
    """An endpoint that got an event, and the answers of all that a partner can ask of it."""
    made, other = Seen(), world.partner("fuelway")  # the member is theirs, so that the grocer hears of its earns alone
    with world.transaction() as session:
        members.enrol(session, card=CARD, partner_id=other.partner_id, now=NOW, keyring=world.keyring)
    root = "/v1/webhook-endpoints"
    endpoint = made.check(root, "post", grocer.post(root, examples.OF_SCHEMA["NewEndpoint"]))
    _lead_to(world, receiver)
    received.trust(receiver.url, endpoint["secret"])
    receiver.status, receiver.body_out = 200, b"thanks"
    grocer.post("/v1/earns", {"card": CARD, "points": 100, "reference": "R-1"})
    pump(world)
    _endpoints(made, grocer, f"{root}/{endpoint['endpoint_id']}")
    _events(made, grocer, endpoint["endpoint_id"])
    digests.make_due(world.database, now=clock.now() + timedelta(days=2, hours=1), keyring=world.keyring)
    _digests(made, grocer)
    between = clock.now()
    receiver.status, receiver.body_out = 503, b"later"
    secret = made.check(
        f"{root}/{{endpoint_id}}/rotate", "post",
        grocer.post(f"{root}/{endpoint['endpoint_id']}/rotate", examples.OF_SCHEMA["Rotation"]),
    )["secret"]  # fmt: skip
    received.trust_only(receiver.url, secret, endpoint["secret"])
    grocer.post("/v1/earns", {"card": CARD, "points": 100, "reference": "R-2"})
    pump(world)
    _failed(made, grocer, endpoint["endpoint_id"])
    receiver.status = 200
    second = grocer.post(root, {"url": "https://hooks.example.com/second"}).json
    _lead_to(world, receiver)
    received.trust(receiver.url, second["secret"])
    _replays(made, grocer, second["endpoint_id"], until=between, send=lambda: pump(world))
    return made


def _lead_to(world: World, receiver: Receiver) -> None:
    """Send what goes to an address of the examples to the receiver."""
    with world.transaction() as session:
        session.execute(text("UPDATE webhooks.endpoint SET url = :url"), {"url": receiver.url})


def _endpoints(made: Seen, grocer: Caller, path: str) -> None:
    root = "/v1/webhook-endpoints"
    one = f"{root}/{{endpoint_id}}"
    made.check(root, "get", grocer.get(root))
    made.check(one, "get", grocer.get(path))
    made.check(f"{one}/stats", "get", grocer.get(f"{path}/stats"))
    made.check(one, "patch", grocer.patch(path, examples.OF_SCHEMA["EndpointChange"]))
    for verb in ("pause", "resume", "disable", "enable"):
        made.check(f"{one}/{verb}", "post", grocer.post(f"{path}/{verb}"))
    made.check(f"{one}/test", "post", grocer.post(f"{path}/test?dry_run=true"))


def _events(made: Seen, grocer: Caller, endpoint_id: str) -> None:
    root = "/v1/webhook-deliveries"
    [delivery] = made.check(root, "get", grocer.get(root, endpoint_id=endpoint_id))["data"]
    made.check(f"{root}/{{delivery_id}}", "get", grocer.get(f"{root}/{delivery['delivery_id']}"))
    made.check("/v1/event-types", "get", grocer.get("/v1/event-types"))
    [event] = made.check("/v1/events", "get", grocer.get("/v1/events"))["data"]
    made.check("/v1/events/{event_id}", "get", grocer.get(f"/v1/events/{event['id']}"))
    root = "/v1/event-consumers"
    one, path = f"{root}/{{consumer_name}}", f"{root}/crm"
    asked = {"name": "crm", "event_types": ["points.*"], "start": "beginning"}
    made.check(root, "post", grocer.post(root, asked))
    polled = made.check(f"{one}/events", "get", grocer.get(f"{path}/events"))
    made.check(f"{one}/commit", "post", grocer.post(f"{path}/commit", {"cursor": polled["next_cursor"]}))
    made.check(f"{one}/seek", "post", grocer.post(f"{path}/seek", {"to": "beginning"}))
    made.check(one, "get", grocer.get(path))
    made.check(root, "get", grocer.get(root))


def _failed(made: Seen, grocer: Caller, endpoint_id: str) -> None:
    root = "/v1/webhook-deliveries"
    [delivery] = grocer.get(root, endpoint_id=endpoint_id, status="pending").json["data"]
    for verb in ("retry", "cancel"):
        made.check(f"{root}/{{delivery_id}}/{verb}", "post", grocer.post(f"{root}/{delivery['delivery_id']}/{verb}"))


def _replays(made: Seen, grocer: Caller, endpoint_id: str, *, until: datetime, send: Callable[[], object]) -> None:
    root, since = "/v1/webhook-replays", until - timedelta(days=1)
    asked = {"endpoint_id": endpoint_id, "selection": "missing", "since": since.isoformat(), "until": until.isoformat()}
    first = made.check(root, "post", grocer.post(root, asked))
    made.check(f"{root}/{{replay_id}}/cancel", "post", grocer.post(f"{root}/{first['replay_id']}/cancel"))
    second = grocer.post(root, asked).json
    send()
    made.check(f"{root}/{{replay_id}}", "get", grocer.get(f"{root}/{second['replay_id']}"))
    made.check(root, "get", grocer.get(root))


def _digests(made: Seen, grocer: Caller) -> None:
    root = "/v1/event-digests"
    listed = made.check(root, "get", grocer.get(root))["data"]
    [day] = [one["day"] for one in listed if one["events"]]
    made.check(f"{root}/{{day}}", "get", grocer.get(f"{root}/{day}"))


def test_every_example_of_webhooks_is_a_true_answer(seen: Seen) -> None:
    described = {
        operation["operationId"]
        for path, item in PATHS.items()
        if OURS.match(path)
        for method, operation in item.items()
        if method != "parameters" and "204" not in operation["responses"]
    }
    assert seen.operations == described
