"""Holds, vesting, dry runs and past balances through the API."""

from __future__ import annotations

from datetime import timedelta

import pytest

from api.schemas import TransactionSchema, show_transaction
from coalition import ledger
from kit import clock, ids
from tests.conftest import CARD, World, request
from tests.service import Caller


@pytest.fixture
def grocer(caller) -> Caller:
    made = caller("greengrocer")
    made.post("/v1/members", {"card": CARD})
    made.post("/v1/earns", {"card": CARD, "points": 100, "reference": "R1"})
    return made


def in_(**delta: int) -> str:
    return (clock.now() + timedelta(**delta)).isoformat()


def balance(caller: Caller, transaction) -> dict:
    return caller.get(f"/v1/members/{transaction['member_id']}/balance").json


def hold(caller: Caller, points: int = 60, reference: str = "H1"):
    body = {"card": CARD, "points": points, "reference": reference, "expires_at": in_(hours=1)}
    return caller.post("/v1/holds", body)


def test_held_points_leave_what_is_available_and_a_capture_takes_them(grocer) -> None:
    held = hold(grocer)
    assert (held.status_code, held.json["available_after"], held.json["held_after"]) == (201, 40, 60)
    assert held.json["hold_id"].startswith("hld_")
    taken = grocer.post(f"/v1/holds/{held.json['hold_id']}/capture", {"reference": "B1", "points": 50})
    assert (taken.json["points"], taken.json["available_after"], taken.json["held_after"]) == (50, 50, 0)
    shown = grocer.get(f"/v1/holds/{held.json['hold_id']}").json
    assert (shown["status"], shown["captured"], shown["points"]) == ("captured", 50, 60)
    again = grocer.post(f"/v1/holds/{held.json['hold_id']}/void", {"reference": "V1"})
    assert (again.status_code, again.json["code"], again.json["detail"]) == (
        409, "hold_finished", "the hold is already captured",
    )  # fmt: skip
    back = grocer.post(f"/v1/transactions/{taken.json['transaction_id']}/reversals", {"reference": "X1"})
    assert back.json["available_after"] == 100


def test_a_void_gives_all_of_it_back(grocer) -> None:
    held = hold(grocer).json
    void = grocer.post(f"/v1/holds/{held['hold_id']}/void", {"reference": "V1"}).json
    assert (void["kind"], void["available_after"], void["held_after"]) == ("void", 100, 0)


def test_another_partners_hold_is_not_there(grocer, caller) -> None:
    held = hold(grocer).json["hold_id"]
    station = caller("fuelway")
    assert station.get(f"/v1/holds/{held}").json["code"] == "hold_not_found"
    for verb in ("capture", "void"):
        answer = station.post(f"/v1/holds/{held}/{verb}", {"reference": "S1"})
        assert (answer.status_code, answer.json["code"]) == (404, "hold_not_found")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"points": 101}, "insufficient_points"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "hold_out_of_range"),
        ({"expires_at": "2090-01-01T00:00:00Z"}, "hold_out_of_range"),
        ({"points": 0}, "invalid_request"),
        ({"effective_at": "2001-01-01T00:00:00Z"}, "effective_too_old"),
        ({"effective_at": "2090-01-01T00:00:00Z"}, "effective_in_future"),
    ],
)
def test_a_hold_that_can_not_be_is_refused_and_leaves_no_trace(world: World, grocer, change, code) -> None:
    body = {"card": CARD, "points": 60, "reference": "H1", "expires_at": in_(hours=1), **change}
    assert grocer.post("/v1/holds", body).json["code"] == code
    assert world.count("coalition.txn") == 1
    assert world.count("coalition.hold") == 0


def test_points_that_vest_later_are_pending_and_not_to_be_spent(grocer) -> None:
    earned = grocer.post("/v1/earns", {"card": CARD, "points": 30, "reference": "R2", "vests_at": in_(days=14)})
    assert (earned.json["available_after"], earned.json["pending_after"]) == (100, 30)
    assert balance(grocer, earned.json)["pending"] == 30
    assert grocer.post("/v1/burns", {"card": CARD, "points": 101, "reference": "B1"}).json["available"] == 100
    undone = grocer.post(f"/v1/transactions/{earned.json['transaction_id']}/reversals", {"reference": "X1"})
    assert (undone.json["available_after"], undone.json["pending_after"]) == (100, 0)


def test_a_balance_can_be_asked_of_any_time_before(grocer) -> None:
    before = clock.now().isoformat()
    burned = grocer.post("/v1/burns", {"card": CARD, "points": 60, "reference": "B1"}).json
    path = f"/v1/members/{burned['member_id']}/balance"
    assert grocer.get(path, at=before).json["available"] == 100
    assert grocer.get(path, at=clock.now().isoformat()).json["available"] == 40
    assert grocer.get(path, at="2020-01-01T00:00:00Z").json["available"] == 0
    assert grocer.get(path, at="yesterday").status_code == 422


def test_a_dry_run_answers_as_if_and_does_nothing(world: World, grocer) -> None:
    tables = ("coalition.txn", "coalition.posting", "kit.event")
    before = [world.count(table) for table in tables]
    body = {"card": CARD, "points": 60, "reference": "B1"}
    dry = grocer.post("/v1/burns?dry_run=true", body, key="k")
    assert (dry.status_code, dry.json["available_after"], dry.headers["Dry-Run"]) == (201, 40, "true")
    refused = grocer.post("/v1/burns?dry_run=true", {**body, "points": 101}, key="k")
    assert refused.json["code"] == "insufficient_points"
    assert [world.count(table) for table in tables] == before
    real = grocer.post("/v1/burns", body, key="k")
    assert (real.json["available_after"], real.headers.get("Dry-Run")) == (40, None)
    assert grocer.post("/v1/burns?dry_run=perhaps", body).json["code"] == "invalid_request"


def test_a_transaction_is_shown_as_its_schema_says(world: World, grocer) -> None:
    member = world.member("7001000000130470")
    with world.transaction() as session:
        command = ledger.Earn(member_id=member, reference="r", points=5, due_at=clock.now() + timedelta(days=400))
        posted = ledger.post(session, request(ids.new()), command).unwrap()
    with ids.seen_by(ids.OUR_OWN):
        assert show_transaction(posted) == TransactionSchema().dump(posted)
