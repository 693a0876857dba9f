"""A merged member's old id: one answer wherever it is given; and a merge as an adjustment is made, by two people."""

from __future__ import annotations

import json

import pytest

from coalition import merges, pins
from kit import clock, ids
from kit.db import Session
from tests.api.test_members_api import coalition
from tests.conftest import APPROVED, CARD, World, act
from tests.identity.test_change_policy import PHONE, enrol
from tests.service import Caller

__all__ = ["coalition"]

OTHER_CARD = "7001000000130470"


@pytest.fixture
def grocer(caller) -> Caller:
    return caller("greengrocer")


@pytest.fixture
def pair(grocer):
    """The member that goes, with 100 points, and the one that stays."""
    gone, kept = enrol(grocer, card=CARD), enrol(grocer, card=OTHER_CARD, phone=PHONE)
    assert grocer.post("/v1/earns", {"card": CARD, "points": 100, "reference": "E"}).status_code == 201
    return gone, kept


def merge(world: World, pair) -> None:
    with world.transaction() as session:
        merges.merge(session, APPROVED, member_id=pair[0], into=pair[1], reference="m").unwrap()


def test_every_route_answers_the_old_id_with_the_new_one(world: World, grocer, pair) -> None:
    gone, kept = map(grocer.shown, pair)
    identifier = grocer.get(f"/v1/members/{gone}/identifiers").json["data"][0]["identifier_id"]
    merge(world, pair)
    of = f"/v1/members/{gone}"
    then, soon = {"at": clock.now().isoformat()}, "2026-03-03T12:00:00+00:00"
    body = {"member_id": gone, "points": 5, "reference": "R"}
    answers = [
        grocer.get(of),
        grocer.get(f"{of}/balance"),
        grocer.get(f"{of}/balance", **then),
        grocer.get(f"{of}/transactions"),
        grocer.get(f"{of}/identifiers"),
        grocer.post(f"{of}/identifiers", {"external_id": "CRM-7"}),
        grocer.post(f"{of}/identifiers", {"phone": "+447700900188"}),
        grocer.post(f"{of}/identifiers/{identifier}/removal"),
        grocer.post(f"{of}/identifiers/{identifier}/verification"),
        grocer.post(f"{of}/identifiers/{identifier}/verification/confirm", {"code": "123456"}),
        grocer.post("/v1/earns", body),
        grocer.post("/v1/burns", body),
        grocer.post("/v1/burns", {**body, "points": 90_000, "reference": "R2"}),
        grocer.post("/v1/holds", {**body, "expires_at": soon}),
        grocer.post("/v1/holds", {**body, "expires_at": soon, "pin": "8305"}),
        grocer.post("/v1/burns", {**body, "pin": "8305"}),
        grocer.post("/v1/burns", {**body, "code": "12345678"}),
        grocer.post("/v1/earns", {**body, "code": "12345678"}),
    ]
    told = {(answer.status_code, answer.json["code"], answer.json.get("member_id")) for answer in answers}
    assert told == {(409, "member_merged", kept)}
    assert grocer.get(f"/v1/members/{kept}/balance").json["available"] == 100


def test_a_merged_member_gets_no_pin_and_is_not_blocked(world: World, pair) -> None:
    merge(world, pair)

    def given_a_pin(session: Session) -> None:
        pins.put(session, act(world.keyring), member_id=pair[0], pin="8305")

    def blocked(session: Session) -> None:
        merges.block(session, act(), member_id=pair[0], blocked=True)

    for tried in (given_a_pin, blocked):
        with pytest.raises(Exception, match="merged into") as refusal, world.transaction() as session:
            tried(session)
        assert refusal.value.code == "member_merged"


def test_a_merge_says_why_and_above_the_limit_takes_two_people(world: World, pair, coalition) -> None:
    gone, kept = (ids.show_our_own(one) for one in pair)
    asked = ("member", "merge", gone, kept, "--reference", "M1")
    with world.transaction() as session:
        session.exec_driver_sql("UPDATE coalition.programme SET adjustment_limit = 99")
    assert coalition(*asked).startswith("2: "), "no reason, nobody's name"
    assert "malformed_text" in coalition(*asked, "--reason", " ", "--by", "ann")
    why = ("--reason", "two cards, one person", "--by", "Ann")
    for alone in ((), ("--approved-by", "Ann"), ("--approved-by", " ann ")):
        assert "second_person_needed" in coalition(*asked, *why, *alone)
    tried = json.loads(coalition(*asked, *why, "--approved-by", "Ben", "--dry-run", "--json"))
    assert tried == {"member_id": gone, "into": kept, "points": 100, "debt": 0, "dry_run": True}
    assert (world.available(pair[0]), world.available(pair[1])) == (100, 0)
    assert "100 points moved" in coalition(*asked, *why, "--approved-by", "Ben")
    assert world.available(pair[1]) == 100
    entry = json.loads(coalition("audit", "list", "--json"))["data"][0]
    assert (entry["action"], entry["facts"]["reason"], entry["facts"]["approved_by"]) == (
        "member.merged", "two cards, one person", "Ben",
    )  # fmt: skip


def test_a_debt_that_would_move_takes_two_people_as_well(world: World, grocer, pair, coalition) -> None:
    with world.transaction() as session:
        session.exec_driver_sql("UPDATE coalition.programme SET adjustment_limit = 99, return_policy = 'debt'")
    earned = grocer.get("/v1/transactions", reference="E").json["data"][0]["transaction_id"]
    assert grocer.post("/v1/burns", {"card": CARD, "points": 100, "reference": "B"}).status_code == 201
    assert grocer.post(f"/v1/transactions/{earned}/reversals", {"reference": "BACK"}).status_code == 201
    gone, kept = (ids.show_our_own(one) for one in pair)
    asked = ("member", "merge", gone, kept, "--reference", "M1", "--reason", "two cards", "--by", "Ann")
    assert "second_person_needed" in coalition(*asked)
    tried = json.loads(coalition(*asked, "--approved-by", "Ben", "--dry-run", "--json"))
    assert tried == {"member_id": gone, "into": kept, "points": 0, "debt": 100, "dry_run": True}
    for _ in range(2):  # the same again does nothing and says the same
        assert f"0 points and a debt of 100 moved to {kept}" in coalition(*asked, "--approved-by", "Ben")
    assert grocer.get(f"/v1/members/{grocer.shown(pair[1])}/balance").json["debt"] == 100


def test_an_adjustment_can_be_tried(world: World, grocer, pair, coalition) -> None:
    member = ids.show_our_own(pair[1])
    world.give_terms(grocer.partner_id)
    asked = ("member", "adjust", member, "greengrocer", "50", "--reference", "A1", "--reason", "sorry", "--by", "ann")
    assert "50 points would be available" in coalition(*asked, "--dry-run")
    assert world.available(pair[1]) == 0
    assert "50 points available now" in coalition(*asked)
