"""The test clock: what a sandbox's partner does happens at its own time, and what protects somebody at the true one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import text

from api.v1 import test_clock
from coalition import pins, programme, verify
from kit import clock
from partners import test_clocks
from tests.api.test_batch_files import work
from tests.conftest import CARD, World, act
from tests.service import Caller, shut, watch
from wsgi import create_app

YEAR = timedelta(days=366)
LATER = timedelta(minutes=10)


@pytest.fixture
def world(world: World) -> World:
    """A sandbox's."""
    return replace(
        world, settings=replace(world.settings, sandbox="only"), keyring=replace(world.keyring, realm="test")
    )


@pytest.fixture
def app(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """A sandbox; no other process has to be waited for."""
    monkeypatch.setattr(test_clock, "CACHE_S", 0.0)
    monkeypatch.setattr("identity.token_cache.CACHE_S", -1.0)
    made = create_app(world.settings, world.keyring)
    undocumented = watch(made)
    yield made
    shut(made)
    assert undocumented == set()


@pytest.fixture
def grocer(caller: Callable[..., Caller]) -> Caller:
    return caller("greengrocer")


@pytest.fixture
def fuelway(caller: Callable[..., Caller]) -> Caller:
    return caller("fuelway")


def put(partner: Caller, to: datetime, **query: str):
    return partner.http.put(
        "/v1/test-clock", json={"now": to.isoformat()}, query_string=query,
        headers={"Authorization": f"Bearer {partner.token}"},
    )  # fmt: skip


def forward(partner: Caller, by: timedelta) -> datetime:
    to = clock.now() + by
    answer = put(partner, to)
    assert answer.status_code == 200, answer.text
    assert abs(answer.json["ahead_s"] - by.total_seconds()) <= 1
    return to


def at(text_: str) -> datetime:
    return datetime.fromisoformat(text_)


def near(shown: str, wanted: datetime) -> bool:
    return abs(at(shown) - wanted) < timedelta(minutes=1)


def test_what_a_partner_posts_happens_at_its_own_time(grocer: Caller, fuelway: Caller) -> None:
    to = forward(grocer, YEAR)
    assert near(grocer.get("/v1/test-clock").json["now"], to)
    assert grocer.post("/v1/members", {"card": CARD}).json["enrolled_at"][:10] == to.date().isoformat()
    earned = grocer.post("/v1/earns", {"card": CARD, "points": 100, "reference": "R-1"}).json
    assert near(earned["booked_at"], to)
    assert near(earned["effective_at"], to)
    expires = at(earned["expires_on"])
    assert expires.date().year == to.year + programme.EXPIRY_MONTHS // 12
    hold = {"card": CARD, "points": 10, "reference": "R-2", "expires_at": (to + LATER).isoformat()}
    assert grocer.post("/v1/holds", hold).status_code == 201
    too_far = fuelway.post("/v1/holds", {**hold, "reference": "R-3"})
    assert too_far.json["code"] == "hold_out_of_range", "for others it is earlier"
    assert near(
        fuelway.post("/v1/burns", {"card": CARD, "points": 1, "reference": "R-4"}).json["booked_at"], clock.now()
    )
    assert fuelway.get("/v1/test-clock").json["ahead_s"] == 0


def test_putting_it_forward_does_what_has_fallen_due_and_tells_of_it(world: World, grocer: Caller) -> None:
    grocer.post("/v1/members", {"card": CARD})
    now = clock.now()
    grocer.post("/v1/earns", {"card": CARD, "points": 100, "reference": "R-1"})
    vests = {"card": CARD, "points": 50, "reference": "R-2", "vests_at": (now + timedelta(days=30)).isoformat()}
    assert grocer.post("/v1/earns", vests).json["pending_after"] == 50
    hold = {"card": CARD, "points": 30, "reference": "R-3", "expires_at": (now + LATER).isoformat()}
    hold_id = grocer.post("/v1/holds", hold).json["hold_id"]
    member = grocer.post("/v1/members/lookup", {"card": CARD}).json["member_id"]

    def balance() -> tuple[int, int, int]:
        found = grocer.get(f"/v1/members/{member}/balance").json
        return found["available"], found["held"], found["pending"]

    assert balance() == (70, 30, 50)
    forward(grocer, timedelta(days=1))
    assert balance() == (100, 0, 50)
    assert grocer.post(f"/v1/holds/{hold_id}/capture", {"reference": "R-4"}).json["code"] == "hold_finished"
    forward(grocer, timedelta(days=31))
    assert balance() == (150, 0, 0)
    forward(grocer, timedelta(days=2 * 366 + 5))
    assert balance() == (0, 0, 0)
    with world.transaction() as session:
        types = session.scalars(text("SELECT type FROM kit.event WHERE type LIKE 'points.%' ORDER BY event_id")).all()
    assert [name for name in types if name not in ("points.earned", "points.held")] == [
        "points.lapsed", "points.vested", "points.expiring", "points.expired",
    ]  # fmt: skip
    with world.database.transaction() as session:
        verify.snapshot(session)
        assert [finding.broken for finding in verify.run(session) if finding.broken] == []


def test_nobodys_clock_touches_what_is_anothers(grocer: Caller, fuelway: Caller) -> None:
    grocer.post("/v1/members", {"card": CARD})
    fuelway.post("/v1/earns", {"card": CARD, "points": 100, "reference": "F-1"})
    hold = {"card": CARD, "points": 40, "reference": "F-2", "expires_at": (clock.now() + LATER).isoformat()}
    hold_id = fuelway.post("/v1/holds", hold).json["hold_id"]
    forward(grocer, 2 * YEAR + timedelta(days=60))
    assert grocer.post("/v1/earns", {"card": CARD, "points": 1, "reference": "G-1"}).status_code == 201
    assert fuelway.get(f"/v1/holds/{hold_id}").json["status"] == "open"
    assert fuelway.post(f"/v1/holds/{hold_id}/capture", {"reference": "F-3"}).json["available_after"] == 61


def test_it_goes_on_by_itself_and_the_job_follows(world: World, grocer: Caller) -> None:
    grocer.post("/v1/members", {"card": CARD})
    to = forward(grocer, YEAR)
    grocer.post("/v1/earns", {"card": CARD, "points": 100, "reference": "R-1"})
    hold = {"card": CARD, "points": 30, "reference": "R-2", "expires_at": (to + LATER).isoformat()}
    hold_id = grocer.post("/v1/holds", hold).json["hold_id"]
    assert test_clocks.catch_up_all(world.database, now=clock.now()) == 0
    assert test_clocks.catch_up_all(world.database, now=clock.now() + 2 * LATER) == 1
    assert grocer.get(f"/v1/holds/{hold_id}").json["status"] == "lapsed"


def test_it_moves_only_forward_and_not_too_far(grocer: Caller) -> None:
    to = forward(grocer, YEAR)
    back = put(grocer, to - timedelta(hours=1))
    assert (back.status_code, back.json["code"]) == (409, "clock_backwards")
    assert near(back.json["clock_now"], to)
    far = put(grocer, clock.now() + 4 * YEAR)
    assert (far.status_code, far.json["code"]) == (422, "clock_too_far")
    dry = put(grocer, to + YEAR, dry_run="true")
    assert dry.headers["Dry-Run"] == "true"
    assert near(dry.json["now"], to + YEAR)
    assert near(grocer.get("/v1/test-clock").json["now"], to)


def test_proofs_and_locks_stay_at_the_true_time(world: World, grocer: Caller) -> None:
    member = grocer.post("/v1/members", {"card": CARD}).json["member_id"]
    grocer.post("/v1/earns", {"card": CARD, "points": 100, "reference": "R-1"})
    with world.transaction() as session:
        kept = session.scalar(text("SELECT member_id FROM coalition.member"))
        pins.put(session, act(world.keyring), member_id=kept, pin="7391")
    forward(grocer, YEAR)
    burn = {"member_id": member, "points": 1, "pin": "0000"}
    for n in range(5):
        assert grocer.post("/v1/burns", {**burn, "reference": f"B{n}"}).json["code"] == "wrong_pin"
    locked = grocer.post("/v1/burns", {**burn, "reference": "B9", "pin": "7391"}).json
    assert locked["code"] == "secrets_locked"
    assert locked["retry_after_s"] <= 60
    forward(grocer, YEAR + timedelta(hours=1))
    assert grocer.post("/v1/burns", {**burn, "reference": "B10"}).json["code"] == "secrets_locked"


def test_batches_and_files_are_at_the_partners_time_too(world: World, grocer: Caller) -> None:
    grocer.post("/v1/members", {"card": CARD})
    to = forward(grocer, YEAR)
    item = {"kind": "earn", "card": CARD, "points": 5, "reference": "R-1"}
    [answer] = grocer.post("/v1/batches", {"items": [item]}).json["data"]
    assert near(answer["transaction"]["booked_at"], to)
    stored = grocer.http.post(
        "/v1/batches/files", data=json.dumps({**item, "reference": "R-2"}), content_type="application/jsonl",
        headers={"Authorization": f"Bearer {grocer.token}", "Idempotency-Key": "file"},
    )  # fmt: skip
    assert stored.status_code == 202
    work(world)
    [found] = grocer.get("/v1/transactions", reference="R-2").json["data"]
    assert near(found["booked_at"], to)


def test_tokens_live_as_long_as_ever(world: World, grocer: Caller) -> None:
    forward(grocer, YEAR)
    assert grocer.get("/v1/test-clock").status_code == 200
    with world.transaction() as session:
        left = session.scalar(text("SELECT max(expires_at) FROM partners.access_token"))
    assert left - datetime.now(UTC) <= timedelta(seconds=world.settings.access_token_lifetime_s)


def test_points_that_come_back_after_their_expiry_live_for_the_grace_by_the_partners_clock(grocer: Caller) -> None:
    grocer.post("/v1/members", {"card": CARD})
    grocer.post("/v1/earns", {"card": CARD, "points": 50, "reference": "E"})
    burned = grocer.post("/v1/burns", {"card": CARD, "points": 20, "reference": "B"}).json["transaction_id"]
    to = forward(grocer, 2 * YEAR + timedelta(days=2))
    back = grocer.post(f"/v1/transactions/{burned}/reversals", {"reference": "X"})
    assert (back.status_code, back.json["expires_on"]) == (201, (to + timedelta(days=30)).date().isoformat())
    forward(grocer, 2 * YEAR + timedelta(days=20))
    assert grocer.post("/v1/burns", {"card": CARD, "points": 20, "reference": "B2"}).status_code == 201
