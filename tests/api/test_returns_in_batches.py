"""Returns among the items of a batch and the lines of a file: the same verb, answers and refusals as alone."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from coalition import ledger, merges, rates
from kit import clock
from partners import lifecycle
from tests.api.test_batch_files import hand_in, results, work
from tests.api.test_returns_api import posted
from tests.api.test_suspension import forget_what_was_remembered
from tests.conftest import APPROVED, CARD, NOW, World, act
from tests.service import Caller

OTHER_CARD = "7001000000130470"
NOBODYS = "txn_01h45ytscbebyvny4gc8cr8ma2"


@pytest.fixture
def grocer(caller) -> Caller:
    made = caller("greengrocer")
    for card in (CARD, OTHER_CARD):
        made.post("/v1/members", {"card": card})
    return made


def returned(*transactions: Any, reference: str = "RET-1", **more: Any) -> dict[str, Any]:
    listed = [each if isinstance(each, dict) else {"transaction_id": each} for each in transactions]
    return {"reference": reference, "transactions": listed, **more}


def item(*transactions: Any, **more: Any) -> dict[str, Any]:
    return {"kind": "return", **returned(*transactions, **more)}


def post(caller: Caller, *items: Any, key: str | None = None, path: str = "/v1/batches") -> list[dict[str, Any]]:
    answer = caller.post(path, {"items": list(items)}, key=key)
    assert answer.status_code == 200, answer.text
    return answer.json["data"]


def purchase(caller: Caller) -> tuple[str, str]:
    """Fifty points are there; a purchase spends 20 of them and earns 9."""
    posted(caller, "earn", 50)
    return posted(caller, "burn", 20), posted(caller, "earn", 9)


def test_a_return_is_answered_as_its_own_route_answers_it(grocer: Caller) -> None:
    burned, earned = purchase(grocer)
    (answer,) = post(grocer, item(earned, burned))
    assert (answer["status"], answer["replayed"]) == (201, False)
    assert [each["reverses_transaction_id"] for each in answer["returned"]["transactions"]] == [earned, burned]
    assert (answer["returned"]["available_after"], "transaction" in answer) == (50, False)
    alone = grocer.post("/v1/returns", returned(earned, burned))
    assert (alone.json, alone.headers["Idempotent-Replay"]) == (answer["returned"], "true")


def test_a_batch_sent_again_answers_its_returns_alike(world: World, grocer: Caller) -> None:
    items = [item(*purchase(grocer)), item(NOBODYS, reference="RET-2"), item(*purchase(grocer), reference="RET-3")]
    first = post(grocer, *items, key="k")
    count = world.count("coalition.txn")
    again = grocer.post("/v1/batches", {"items": items}, key="k").json
    assert (again["posted"], again["replayed"], again["refused"]) == (0, 2, 1)
    assert [{**each, "replayed": False} for each in again["data"]] == first
    assert {each["replayed"] for each in post(grocer, *items)} == {True, False}  # what isn't there is asked anew
    assert world.count("coalition.txn") == count


def test_a_return_keeps_its_place_among_the_members_items(grocer: Caller) -> None:
    burned, earned = purchase(grocer)  # 39 are available, 50 after the return
    spend = {"kind": "burn", "card": CARD, "points": 50}
    answers = post(
        grocer, {**spend, "reference": "S-1"}, item(burned, earned), {**spend, "reference": "S-2"}, item(earned, burned)
    )
    assert [each["status"] for each in answers] == [409, 201, 201, 201]
    assert [each["replayed"] for each in answers] == [False, False, False, True]


def test_of_a_refused_return_nothing_is_posted_and_the_others_are(grocer: Caller) -> None:
    burned, earned = purchase(grocer)
    more = {"transaction_id": earned, "points": 10}
    refused, other = post(grocer, item(burned, more), item(burned, {**more, "points": 9}, reference="RET-2"))
    assert (refused["status"], refused["problem"]["code"]) == (409, "more_than_reversible")
    assert refused["problem"]["transaction_id"] == earned
    assert other["returned"]["available_after"] == 50


def test_a_dry_run_returns_nothing(world: World, grocer: Caller) -> None:
    parts = purchase(grocer)
    count = world.count("coalition.txn")
    (answer,) = post(grocer, item(*parts), path="/v1/batches?dry_run=true")
    assert answer["returned"]["available_after"] == 50
    assert world.count("coalition.txn") == count


@pytest.mark.parametrize(
    "wrong",
    [
        {"transactions": []},
        {"transactions": None},
        {"transactions": "txn_x"},
        {"transactions": [{}]},
        {"transactions": ["txn_x"]},
        {"transactions": [{"transaction_id": "mbr_01h45ytscbebyvny4gc8cr8ma2"}]},
        {"transactions": [{"transaction_id": NOBODYS, "points": 0}]},
        {"transactions": [{"transaction_id": NOBODYS, "points": 1, "amount": {"minor": 1, "currency": "GBP"}}]},
        {"transactions": [{"transaction_id": NOBODYS}] * (ledger.MOST_REVERSED + 1)},
        {"transactions": [{"transaction_id": NOBODYS}]},
        {"reference": None},
        {"card": CARD},
        {"effective_at": "2030-01-01T00:00:00Z"},
    ],
)
def test_what_is_wrong_alone_is_wrong_in_the_same_way_in_a_batch(grocer: Caller, wrong: dict[str, Any]) -> None:
    body = {**returned(*purchase(grocer)), **wrong}
    alone = grocer.post("/v1/returns", body).json
    (answer,) = post(grocer, {"kind": "return", **body})
    told = ("code", "detail", "errors", "status", "transaction_id")
    assert [answer["problem"].get(name) for name in told] == [alone.get(name) for name in told]


def test_a_return_takes_the_scope_of_reversals_and_outlives_a_suspension(world: World, grocer: Caller, caller) -> None:
    parts = purchase(grocer)
    (refused,) = post(caller("fuelway", ["batches:write", "earn:write"]), item(*parts))
    assert (refused["status"], refused["problem"]["required_scope"]) == (403, "reversals:write")
    with world.transaction() as session:
        lifecycle.suspend(session, act(reason="late", by="ann", now=clock.now()), partner_id=grocer.partner_id)
    forget_what_was_remembered()
    assert post(grocer, item(*parts))[0]["status"] == 201


def test_members_partners_and_merges_are_kept_apart(world: World, grocer: Caller, caller) -> None:
    burned, earned = purchase(grocer)
    fuelway = caller("fuelway")
    foreign = posted(fuelway, "earn", 5)
    body = {"card": OTHER_CARD, "points": 7, "reference": "O"}
    others = grocer.post("/v1/earns", body).json["transaction_id"]
    answers = post(grocer, item(burned, others), item(foreign, earned, reference="RET-2"))
    assert [each["problem"]["code"] for each in answers] == ["several_members", "original_not_found"]
    away, into = (
        grocer.inner(grocer.post("/v1/members/lookup", {"card": card}).json["member_id"]) for card in (CARD, OTHER_CARD)
    )
    with world.transaction() as session:
        merges.merge(session, APPROVED, member_id=away, into=into, reference="m").unwrap()
    (answer,) = post(grocer, item(burned, others, earned, reference="RET-3"))
    assert (answer["status"], answer["returned"]["available_after"]) == (201, 55)  # 50, and the fuelway's 5


def test_a_file_of_lines_returns_receipts(world: World, grocer: Caller) -> None:
    parts = purchase(grocer)
    late = item(*purchase(grocer), reference="RET-2", effective_at=NOW.isoformat())
    lines = [item(*parts), late, item(NOBODYS, reference="RET-3"), item(*parts, reference="RET-1")]
    stored = hand_in(grocer, "\n".join(map(json.dumps, lines))).json
    work(world)
    shown = grocer.get(f"/v1/batches/{stored['batch_id']}").json
    assert (shown["posted"], shown["replayed"], shown["refused"]) == (2, 1, 1)
    first, second, third, again = results(grocer, stored["batch_id"])
    assert [len(each["returned"]["transactions"]) for each in (first, second, again)] == [2, 2, 2]
    assert second["returned"]["transactions"][0]["effective_at"] == NOW.isoformat()
    assert third["problem"]["code"] == "original_not_found"


def test_a_row_of_a_csv_lists_the_transactions_of_a_return(world: World, grocer: Caller) -> None:
    burned, earned = purchase(grocer)
    with world.transaction() as session:
        rates.set_rate(
            session, act(), partner_id=grocer.partner_id, points_per_unit=Decimal(1), minor_per_unit=100,
            currency="GBP", since=date(2020, 1, 1),
        )  # fmt: skip
    body = {"card": CARD, "amount": {"minor": 1_000, "currency": "GBP"}, "reference": "A"}
    paid = grocer.post("/v1/earns", body).json
    minor = 500
    rows = [
        "kind,reference,transactions,card,points",
        f"return,C-1,{burned}:5 {paid['transaction_id']}:{minor}:GBP,,",
        f"return,C-2,{earned}  {burned},,",
        f"earn,E-1,,{CARD},3",
    ]
    stored = hand_in(grocer, "\r\n".join(rows), mimetype="text/csv").json
    work(world)
    partly, rest, earn = results(grocer, stored["batch_id"])
    assert [each["points"] for each in partly["returned"]["transactions"]] == [5, paid["points"] // 2]
    assert partly["returned"]["transactions"][1]["amount_minor"] == minor
    assert [each["points"] for each in rest["returned"]["transactions"]] == [9, 15]
    assert earn["status"] == 201


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("", "invalid_request"),
        (" ", "invalid_request"),
        (f"{NOBODYS}:", "invalid_request"),
        (f"{NOBODYS}:5.0", "invalid_request"),
        (f"{NOBODYS}:-5", "invalid_request"),
        (f"{NOBODYS}:5:", "invalid_request"),
        (f"{NOBODYS}:5:gbp", "invalid_request"),
        (f"{NOBODYS}:5:GBP:1", "malformed_line"),
        (":5", "invalid_request"),
        ("txn_1;txn_2", "invalid_request"),
        (f"{NOBODYS}:5:GBP", "original_not_found"),
        (" ".join([NOBODYS] * (ledger.MOST_REVERSED + 1)), "invalid_request"),
    ],
)
def test_a_cell_that_lists_no_transactions_is_refused(world: World, grocer: Caller, cell: str, code: str) -> None:
    stored = hand_in(grocer, f"kind,reference,transactions\nreturn,C-1,{cell}\n", mimetype="text/csv").json
    work(world)
    assert [each["problem"]["code"] for each in results(grocer, stored["batch_id"])] == [code]
