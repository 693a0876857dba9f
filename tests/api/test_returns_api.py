"""POST /v1/returns, replayed refusals, and what a suspended partner's returns leave behind, over HTTP."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from coalition import ledger, programme
from coalition.programme import Rules
from kit import clock
from partners import lifecycle
from tests.api.test_suspension import forget_what_was_remembered
from tests.conftest import CARD, World, act
from tests.service import Caller


@pytest.fixture
def grocer(caller) -> Caller:
    made = caller("greengrocer")
    made.post("/v1/members", {"card": CARD})
    return made


def posted(partner: Caller, kind: str, points: int) -> str:
    body = {"card": CARD, "points": points, "reference": secrets.token_hex(8)}
    answer = partner.post(f"/v1/{kind}s", body)
    assert answer.status_code == 201, answer.text
    return answer.json["transaction_id"]


def post_return(partner: Caller, *parts: Any, **more: Any) -> Any:
    body = {
        "reference": "RET-1",
        "transactions": [part if isinstance(part, dict) else {"transaction_id": part} for part in parts],
    }
    return partner.post("/v1/returns", {**body, **more.pop("body", {})}, **more)


def test_a_receipt_that_earned_and_spent_is_returned_with_one_outcome(grocer: Caller) -> None:
    posted(grocer, "earn", 50)
    parts = posted(grocer, "earn", 21), posted(grocer, "burn", 50)
    posted(grocer, "burn", 21)
    answer = post_return(grocer, *parts)
    assert answer.status_code == 201, answer.text
    assert [each["reverses_transaction_id"] for each in answer.json["transactions"]] == list(parts)
    assert (answer.json["available_after"], answer.json["debt_after"]) == (29, 0)
    again = post_return(grocer, *parts)
    assert (again.status_code, again.headers["Idempotent-Replay"]) == (201, "true")
    assert again.json == answer.json


def test_parts_may_be_returned_by_points(grocer: Caller) -> None:
    earned, burned = posted(grocer, "earn", 50), posted(grocer, "burn", 20)
    answer = post_return(grocer, {"transaction_id": earned, "points": 10}, {"transaction_id": burned, "points": 5})
    assert [each["points"] for each in answer.json["transactions"]] == [10, 5]
    assert answer.json["available_after"] == 25


@pytest.mark.parametrize(
    "transactions",
    [[], None, ["txn_x"], [{"transaction_id": "mbr_01h45ytscbebyvny4gc8cr8ma2"}], [{}],
     [{"transaction_id": "txn_01h45ytscbebyvny4gc8cr8ma2", "points": 1, "amount": {"minor": 1, "currency": "GBP"}}],
     [{"transaction_id": "txn_01h45ytscbebyvny4gc8cr8ma2"}] * (ledger.MOST_REVERSED + 1)],
)  # fmt: skip
def test_a_list_that_is_no_purchase_is_refused(grocer: Caller, transactions: Any) -> None:
    answer = grocer.post("/v1/returns", {"reference": "R", "transactions": transactions})
    assert answer.status_code == 422
    assert answer.json["errors"]


def test_a_refusal_names_its_transaction_and_says_when_it_is_repeated(grocer: Caller) -> None:
    earned, burned = posted(grocer, "earn", 50), posted(grocer, "burn", 20)
    parts = {"transaction_id": earned, "points": 51}, burned
    answer = post_return(grocer, *parts, key="one")
    assert (answer.status_code, answer.json["code"]) == (409, "more_than_reversible")
    assert answer.json["transaction_id"] == earned
    assert "Idempotent-Replay" not in answer.headers
    again = post_return(grocer, *parts, key="one")
    assert (again.status_code, again.headers["Idempotent-Replay"]) == (409, "true")
    assert grocer.get(f"/v1/transactions/{burned}").json["points"] == 20


def test_a_repeated_refusal_of_a_burn_says_so(grocer: Caller) -> None:
    body = {"card": CARD, "points": 10, "reference": "B"}
    answers = [grocer.post("/v1/burns", body, key="same") for _ in range(2)]
    assert [answer.json["code"] for answer in answers] == ["insufficient_points"] * 2
    assert ["Idempotent-Replay" in answer.headers for answer in answers] == [False, True]


def test_returns_of_a_suspended_partner_leave_nobody_in_debt(world: World, grocer: Caller) -> None:
    with world.transaction() as session:
        programme.set_rules(session, act(), Rules(**{**vars(programme.rules(session)), "return_policy": "debt"}))
    one, other = posted(grocer, "earn", 30), posted(grocer, "earn", 30)
    posted(grocer, "burn", 60)
    with world.transaction() as session:
        lifecycle.suspend(session, act(reason="late", by="ann", now=clock.now()), partner_id=grocer.partner_id)
    forget_what_was_remembered()
    alone = grocer.post(f"/v1/transactions/{one}/reversals", {"reference": "X"})
    listed = grocer.post(
        "/v1/batches",
        {"items": [{"kind": "reversal", "transaction_id": other, "reference": "Y"}]},
    )
    assert (alone.status_code, alone.json["shortfall"], alone.json["debt_after"]) == (201, 30, 0)
    assert listed.json["data"][0]["transaction"]["debt_after"] == 0


def test_a_transaction_that_stands_there_twice_is_returned_once(grocer: Caller) -> None:
    earned = posted(grocer, "earn", 50)
    answer = post_return(grocer, earned, earned)
    assert [each["points"] for each in answer.json["transactions"]] == [50, 50]
    assert len({each["transaction_id"] for each in answer.json["transactions"]}) == 1
    again = {"transaction_id": posted(grocer, "earn", 9), "points": 1}
    other = post_return(grocer, again, {**again, "points": 2}, body={"reference": "RET-2"})
    assert (other.status_code, other.json["code"]) == (409, "reference_reused")
