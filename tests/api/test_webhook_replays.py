"""Replays: what they concern, how far they are, and what ends them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from kit import clock, ids
from tests.conftest import World
from tests.service import Caller
from webhooks import replays
from webhooks.fan_out import fan_out

PATH = "/v1/webhook-replays"
SINCE = "2020-01-01T00:00:00Z"


@pytest.fixture
def grocer(caller) -> Caller:
    return caller("greengrocer")


@pytest.fixture
def endpoint_id(grocer: Caller) -> str:
    return grocer.post("/v1/webhook-endpoints", {"url": "https://hooks.example.com/x"}).json["endpoint_id"]


def happen(world: World, grocer: Caller, *, earns: int, burns: int = 0, placed: bool = True) -> None:
    member = world.member()
    for _ in range(earns):
        world.earn(grocer.partner_id, member, 5)
    for _ in range(burns):
        world.burn(grocer.partner_id, member, 1)
    if placed:
        with world.transaction() as session:
            fan_out(session, now=clock.now(), keyring=world.keyring)


def set_(world: World, **values: Any) -> None:
    with world.transaction() as session:
        session.execute(text(f"UPDATE webhooks.replay SET {', '.join(f'{name} = :{name}' for name in values)}"), values)


def test_a_replay_counts_what_it_concerns_and_says_how_far_it_is(world: World, grocer: Caller, endpoint_id) -> None:
    happen(world, grocer, earns=3, burns=2)
    other = world.partner("fuelway").partner_id
    member = world.member("7001000000130470")
    world.earn(other, member, 5)
    with world.transaction() as session:
        fan_out(session, now=clock.now(), keyring=world.keyring)
        positions = session.scalars(
            text("SELECT position FROM kit.event WHERE partner_id = :id AND type = 'points.burned'"),
            {"id": grocer.partner_id},
        ).all()
    asked = {"endpoint_id": endpoint_id, "since": SINCE, "event_types": ["points.burned"], "selection": "all"}
    made = grocer.post(PATH, asked)
    assert made.status_code == 202
    assert (made.json["status"], made.json["events"], made.json["percent"]) == ("running", 2, 0)
    with world.transaction() as session:
        row = session.execute(text("SELECT position, last_position FROM webhooks.replay")).one()
    assert tuple(row) == (min(positions) - 1, max(positions))
    set_(world, processed=1, sent_again=1)
    seen = grocer.get(f"{PATH}/{made.json['replay_id']}").json
    assert (seen["processed"], seen["sent_again"], seen["percent"]) == (1, 1, 50)
    set_(world, state="done", ended_at=clock.now())
    assert grocer.get(f"{PATH}/{made.json['replay_id']}").json["percent"] == 100
    everything = grocer.post(PATH, {**asked, "event_types": ["*"]})
    assert everything.json["events"] == 5
    page = grocer.get(PATH, limit=1).json
    assert [each["replay_id"] for each in page["data"]] == [made.json["replay_id"]]
    rest = grocer.get(PATH, limit=1, cursor=page["next_cursor"]).json
    assert ([each["replay_id"] for each in rest["data"]], rest["next_cursor"]) == ([everything.json["replay_id"]], None)
    with world.transaction() as session:
        contents = "".join(session.scalars(text("SELECT content FROM partners.audit_entry")))
    assert contents.count('"webhook_replay.started"') == 2


def test_a_dry_run_only_counts(world: World, grocer: Caller, endpoint_id: str) -> None:
    happen(world, grocer, earns=2)
    answer = grocer.post(f"{PATH}?dry_run=true", {"endpoint_id": endpoint_id, "since": SINCE})
    assert (answer.status_code, answer.json["events"], answer.headers["Dry-Run"]) == (202, 2, "true")
    assert world.count("webhooks.replay") == 0


def test_a_replay_of_nothing_is_done_at_once(world: World, grocer: Caller, endpoint_id: str) -> None:
    happen(world, grocer, earns=1, placed=False)  # what has no place in the feed comes by itself
    later = (datetime.now().astimezone() + timedelta(days=1)).isoformat()
    happened_later = (datetime.now().astimezone() + timedelta(days=2)).isoformat()
    for span in ({"since": SINCE}, {"since": later, "until": happened_later}):
        made = grocer.post(PATH, {"endpoint_id": endpoint_id, **span}).json
        assert (made["status"], made["events"], made["percent"]) == ("done", 0, 100)
        assert made["ended_at"] == made["created_at"]


def test_a_replay_is_cancelled_once(world: World, grocer: Caller, caller, endpoint_id: str) -> None:
    happen(world, grocer, earns=1)
    path = f"{PATH}/{grocer.post(PATH, {'endpoint_id': endpoint_id, 'since': SINCE}).json['replay_id']}/cancel"
    assert caller("fuelway").post(path).json["code"] == "replay_not_found"
    cancelled = grocer.post(path).json
    assert (cancelled["status"], cancelled["ended_at"] is None) == ("cancelled", False)
    again = grocer.post(path)
    assert (again.status_code, again.json["code"]) == (409, "replay_ended")


def test_five_replays_run_at_once_and_no_more(world: World, grocer: Caller, endpoint_id: str) -> None:
    happen(world, grocer, earns=1)
    asked = {"endpoint_id": endpoint_id, "since": SINCE}
    made = [grocer.post(PATH, asked).json["replay_id"] for _ in range(replays.MOST_RUNNING)]
    refused = grocer.post(PATH, asked)
    assert (refused.status_code, refused.json["code"]) == (409, "too_many_replays")
    assert world.count("webhooks.replay") == replays.MOST_RUNNING
    grocer.post(f"{PATH}/{made[2]}/cancel")
    assert grocer.post(PATH, asked).status_code == 202


def test_a_replay_of_more_events_than_one_may_have_is_refused_with_their_number(
    world: World, grocer: Caller, endpoint_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "MOST_EVENTS", 2)
    happen(world, grocer, earns=3)
    answer = grocer.post(PATH, {"endpoint_id": endpoint_id, "since": SINCE})
    assert (answer.status_code, answer.json["code"]) == (422, "replay_too_large")
    assert (answer.json["events"], answer.json["most"]) == (3, 2)
    assert world.count("webhooks.replay") == 0


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"until": SINCE}, "replay_empty"),
        ({"until": "2019-01-01T00:00:00Z"}, "replay_empty"),
        ({"since": "yesterday"}, "invalid_request"),
        ({"since": "2026-01-01T00:00:00"}, "invalid_request"),
        ({"since": None}, "invalid_request"),
        ({"event_types": []}, "invalid_request"),
        ({"event_types": ["points.nothing"]}, "invalid_request"),
        ({"selection": "some"}, "invalid_request"),
        ({"endpoint_id": "dlv_01h45ytscbebyvny4gc8cr8ma2"}, "invalid_request"),
        ({"endpoint_id": ids.show(ids.ENDPOINT, ids.new())}, "endpoint_not_found"),
    ],
)
def test_a_replay_that_says_nothing_to_be_done_is_refused(grocer: Caller, endpoint_id, asked, code: str) -> None:
    answer = grocer.post(PATH, {"endpoint_id": endpoint_id, "since": SINCE, **asked})
    assert answer.json["code"] == code, answer.text
    assert grocer.get(PATH).json["data"] == []


def test_nobody_replays_to_an_endpoint_of_somebody_else(world: World, endpoint_id: str, caller) -> None:
    fuel: Caller = caller("fuelway")
    answer = fuel.post(PATH, {"endpoint_id": endpoint_id, "since": SINCE})
    assert (answer.status_code, world.count("webhooks.replay")) == (404, 0)


def test_what_is_kept_no_longer_is_not_passed_over_in_silence(world: World, grocer: Caller, endpoint_id: str) -> None:
    happen(world, grocer, earns=3, burns=1)
    with psycopg.connect(str(world.settings.database_url)) as owner:
        owner.execute("UPDATE kit.event SET occurred_at = occurred_at + make_interval(secs => position)")
    with world.transaction() as session:
        times = session.scalars(
            text("SELECT occurred_at FROM kit.event WHERE partner_id = :id ORDER BY position"),
            {"id": grocer.partner_id},
        ).all()
        session.execute(
            text("UPDATE kit.event SET body = NULL WHERE partner_id = :id AND occurred_at <= :at"),
            {"id": grocer.partner_id, "at": times[1]},
        )
    asked = {"endpoint_id": endpoint_id, "since": SINCE, "selection": "all"}
    for dry_run in ("", "?dry_run=true"):
        refused = grocer.post(PATH + dry_run, asked)
        assert (refused.status_code, refused.json["code"]) == (409, "replay_too_old")
        oldest = refused.json["oldest_since"]
        assert times[1] < datetime.fromisoformat(oldest) < times[2]
    made = grocer.post(PATH, {**asked, "since": oldest}).json
    assert (made["events"], datetime.fromisoformat(made["since"])) == (2, datetime.fromisoformat(oldest))
    burns = grocer.post(PATH, {**asked, "event_types": ["points.burned"]})
    assert (burns.status_code, burns.json["events"]) == (202, 1), "all of these are kept"
