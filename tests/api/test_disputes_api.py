"""Partners dispute lines of their statements, see each other's disputes with them, and answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from kit import clock, ids
from settlement import disputes, nightly, policies
from tests.conftest import NOW, World, act
from tests.service import Caller

DAY = NOW.date()
SAID = {"reason": "The purchase was paid in cash."}


@pytest.fixture
def settled(world: World, caller):
    """The grocer owes the station for three receipts; the book shop has nothing to do with it."""
    grocer, station, bookshop = (caller(code) for code in ("greengrocer", "fuelway", "pagebound"))
    world.give_terms(grocer.partner_id)
    member = world.member()
    world.earn(grocer.partner_id, member, 500)
    for points in (101, 7, 30):
        world.burn(station.partner_id, member, points, reference=f"F-{points}")
    with world.transaction() as session:
        policies.put(session, act(), policies.Policy(approvals=1, dispute_days=policies.MOST_DISPUTE_DAYS))
    nightly.run(world.database, act(world.keyring, now=NOW + timedelta(days=1)), day=DAY)
    statement = grocer.get("/v1/statements").json["data"][0]["statement_id"]
    (owed,) = grocer.get(f"/v1/statements/{statement}/obligations").json["data"]
    return grocer, station, bookshop, owed["obligation_id"]


def body(obligation_id: str, line: int | None = 1, **more: Any) -> dict[str, Any]:
    return {"obligation_id": obligation_id, "line": line, **SAID, **more}


def test_a_line_is_disputed_answered_and_decided(settled, world: World) -> None:
    grocer, station, _, owed = settled
    made = grocer.post("/v1/disputes", body(owed))
    assert made.status_code == 201, made.text
    shown = made.json
    assert {name: shown[name] for name in ("status", "amount_minor", "reference", "payer", "payee", "raised_by")} == {
        "status": "open", "amount_minor": 101, "reference": "F-101", "payer": "greengrocer", "payee": "fuelway",
        "raised_by": "greengrocer",
    }  # fmt: skip
    path = f"/v1/disputes/{shown['dispute_id']}"
    assert station.get(path).json == grocer.get(path).json == shown
    assert station.get("/v1/disputes").json == {"data": [shown], "next_cursor": None}
    answered = station.post(f"{path}/answer", {"comment": "Our journal has it."})
    assert (answered.status_code, answered.json["comment"]) == (200, "Our journal has it.")
    assert station.post(f"{path}/answer", {"comment": "Our journal has it."}).json == answered.json
    for who, comment, code in ((station, "And our camera.", "dispute_answered"), (grocer, "No.", "own_dispute")):
        refused = who.post(f"{path}/answer", {"comment": comment})
        assert (refused.status_code, refused.json["code"]) == (409, code)
    with world.transaction() as session:
        disputes.resolve(
            session, act(world.keyring, now=clock.now(), reason="seen on camera"), outcome="part", amount_minor=100,
            dispute_id=ids.parse(ids.DISPUTE, shown["dispute_id"]),
        )  # fmt: skip
    done = grocer.get(path).json
    assert [done[name] for name in ("status", "outcome", "back_minor", "resolution")] == [
        "resolved", "part", 100, "seen on camera",
    ]  # fmt: skip
    late = station.post(f"{path}/answer", {"comment": "Our journal has it."})
    assert late.status_code == 200, "what was said is said"


def test_the_same_request_gets_the_same_dispute_and_a_key_is_for_one(settled) -> None:
    grocer, station, _, owed = settled
    made = grocer.post("/v1/disputes", body(owed), key="k1")
    again = grocer.post("/v1/disputes", body(owed), key="k1")
    assert (again.status_code, again.json) == (201, made.json)
    other = grocer.post("/v1/disputes", body(owed, 2), key="k1")
    assert (other.status_code, other.json["code"]) == (422, "dispute_key_reused")
    twice = station.post("/v1/disputes", body(owed), key="k1")
    assert (twice.status_code, twice.json["code"]) == (409, "line_disputed")


def test_a_dry_run_disputes_nothing(settled) -> None:
    grocer, _, _, owed = settled
    tried = grocer.http.post(
        "/v1/disputes", json=body(owed), query_string={"dry_run": "true"},
        headers={"Authorization": f"Bearer {grocer.token}", "Idempotency-Key": "k1"},
    )  # fmt: skip
    assert (tried.status_code, tried.json["status"]) == (201, "open")
    assert grocer.get("/v1/disputes").json["data"] == []


def test_who_has_nothing_to_do_with_it_finds_nothing(settled) -> None:
    grocer, _, bookshop, owed = settled
    foreign = bookshop.post("/v1/disputes", body(owed))
    assert (foreign.status_code, foreign.json["code"]) == (404, "obligation_not_found")
    path = f"/v1/disputes/{grocer.post('/v1/disputes', body(owed)).json['dispute_id']}"
    for found in (bookshop.get(path), bookshop.post(f"{path}/answer", {"comment": "me too"})):
        assert (found.status_code, found.json["code"]) == (404, "dispute_not_found")
    assert bookshop.get("/v1/disputes").json["data"] == []


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"line": 4}, 404, "line_not_found"),
        ({"line": None}, 404, "line_not_found"),
        ({"line": 0}, 422, "invalid_request"),
        ({"line": 2**31}, 422, "invalid_request"),
        ({"line": "1"}, 422, "invalid_request"),
        ({"reason": ""}, 422, "invalid_request"),
        ({"reason": "x" * 501}, 422, "invalid_request"),
        ({"reason": "a\nb"}, 422, "malformed_text"),
        ({"obligation_id": ids.show(ids.OBLIGATION, ids.new())}, 404, "obligation_not_found"),
        ({"obligation_id": ids.show(ids.STATEMENT, ids.new())}, 422, "invalid_request"),
        ({"amount_minor": 5}, 422, "invalid_request"),
    ],
)
def test_what_makes_no_dispute_is_refused(settled, changed: dict[str, Any], status: int, code: str) -> None:
    grocer, _, _, owed = settled
    refused = grocer.post("/v1/disputes", {**body(owed), **changed})
    assert (refused.status_code, refused.json["code"]) == (status, code), refused.text


def test_it_takes_the_scope_and_a_key(settled, caller) -> None:
    grocer, _, _, owed = settled
    reader: Caller = caller("reader", ["settlement:read"])
    assert reader.post("/v1/disputes", body(owed)).status_code == 403
    assert reader.get("/v1/disputes").status_code == 200
    bare = grocer.http.post("/v1/disputes", json=body(owed), headers={"Authorization": f"Bearer {grocer.token}"})
    assert bare.json["code"] == "idempotency_key_missing"


def test_a_list_goes_on_page_by_page(settled) -> None:
    grocer, station, _, owed = settled
    made = [grocer.post("/v1/disputes", body(owed, line)).json["dispute_id"] for line in (1, 2, 3)]
    first = station.get("/v1/disputes", limit=2).json
    rest = station.get("/v1/disputes", limit=2, cursor=first["next_cursor"]).json
    assert [one["dispute_id"] for one in (*first["data"], *rest["data"])] == made[::-1]
    assert rest["next_cursor"] is None
