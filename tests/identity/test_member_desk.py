"""The coalition's desk finds a member by what is at hand, sees it masked, and can say where its points come from."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from coalition import merges
from identity import clients
from kit import audit, clock, ids
from tests.api.test_members_api import coalition
from tests.conftest import APPROVED, CARD, World, act
from tests.identity.oauth_kit import basic
from tests.identity.test_change_policy import ANN, PHONE, enrol
from tests.service import Caller

__all__ = ["coalition"]

OTHER_CARD = "7001000000130470"


@pytest.fixture
def grocer(caller) -> Caller:
    return caller("greengrocer")


@pytest.fixture
def ann(grocer) -> UUID:
    return enrol(grocer, card=CARD, phone=PHONE, email=ANN, external_id="CRM-77001")


@pytest.fixture
def told(coalition):
    def tell(*words: str) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(coalition("member", *words, "--json"))
        return said

    return tell


def spend_and_earn(grocer: Caller, station: Caller) -> None:
    soon = (clock.now() + timedelta(hours=1)).isoformat()
    later = (clock.now() + timedelta(days=9)).isoformat()
    for partner, path, body in (
        (grocer, "earns", {"points": 100, "reference": "R-1"}),
        (station, "earns", {"points": 40, "reference": "R-1"}),
        (grocer, "earns", {"points": 7, "reference": "R-2", "vests_at": later}),
        (station, "burns", {"points": 30, "reference": "R-3"}),
        (station, "holds", {"points": 20, "reference": "R-4", "expires_at": soon}),
    ):
        assert partner.post(f"/v1/{path}", {"card": CARD, **body}).status_code == 201


@pytest.mark.parametrize(
    "words",
    [
        ("--card", CARD),
        ("--phone", "+44 7700 900123"),
        ("--email", "Ann@Example.com"),
        ("greengrocer", "--external-id", "CRM-77001"),
        ("greengrocer", "--receipt", "R-1"),
    ],
)
def test_a_member_is_found_by_what_is_at_hand(grocer, ann, told, words) -> None:
    grocer.post("/v1/earns", {"card": CARD, "points": 100, "reference": "R-1"})
    found = told("find", *words)
    assert found["member_id"] == ids.show_our_own(ann)
    assert [one["available"] for one in found["data"]] == [100]


def test_what_nobody_has_is_not_found_and_what_is_a_partners_needs_the_partner(ann, coalition) -> None:
    for words, code in (
        (("--card", OTHER_CARD), "member_not_found"),
        (("greengrocer", "--receipt", "R-99"), "member_not_found"),
        (("--receipt", "R-1"), "partner_missing"),
        (("--external-id", "CRM-77001"), "partner_missing"),
        (("--card", "12"), "malformed_card"),
    ):
        assert code in coalition("member", "find", *words)
    assert coalition("member", "find").startswith("2: ")
    assert coalition("member", "find", "--card", CARD, "--phone", PHONE).startswith("2: ")


def test_a_member_is_shown_masked_with_what_it_has(grocer, caller, ann, told, coalition) -> None:
    spend_and_earn(grocer, caller("fuelway"))
    shown = ids.show_our_own(ann)
    found = told("show", shown)
    assert (found["available"], found["held"], found["pending"], found["debt"]) == (90, 20, 7, 0)
    assert [each["reference"] for each in found["newest"]] == ["R-4", "R-3", "R-2", "R-1", "R-1"]
    assert {each["kind"] for each in found["identifiers"]} == {"card", "phone", "email", "external"}
    assert found["partner_code"] == "greengrocer"
    for said in (json.dumps(found), coalition("member", "show", shown)):
        for secret in (CARD, PHONE, ANN, "CRM-77001"):
            assert secret not in said
        assert "fuelway" in said


def test_a_balance_is_explained_to_the_point(grocer, caller, ann, told, coalition) -> None:
    spend_and_earn(grocer, caller("fuelway"))
    found = told("explain", ids.show_our_own(ann))
    parts = {
        one["name"]: [(part["partner_code"], part["points"]) for part in one["parts"]] for one in found["balances"]
    }
    assert parts["held"] == [("fuelway", 20)]
    assert parts["pending"] == [("greengrocer", 7)]
    assert sorted(parts["available"]) == [("fuelway", 40), ("greengrocer", 50)]
    assert all(one["adds_up"] for one in found["balances"])
    moved = {(each["kind"], each["partner_code"]): each["points"] for each in found["moved"]}
    assert moved["earn", "greengrocer"] == 107
    assert "DOES NOT" not in coalition("member", "explain", ids.show_our_own(ann))


def test_a_merged_member_is_found_by_its_receipt_and_says_whom_it_became(
    world: World, grocer, ann, told, coalition
) -> None:
    kept = enrol(grocer, card=OTHER_CARD)
    grocer.post("/v1/earns", {"card": CARD, "points": 100, "reference": "R-1"})
    with world.transaction() as session:
        merges.merge(session, APPROVED, member_id=ann, into=kept, reference="m").unwrap()
    found = told("find", "greengrocer", "--receipt", "R-1")
    assert found["data"][0]["merged_into"] == ids.show_our_own(kept)
    assert "member_merged" in coalition("member", "explain", found["member_id"])


def test_every_look_is_audited_without_what_it_was_found_by(world: World, grocer, ann, told) -> None:
    shown = ids.show_our_own(ann)
    told("find", "--card", CARD)
    told("show", shown)
    told("explain", shown)
    with world.transaction() as session:
        entries = [one.facts for one in audit.newest(session, limit=3)]
    assert [(one["action"], one["subject"]) for one in reversed(entries)] == [
        ("member.found", shown), ("member.shown", shown), ("member.explained", shown),
    ]  # fmt: skip
    assert entries[-1]["facts"]["by"] == "card"
    assert CARD not in json.dumps(entries)


@pytest.fixture
def desk(world: World, http) -> Caller:
    """The admin's program."""
    with world.transaction() as session:
        client, secret = clients.create(session, act(world.keyring, now=clock.now()), partner_id=None, scopes=None)
    answer = http.post(
        "/oauth/token", data={"grant_type": "client_credentials"}, headers=basic(client.client_id, secret)
    )
    return Caller(http, answer.json["access_token"], None)


def test_the_admin_api_finds_shows_and_explains_a_member(world: World, desk, grocer, caller, ann) -> None:
    station = caller("fuelway")
    spend_and_earn(grocer, station)
    member = ids.show_our_own(ann)
    for body in (
        {"card": CARD},
        {"email": ANN},
        {"external_id": "CRM-77001", "partner_id": ids.show(ids.PARTNER, grocer.partner_id)},
        {"receipt": "R-3", "partner_id": ids.show(ids.PARTNER, station.partner_id)},
    ):
        assert [one["member_id"] for one in desk.post("/v1/admin/members/find", body).json["data"]] == [member]
    assert desk.post("/v1/admin/members/find", {"receipt": "R-3"}).json["code"] == "partner_missing"
    assert desk.post("/v1/admin/members/find", {"card": OTHER_CARD}).json["code"] == "member_not_found"
    shown = desk.get(f"/v1/admin/members/{member}").json
    assert (shown["available"], shown["partner_code"], len(shown["newest"])) == (90, "greengrocer", 5)
    assert CARD not in json.dumps(shown)
    explained = desk.get(f"/v1/admin/members/{member}/explanation").json
    assert [(one["name"], one["points"], one["adds_up"]) for one in explained["balances"]] == [
        ("available", 90, True), ("held", 20, True), ("pending", 7, True), ("debt", 0, True),
    ]  # fmt: skip
    assert grocer.get(f"/v1/admin/members/{member}").status_code == 403
    with world.transaction() as session:
        entries = [one.facts for one in audit.newest(session, limit=10)]
    # A search that found nobody is written down in the background.
    assert [(one["action"], one["actor_id"][:9]) for one in entries if one["action"].startswith("member.")][:3] == [
        ("member.explained", "co_client"), ("member.shown", "co_client"), ("member.found", "co_client"),
    ]  # fmt: skip
