"""The feed, its consumers and its digests, as a partner's program uses them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from coalition_client.digests import matches
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import text

from kit import clock, ids
from tests.conftest import CARD, World
from tests.service import Caller
from webhooks import digests
from webhooks.fan_out import fan_out


@pytest.fixture
def grocer(caller) -> Caller:
    return caller("greengrocer")


@pytest.fixture
def told(world: World, grocer: Caller) -> list[str]:
    """The ids of the grocer's events: a member enrolled, and three earns."""
    member = grocer.post("/v1/members", {"card": CARD}).json["member_id"]
    for number in range(3):
        grocer.post("/v1/earns", {"member_id": member, "points": 10 + number, "reference": f"R{number}"})
    sequence(world)
    return [event["id"] for event in grocer.get("/v1/events").json["data"]]


def sequence(world: World) -> None:
    with world.transaction() as session:
        fan_out(session, now=clock.now(), keyring=world.keyring)


def refusal(answer) -> tuple[int, str]:
    return answer.status_code, answer.json["code"]


def test_a_poller_goes_on_from_its_cursor_also_after_an_empty_page(world: World, grocer: Caller, told) -> None:
    first = grocer.get("/v1/events", event_types="points.*", limit=2).json
    assert [event["data"]["points"] for event in first["data"]] == [10, 11]
    assert first["has_more"]
    second = grocer.get("/v1/events", event_types="points.*", limit=2, cursor=first["next_cursor"]).json
    assert [event["id"] for event in second["data"]] == told[3:]
    empty = grocer.get("/v1/events", cursor=second["next_cursor"]).json
    assert (empty["data"], empty["has_more"]) == ([], False)
    grocer.post("/v1/earns", {"card": CARD, "points": 99, "reference": "R9"})
    assert grocer.get("/v1/events", cursor=empty["next_cursor"]).json["data"] == []
    sequence(world)
    [new] = grocer.get("/v1/events", cursor=empty["next_cursor"]).json["data"]
    assert (new["type"], new["data"]["points"]) == ("points.earned", 99)
    found = grocer.get(f"/v1/events/{new['id']}").json
    assert found == {"event": new, "endpoints": []}
    since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    assert len(grocer.get("/v1/events", since=since, event_types="points.earned,member.enrolled").json["data"]) == 5


def test_an_event_names_its_delivery_at_each_endpoint(world: World, grocer: Caller) -> None:
    wants, not_ = (
        grocer.post("/v1/webhook-endpoints", {"url": "https://hooks.example.com/x", "event_types": types}).json
        for types in (["*"], ["points.*"])
    )
    grocer.post("/v1/members", {"card": CARD})
    sequence(world)
    [event] = grocer.get("/v1/events").json["data"]
    here, there = grocer.get(f"/v1/events/{event['id']}").json["endpoints"]
    assert (here["endpoint_id"], here["matched"], here["reason"]) == (wants["endpoint_id"], True, None)
    delivery = grocer.get(f"/v1/webhook-deliveries/{here['delivery_id']}").json
    assert (delivery["event_id"], delivery["status"]) == (event["id"], here["delivery_status"])
    assert there == {
        "endpoint_id": not_["endpoint_id"], "matched": False, "delivery_id": None, "delivery_status": None,
        "reason": "event_type",
    }  # fmt: skip


def test_a_consumer_polls_commits_and_seeks(grocer: Caller, told) -> None:
    made = grocer.post("/v1/event-consumers", {"name": "crm", "event_types": ["points.*"]})
    assert (made.status_code, made.json["lag"], made.json["committed_at"]) == (201, 3, None)
    where = "/v1/event-consumers/crm"
    first = grocer.get(f"{where}/events", limit=2).json
    assert first == {**grocer.get(f"{where}/events", limit=2).json, "next_cursor": first["next_cursor"]}, (
        "polling moves nothing"
    )
    assert grocer.post(f"{where}/commit?dry_run=true", {"cursor": first["next_cursor"]}).status_code == 200
    assert grocer.get(where).json["lag"] == 3
    assert grocer.post(f"{where}/commit", {"cursor": first["next_cursor"]}).status_code == 200
    assert grocer.get(where).json["lag"] == 1
    rest = grocer.get(f"{where}/events").json
    assert [event["id"] for event in rest["data"]] == told[3:]
    assert grocer.post(f"{where}/commit", {"cursor": rest["next_cursor"]}).status_code == 200
    assert grocer.get(where).json["lag"] == 0
    assert refusal(grocer.post(f"{where}/commit", {"cursor": first["next_cursor"]})) == (409, "cursor_behind")
    feed = grocer.get("/v1/events", limit=1).json["next_cursor"]
    hour_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    for to, lag in (("beginning", 3), ("end", 0), (first["next_cursor"], 1), (feed, 3), (hour_ago, 3)):
        assert grocer.post(f"{where}/seek", {"to": to}).json["lag"] == lag, to
    for start, lag in (("end", 0), (rest["next_cursor"], 0), (hour_ago, 4)):
        assert (
            grocer.post("/v1/event-consumers", {"name": f"c{lag}{start[:3].lower()}", "start": start}).json["lag"]
            == lag
        )
    assert "lag" not in grocer.get("/v1/event-consumers").json["data"][0]
    assert grocer.http.delete(where, headers={"Authorization": f"Bearer {grocer.token}"}).status_code == 204
    assert refusal(grocer.get(where)) == (404, "consumer_not_found")


def test_bad_cursors_places_and_names_are_each_one_clear_answer(world: World, grocer: Caller, told, caller) -> None:
    fuel: Caller = caller("fuel-station")
    for who in (grocer, fuel):
        for name in ("crm", "erp"):
            assert who.post("/v1/event-consumers", {"name": name}).status_code == 201
    mine = grocer.get("/v1/events", limit=1).json["next_cursor"]
    polled, theirs = (who.get("/v1/event-consumers/erp/events").json["next_cursor"] for who in (grocer, fuel))
    foreign = (422, "cursor_of_another_partner")
    garbage = (422, "invalid_cursor")
    listed = grocer.get("/v1/event-consumers/crm/events").json["next_cursor"]
    assert refusal(fuel.get("/v1/events", cursor=mine)) == foreign
    for cursor, problem in (("x", garbage), ("é", garbage), (mine[:-2], garbage), (mine + "AA", garbage),
                            ("0001-01-01", garbage), ("now", garbage), (theirs, foreign)):  # fmt: skip
        assert refusal(grocer.get("/v1/events", cursor=cursor)) == problem
        assert refusal(grocer.post("/v1/event-consumers/crm/commit", {"cursor": cursor})) == problem
        assert refusal(grocer.post("/v1/event-consumers/crm/seek", {"to": cursor})) == problem
        assert refusal(grocer.post("/v1/event-consumers", {"name": "new", "start": cursor})) == problem
    for cursor in (polled, mine):
        answer = grocer.post("/v1/event-consumers/crm/commit", {"cursor": cursor})
        assert refusal(answer) == (422, "cursor_of_another_consumer")
    assert grocer.post("/v1/event-consumers/crm/commit", {"cursor": listed}).status_code == 200
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert refusal(grocer.get("/v1/events", since=later)) == (422, "time_in_future")
    assert refusal(grocer.post("/v1/event-consumers/crm/seek", {"to": later})) == (422, "time_in_future")
    assert refusal(grocer.post("/v1/event-consumers", {"name": "crm"})) == (409, "consumer_exists")
    for query in ({"event_types": "points"}, {"event_types": ""}, {"event_types": "points.*,"}, {"limit": 1001},
                  {"limit": 0}, {"since": "2026-03-02"}):  # fmt: skip
        assert refusal(grocer.get("/v1/events", **query)) == (422, "invalid_request"), query
    assert refusal(grocer.get("/v1/events", since=later, cursor=mine)) == (422, "ambiguous_start")
    for name in ("", "A", "a b", "-a", "a/b", "a" * 65, "a\n"):
        assert refusal(grocer.post("/v1/event-consumers", {"name": name})) == (422, "invalid_request"), name
    for name in ("%00", "%ff", "nobody", "a%20b", "a" * 65):
        for path in (name, f"{name}/events"):
            assert refusal(grocer.get(f"/v1/event-consumers/{path}")) == (404, "consumer_not_found"), name
    for place, status in (("9999-12-31T23:59:59-23:59", 422), ("0001-01-01T00:00:00+23:59", 200)):
        assert grocer.post("/v1/event-consumers/crm/seek", {"to": place}).status_code == status, place
        assert grocer.get("/v1/events", since=place).status_code == status, place
    assert refusal(grocer.get("/v1/events/evt_7zzzzzzzzzzzzzzzzzzzzzzzzz")) == (404, "event_not_found")
    assert refusal(grocer.get("/v1/event-digests/2026-02-30")) == (404, "digest_not_found")
    assert fuel.get("/v1/events").json["data"] == []
    assert refusal(fuel.get(f"/v1/events/{told[0]}")) == (404, "event_not_found")
    with world.transaction() as session:
        session.execute(text("UPDATE kit.event SET body = NULL WHERE event_id <> :id"),
                        {"id": ids.parse(ids.EVENT, told[3])})  # fmt: skip
    expired = grocer.get("/v1/events", cursor=mine)
    assert refusal(expired) == refusal(grocer.post("/v1/event-consumers/erp/seek", {"to": mine})) == (
        409, "cursor_expired"
    )  # fmt: skip
    [oldest] = grocer.get("/v1/events").json["data"]
    assert datetime.fromisoformat(expired.json["oldest_at"]) == datetime.fromisoformat(oldest["timestamp"])


def test_a_digest_proves_that_a_puller_has_everything(world: World, grocer: Caller, told) -> None:
    now = datetime.now(UTC)
    digests.make_due(world.database, now=now + timedelta(days=2, hours=1), keyring=world.keyring)
    newest = grocer.get("/v1/event-digests", limit=1).json
    others = grocer.get("/v1/event-digests", cursor=newest["next_cursor"]).json
    assert others["next_cursor"] is None
    assert [one["events"] for one in newest["data"]] == [0]
    [older] = [one for one in others["data"] if one["events"]]
    day = grocer.get(f"/v1/event-digests/{older['day']}").json
    assert {**day, "cursor": None} == {**older, "cursor": None}
    pulled = [event["id"] for event in grocer.get("/v1/events", cursor=day["cursor"], limit=day["events"]).json["data"]]
    assert pulled == told
    assert sha256("".join(f"{one}\n" for one in pulled).encode()).hexdigest() == day["ids_sha256"]
    assert f"\nday {day['day']}\nevents 4\nids {day['ids_sha256']}\n" in day["signed"]
    assert matches(day["signed"], pulled)
    for wrong in (pulled[1:], pulled[::-1], [*pulled, told[0]], [*pulled[:-1], pulled[0]]):
        assert not matches(day["signed"], wrong)
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(day["public_key"]))
    key.verify(bytes.fromhex(day["signature"]), day["signed"].encode())
