"""What one partner has is not there for another: every route, with the ids of everything somebody else has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from kit import ids
from tests.api.test_conventions import JSON, PARTNERS, Route
from tests.conftest import CARD, World
from tests.service import Caller
from webhooks import digests
from webhooks.fan_out import fan_out


@pytest.fixture
def grocer(caller) -> Caller:
    return caller("greengrocer")


@pytest.fixture
def objects(world: World, grocer: Caller) -> dict[str, str]:
    """One of everything that is the grocer's alone, by the name it has in paths and bodies."""
    member = grocer.post("/v1/members", {"card": CARD, "external_id": "ours-1"}).json["member_id"]
    kept = grocer.get(f"/v1/members/{member}/identifiers").json["data"]
    earned = grocer.post("/v1/earns", {"member_id": member, "points": 500, "reference": "S1"})
    ends = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    hold = grocer.post("/v1/holds", {"member_id": member, "points": 10, "reference": "H1", "expires_at": ends})
    file = grocer.http.post(
        "/v1/batches/files", data=b'{"kind": "earn", "points": 1, "reference": "F1", "card": "7001000000178503"}\n',
        content_type="application/jsonl",
        headers={"Authorization": f"Bearer {grocer.token}", "Idempotency-Key": "file-1"},
    )  # fmt: skip
    endpoint = grocer.post("/v1/webhook-endpoints", {"url": "https://hooks.example.com/a"}).json["endpoint_id"]
    grocer.post("/v1/earns", {"member_id": member, "points": 5, "reference": "S2"})
    with world.transaction() as session:
        fan_out(session, keyring=world.keyring, now=datetime.now(UTC))
    delivery = grocer.get("/v1/webhook-deliveries", endpoint_id=endpoint).json["data"][0]["delivery_id"]
    since = "2020-01-01T00:00:00Z"
    replay = grocer.post("/v1/webhook-replays", {"endpoint_id": endpoint, "since": since, "selection": "all"})
    grocer.post("/v1/event-consumers", {"name": "ours"})
    tomorrow = datetime.now(UTC) + timedelta(days=1, hours=1)
    digests.make_due(world.database, now=tomorrow, keyring=world.keyring)
    return {
        **settled(world, grocer),
        "member_id": member,
        "identifier_id": next(one["identifier_id"] for one in kept if one["kind"] != "card"),
        "transaction_id": earned.json["transaction_id"],
        "hold_id": hold.json["hold_id"],
        "batch_id": file.json["batch_id"],
        "request_id": earned.headers["Request-Id"],
        "endpoint_id": endpoint,
        "delivery_id": delivery,
        "replay_id": replay.json["replay_id"],
        "event_id": grocer.get("/v1/events").json["data"][0]["id"],
        "consumer_name": "ours",
        "day": grocer.get("/v1/event-digests").json["data"][0]["day"],
    }


def settled(world: World, grocer: Caller) -> dict[str, str]:
    """A run with a statement of the grocer's, and an obligation of its with a line."""
    run_id, statement_id, obligation_id = ids.new(), ids.new(), ids.new()
    facts = {"run": run_id, "statement": statement_id, "owed": obligation_id, "partner": grocer.partner_id}
    with psycopg.connect(str(world.settings.database_url)) as owner:
        owner.execute("SET session_replication_role = replica")  # the day and its seal are not there
        owner.execute(
            "INSERT INTO settlement.run (run_id, cycle, first_day, last_day, state, netting, content_hash) "
            "VALUES (%(run)s, 'daily', '2026-03-01', '2026-03-01', 'calculated', 'direct', sha256(''))", facts,
        )  # fmt: skip
        owner.execute(
            "INSERT INTO settlement.run_statement VALUES (%(statement)s, %(run)s, %(partner)s, sha256(''))", facts
        )
        owner.execute(
            "INSERT INTO settlement.obligation (obligation_id, day, payer_id, payee_id, currency, points, "
            "amount_minor, lines_digest) "
            "VALUES (%(owed)s, '2026-03-01', %(partner)s, %(run)s, 'GBP', 1, 1, sha256(''))", facts,
        )  # fmt: skip
        owner.execute(
            "INSERT INTO settlement.line VALUES "
            "(%(owed)s, 1, %(run)s, 1, '2026-03-01', '2026-03-01', '2026-03-01', 'r', 1, 1)", facts,
        )  # fmt: skip
        owner.execute(
            "INSERT INTO settlement.dispute VALUES (%(owed)s, %(owed)s, 1, %(partner)s, %(run)s, 'GBP', 1, %(run)s, "
            "'so', 'me', now(), '2026-03-02', %(owed)s)", facts,
        )  # fmt: skip
    return {
        "dispute_id": ids.show(ids.DISPUTE, obligation_id),
        "run_id": ids.show(ids.SETTLEMENT_RUN, run_id),
        "statement_id": ids.show(ids.STATEMENT, statement_id),
        "obligation_id": ids.show(ids.OBLIGATION, obligation_id),
    }


def filled(route: Route, objects: dict[str, str]) -> str:
    """The route's path with the ids of `objects`."""
    path = route.path
    for name, example in route.examples.items():
        assert name in objects, f"{route.name}: there is a new kind of object; make one of it here"
        path = path.replace(example, objects[name])
    return path


def contents(world: World) -> list[tuple[str, int]]:
    """How much stands where."""
    tables = ["coalition.txn", "coalition.hold", "coalition.member_identifier", "partners.batch_file", "kit.event",
              "webhooks.endpoint", "webhooks.delivery", "webhooks.replay", "webhooks.consumer"]  # fmt: skip
    return [(table, world.count(table)) for table in tables]


WITH_IDS = [route for route in PARTNERS if route.examples]


def test_there_are_routes_with_ids() -> None:
    assert len(WITH_IDS) > 15


@pytest.mark.parametrize("route", WITH_IDS, ids=lambda route: route.name)
def test_another_partners_token_finds_none_of_it(route: Route, objects, grocer: Caller, caller, world: World) -> None:
    fuel: Caller = caller("fuel-station")
    body = route.operation["requestBody"]["content"][JSON]["example"] if route.takes_json else None
    before = contents(world)
    answer = fuel.http.open(
        filled(route, objects), method=route.method, json=body,
        headers={"Authorization": f"Bearer {fuel.token}", "Idempotency-Key": "k1", "If-Match": "*"},
    )  # fmt: skip
    assert answer.status_code == 404, answer.text
    assert answer.json["code"].endswith("_not_found")
    nobodys = fuel.http.open(
        route.path, method=route.method, json=body,
        headers={"Authorization": f"Bearer {fuel.token}", "Idempotency-Key": "k2", "If-Match": "*"},
    )  # fmt: skip
    own = {"request_id": None}
    assert {**answer.json, **own} == {**nobodys.json, **own}, "it is answered like what never was"
    assert contents(world) == before
