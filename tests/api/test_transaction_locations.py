"""Where a transaction was made: named by id or code, or known of a till; shown wherever the transaction is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from coalition import data_export, verify
from identity.oauth import devices
from kit import clock, ids
from partners import locations
from partners.locations import Location
from tests.api.test_batch_files import hand_in, results, work
from tests.conftest import CARD, World, act
from tests.identity.oauth_kit import App
from tests.service import Caller

Shops = Callable[[Any, str], Location]


@pytest.fixture
def shop(world: World) -> Shops:
    """Open a location of a partner."""

    def add(partner_id: Any, code: str) -> Location:
        with world.transaction() as session:
            return locations.add(
                session, act(world.keyring), partner_id=partner_id, code=code, name=f"Shop {code}", territory="GB",
                address="1 High Street",
            )  # fmt: skip

    return add


@pytest.fixture
def grocer(caller) -> Caller:
    made = caller("greengrocer")
    made.post("/v1/members", {"card": CARD})
    return made


def shown(location: Location) -> str:
    return ids.show(ids.LOCATION, location.location_id)


def close(world: World, location: Location) -> None:
    with world.transaction() as session:
        locations.change(session, act(world.keyring), location_id=location.location_id, status="closed")


def earn(caller: Caller, reference: str, **said: Any):
    return caller.post("/v1/earns", {"card": CARD, "points": 100, "reference": reference, **said})


def events(world: World) -> dict[str, Any]:
    """Type and location of the events of postings, by their references."""
    with world.transaction() as session:
        rows = session.execute(text("SELECT data FROM kit.event WHERE type LIKE 'points.%'"))
        return {row.data["reference"]: ids.show_fields(row.data).get("location") for row in rows}


def test_every_kind_takes_its_location_by_id_or_code_and_shows_it(world: World, grocer, shop) -> None:
    one, other = (shop(grocer.partner_id, code) for code in ("S-1", "S-2"))
    earned = earn(grocer, "E1", location=shown(one)).json
    assert earned["location"] == shown(one)
    assert earn(grocer, "E2", location="S-2").json["location"] == shown(other)
    assert earn(grocer, "E3").json["location"] is None
    burned = grocer.post("/v1/burns", {"card": CARD, "points": 10, "reference": "B1", "location": "S-1"}).json
    clawed = {"card": CARD, "amount": {"minor": 0, "currency": "GBP"}, "reference": "C1", "location": "S-2"}
    world.give_terms(grocer.partner_id)
    assert grocer.post("/v1/clawbacks", clawed).json["location"] == shown(other)
    path = f"/v1/transactions/{burned['transaction_id']}"
    assert grocer.get(path).json["location"] == shown(one)
    # A return is made where the purchase was, unless it says so itself.
    back = grocer.post(f"{path}/reversals", {"reference": "X1", "points": 3}).json
    elsewhere = grocer.post(f"{path}/reversals", {"reference": "X2", "points": 3, "location": "S-2"}).json
    assert (back["location"], elsewhere["location"]) == (shown(one), shown(other))
    parts = {"transactions": [{"transaction_id": each["transaction_id"]} for each in (earned, burned)]}
    returned = grocer.post("/v1/returns", {**parts, "reference": "X3", "location": "S-2"}).json["transactions"]
    assert [each["location"] for each in returned] == [shown(other)] * 2
    assert events(world) == {
        "E1": shown(one), "E2": shown(other), "E3": None, "B1": shown(one), "C1": shown(other), "X1": shown(one),
        "X2": shown(other), "X3": shown(other),
    }  # fmt: skip
    with world.transaction() as session:
        member_id = grocer.inner(earned["member_id"])
        exported = data_export.of_member(session, member_id=member_id, keyring=world.keyring)
        assert exported["transactions"][0]["location"] == shown(one)
        assert [finding for finding in verify.run(session) if finding.broken] == []


def test_a_capture_or_void_is_made_where_its_hold_was(world: World, grocer, shop) -> None:
    one, other = (shop(grocer.partner_id, code) for code in ("S-1", "S-2"))
    earn(grocer, "E1")
    said = {"card": CARD, "points": 5, "expires_at": (clock.now() + timedelta(hours=1)).isoformat(), "location": "S-1"}
    holds = [grocer.post("/v1/holds", {**said, "reference": f"H{n}"}).json for n in range(3)]
    assert {each["location"] for each in holds} == {shown(one)}
    paths = [f"/v1/holds/{each['hold_id']}" for each in holds]
    assert grocer.post(f"{paths[0]}/capture", {"reference": "C0"}).json["location"] == shown(one)
    assert grocer.post(f"{paths[1]}/capture", {"reference": "C1", "location": "S-2"}).json["location"] == shown(other)
    assert grocer.post(f"{paths[2]}/void", {"reference": "V2"}).json["location"] == shown(one)


def test_a_location_that_is_unknown_foreign_or_closed_is_refused_and_nothing_is_posted(
    world: World, grocer, caller, shop
) -> None:
    foreign, closed = shop(caller("fuelway").partner_id, "F-1"), shop(grocer.partner_id, "S-0")
    close(world, closed)
    for said in (ids.show(ids.LOCATION, ids.new()), "S-9", shown(foreign), "F-1", shown(closed), "S-0"):
        refused = earn(grocer, "E1", location=said)
        assert (refused.status_code, refused.json["code"]) == (422, "location_refused"), said
    bought = earn(grocer, "E1").json
    parts = {"transactions": [{"transaction_id": bought["transaction_id"]}], "reference": "X1"}
    assert grocer.post("/v1/returns", {**parts, "location": "S-0"}).json["code"] == "location_refused"
    for said in ("", "S 1", "loc_", "loc_x", "x" * 33, 7, None):
        assert earn(grocer, "E2", location=said).json["code"] == "invalid_request", said
    assert world.count("coalition.txn") == 1


def test_what_was_answered_is_answered_again_whatever_became_of_its_location(world: World, grocer, shop) -> None:
    made = shop(grocer.partner_id, "S-1")
    said = {"card": CARD, "points": 100, "reference": "E1", "location": "S-1"}
    first = grocer.post("/v1/earns", said, key="one")
    close(world, made)
    again = grocer.post("/v1/earns", said, key="one")
    assert (again.status_code, again.json) == (201, first.json)
    # The day's file may leave out or name anew where the till said it was: the receipt is known.
    for more in ({}, {"location": "S-1"}):
        assert earn(grocer, "E1", **more).json["transaction_id"] == first.json["transaction_id"]
    said = {**said, "reference": "E2"}
    assert grocer.post("/v1/earns", said, key="two").json["code"] == "location_refused"
    with world.transaction() as session:
        locations.change(session, act(world.keyring), location_id=made.location_id, status="open")
    assert grocer.post("/v1/earns", said, key="two").status_code == 201, "it is not kept under the key"


def test_items_of_batches_and_lines_of_files_name_their_location(world: World, grocer, shop) -> None:
    one = shop(grocer.partner_id, "S-1")
    items = [{"kind": "earn", "card": CARD, "points": 1, "reference": f"R{n}", "location": said}
             for n, said in enumerate(("S-1", shown(one), "S-9"))]  # fmt: skip
    answers = grocer.post("/v1/batches", {"items": items}).json["data"]
    assert [answer.get("transaction", {}).get("location") for answer in answers] == [shown(one), shown(one), None]
    assert answers[2]["problem"]["code"] == "location_refused"
    lines = [
        f"earn,{CARD},F1,1,S-1",
        f"earn,{CARD},F2,1,",
        f"return,,X1,,S-1,{answers[0]['transaction']['transaction_id']}",
    ]
    whole = "\n".join(
        ["kind,card,reference,points,location,transactions", *(f"{line}," for line in lines[:2]), lines[2]]
    )
    stored = hand_in(grocer, whole, mimetype="text/csv").json
    work(world)
    found = results(grocer, stored["batch_id"])
    assert [each["transaction"]["location"] for each in found[:2]] == [shown(one), None]
    assert found[2]["returned"]["transactions"][0]["location"] == shown(one)


def test_what_a_till_posts_is_made_where_it_stands_and_nowhere_else(
    world: World, till: App, http, shop, caller
) -> None:
    partner_id = till.client.partner_id
    mine, other = (shop(partner_id, code) for code in ("S-1", "S-2"))
    with world.transaction() as session:
        made = locations.add_till(session, act(world.keyring), location_id=mine.location_id, code="T1")
    begun = till.post("/oauth/device_authorization").json
    with world.transaction() as session:
        devices.confirm(
            session, act(world.keyring, now=clock.now()), user_code=devices.normalised(begun["user_code"]),
            partner_id=partner_id, staff_id=ids.new(), till="Till 1", till_id=made.till_id,
        )  # fmt: skip
    grant = "urn:ietf:params:oauth:grant-type:device_code"
    token = till.post("/oauth/token", grant_type=grant, device_code=begun["device_code"]).json["access_token"]
    at_till = Caller(http, token, partner_id)
    world.member()
    assert earn(at_till, "E1").json["location"] == shown(mine)
    for said in (shown(mine), "S-1"):
        assert earn(at_till, f"E-{said}", location=said).json["location"] == shown(mine)
    for said in (shown(other), "S-2"):
        refused = earn(at_till, f"E-{said}", location=said)
        assert (refused.status_code, refused.json["code"]) == (422, "location_refused")
