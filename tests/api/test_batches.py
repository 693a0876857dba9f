"""Batches: each item answered by itself, once."""

from __future__ import annotations

import threading

import pytest

from coalition.cards import with_check_digit
from tests.conftest import CARD, World
from tests.service import Caller

CARDS = [with_check_digit(f"7021{n:011d}") for n in range(5)]


@pytest.fixture
def grocer(caller) -> Caller:
    made = caller("greengrocer")
    for card in (CARD, *CARDS):
        made.post("/v1/members", {"card": card})
    return made


def earn(n: int, card: str = CARD, points: int = 10) -> dict:
    return {"kind": "earn", "card": card, "points": points, "reference": f"R{n}"}


def test_items_of_all_kinds_are_posted_in_their_order(grocer) -> None:
    first = grocer.post("/v1/batches", {"items": [earn(1), {**earn(2), "kind": "burn", "points": 15}, earn(3)]}).json
    assert [item["status"] for item in first["data"]] == [201, 409, 201]
    assert first["data"][1]["problem"]["available"] == 10
    assert (first["posted"], first["replayed"], first["refused"]) == (2, 0, 1)
    undo = {
        "kind": "reversal",
        "transaction_id": first["data"][0]["transaction"]["transaction_id"],
        "reference": "X1",
        "points": 4,
    }
    second = grocer.post("/v1/batches", {"items": [undo]}).json
    assert second["data"][0]["transaction"]["available_after"] == 16


@pytest.mark.parametrize(
    ("item", "status", "code"),
    [
        (5, 422, "unknown_kind"),
        (None, 422, "unknown_kind"),
        ({"kind": "gift"}, 422, "unknown_kind"),
        ({"kind": ["earn"]}, 422, "unknown_kind"),
        ({**earn(9), "points": 12.5}, 422, "invalid_request"),
        ({**earn(9), "points": -1}, 422, "invalid_request"),
        ({**earn(9), "extra": 1}, 422, "invalid_request"),
        ({**earn(9), "card": "7001000000000000"}, 422, "malformed_card"),
        ({**earn(9), "card": with_check_digit("70990000000000")}, 404, "member_not_found"),
        ({"kind": "void", "hold_id": 7, "reference": "V"}, 422, "malformed_id"),
        ({"kind": "void", "reference": "V"}, 422, "malformed_id"),
    ],
)
def test_one_bad_item_never_spoils_the_others(grocer, item, status, code) -> None:
    answer = grocer.post("/v1/batches", {"items": [earn(1), item, earn(2)]}).json
    assert [part["status"] for part in answer["data"]] == [201, status, 201]
    assert (answer["data"][1]["item"], answer["data"][1]["problem"]["code"]) == (2, code)


def test_a_batch_sent_again_is_answered_alike_and_posts_nothing(world: World, grocer) -> None:
    items = [earn(1), {**earn(2), "kind": "burn", "points": 15}, *(earn(n, CARDS[n % 5]) for n in range(3, 40))]
    first = grocer.post("/v1/batches", {"items": items}, key="k").json
    postings = world.count("coalition.posting")
    second = grocer.post("/v1/batches", {"items": items}, key="k").json
    assert world.count("coalition.posting") == postings
    assert (second["posted"], second["replayed"], second["refused"]) == (0, 38, 1)
    assert [{**item, "replayed": False} for item in second["data"]] == first["data"]
    third = grocer.post("/v1/batches", {"items": items}, key="another").json
    assert (third["posted"], third["replayed"], third["refused"]) == (0, 38, 1)
    changed = grocer.post("/v1/batches", {"items": [earn(1, points=11)]}, key="k").json
    assert changed["data"][0]["problem"]["code"] == "idempotency_key_reused"


def test_the_same_receipt_twice_in_one_batch_counts_once(grocer) -> None:
    answer = grocer.post("/v1/batches", {"items": [earn(1), earn(1), earn(1, CARDS[0]), earn(1, points=11)]}).json
    assert [item["replayed"] for item in answer["data"]] == [False, True, False, False]
    codes = [item.get("problem", {}).get("code") for item in answer["data"]]
    assert codes == [None, None, "reference_of_another_member", "reference_reused"]


def test_an_item_takes_the_scope_and_role_of_its_kind(world: World, caller) -> None:
    narrow = caller("fuelway", ["batches:write", "earn:write", "members:enrol"])
    narrow.post("/v1/members", {"card": CARD})
    answer = narrow.post("/v1/batches", {"items": [earn(1), {**earn(2), "kind": "burn"}]}).json
    assert [item["status"] for item in answer["data"]] == [201, 403]
    assert answer["data"][1]["problem"]["required_scope"] == "burn:write"


@pytest.mark.parametrize("items", [[], [earn(1)] * 1001, None, "x"])
def test_a_batch_has_1_to_1000_items(grocer, items) -> None:
    assert grocer.post("/v1/batches", {"items": items}).json["code"] == "invalid_request"


def test_a_dry_batch_posts_nothing(world: World, grocer) -> None:
    answer = grocer.post("/v1/batches?dry_run=true", {"items": [earn(1), earn(2)]}).json
    assert answer["posted"] == 2
    assert world.count("coalition.txn") == 0


def test_ten_megabytes_are_too_many(grocer) -> None:
    answer = grocer.post("/v1/batches", {"items": ["x" * 10_000_000]})
    assert (answer.status_code, answer.json["code"]) == (413, "body_too_large")


def test_the_same_batch_from_three_sides_at_once_posts_each_item_once(world: World, grocer) -> None:
    items = [earn(n, CARDS[n % 5]) for n in range(200)]
    orders = [items, list(reversed(items)), items[100:] + items[:100]]
    answers: list = [None] * 3

    def send(n: int) -> None:
        caller = Caller(grocer.http.application.test_client(), grocer.token, grocer.partner_id)
        answers[n] = caller.post("/v1/batches", {"items": orders[n]}, key=f"side-{n}").json

    threads = [threading.Thread(target=send, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(answer["posted"] for answer in answers) == 200
    assert sum(answer["replayed"] for answer in answers) == 400
    assert world.count("coalition.lot") == 200
