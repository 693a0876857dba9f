"""Sandbox faults: every refusal and every fault to order, and only in the sandbox."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import text

from api import sandbox_faults
from coalition import refusals
from kit import clock
from kit.errors import CoalitionError
from kit.http import exchange
from kit.http.exchange import Exchange
from partners import sandbox_faults as met_faults
from tests.conftest import CARD, World
from tests.service import Caller, shut, watch
from wsgi import create_app

# What no posting of a partner's can meet: the coalition's own work is refused so.
NOT_A_PARTNERS = {refusals.HoldRunning, refusals.NothingDue, refusals.SameMember, refusals.HoldsOpen}


@pytest.fixture
def world(world: World) -> World:
    """A sandbox's."""
    keyring = replace(world.keyring, realm="test")
    return replace(world, settings=replace(world.settings, sandbox="only"), keyring=keyring)


@pytest.fixture
def app(world: World) -> Iterator[Flask]:
    made = create_app(world.settings, world.keyring)
    undocumented = watch(made)
    yield made
    shut(made)
    assert undocumented == set()


@pytest.fixture
def grocer(caller: Callable[..., Caller]) -> Caller:
    made = caller("greengrocer")
    assert made.post("/v1/members", {"card": CARD}).status_code == 201
    assert made.post("/v1/earns", {"card": CARD, "points": 1000, "reference": "S-1"}).status_code == 201
    return made


TRANSACTION = "txn_01h45ytscbebyvny4gc8cr8ma2"


def bodies(reference: str) -> dict[str, dict]:
    return {
        "POST /v1/earns": {"card": CARD, "points": 5, "reference": reference},
        "POST /v1/burns": {"card": CARD, "points": 5, "reference": reference},
        "POST /v1/holds": {"card": CARD, "points": 5, "reference": reference, "expires_at": "2100-01-01T00:00:00Z"},
        "POST /v1/holds/{hold_id}/capture": {"reference": reference},
        "POST /v1/holds/{hold_id}/void": {"reference": reference},
        "POST /v1/transactions/{transaction_id}/reversals": {"reference": reference},
        "POST /v1/returns": {"reference": reference, "transactions": [{"transaction_id": TRANSACTION}]},
        "POST /v1/clawbacks": {"card": CARD, "amount": {"minor": 5, "currency": "GBP"}, "reference": reference},
    }


def path(route: str) -> str:
    suffix = "01h45ytscbebyvny4gc8cr8ma2"
    return route.removeprefix("POST ").format(hold_id=f"hld_{suffix}", transaction_id=f"txn_{suffix}")


def test_every_reference_of_the_list_does_on_every_route_what_the_list_says(world: World, grocer: Caller) -> None:
    listed = grocer.get("/v1/sandbox-faults").json["data"]
    forced = [entry for entry in listed if entry["status"] is not None]
    before = world.count("coalition.txn")
    for entry in forced:
        assert entry["routes"]
        for route in entry["routes"]:
            answer = grocer.post(path(route), bodies(f"{entry['reference']}:{before}")[route])
            assert answer.status_code == entry["status"], (entry, answer.text)
            assert f"sandbox:{answer.json['code']}" == entry["reference"]
            assert answer.json["detail"].endswith("(forced by the reference)")
            assert answer.json["retryable"] == entry["comes_once"]
            assert (answer.json["retryable"] and answer.status_code != 500) == ("Retry-After" in answer.headers)
    assert world.count("coalition.txn") == before
    codes = {entry["reference"].removeprefix("sandbox:") for entry in listed}
    assert set(met_faults.FAULTS) <= codes
    assert {"database_unavailable", "rate_limited", "internal_error", "concurrent_request", "unauthenticated"} <= codes


def test_no_refusal_of_the_ledger_is_forgotten(grocer: Caller) -> None:
    listed = {entry["reference"] for entry in grocer.get("/v1/sandbox-faults").json["data"]}
    kinds = {
        kind for _, kind in inspect.getmembers(refusals, inspect.isclass)
        if issubclass(kind, CoalitionError) and kind.code
    }  # fmt: skip
    assert {kind.code for kind in kinds - NOT_A_PARTNERS} == {
        kind.code for kind in kinds if f"sandbox:{kind.code}" in listed
    }


def test_a_forced_refusal_has_the_facts_of_a_real_one(grocer: Caller) -> None:
    real = grocer.post("/v1/burns", {"card": CARD, "points": 5000, "reference": "B-1"}).json
    forced = grocer.post("/v1/burns", {"card": CARD, "points": 5, "reference": "sandbox:insufficient_points"}).json
    assert set(real) == set(forced)
    assert forced["available"] == 40
    for kind in refusals.kinds() | set(sandbox_faults.ANYWHERE):
        assert "{" not in sandbox_faults.forced(kind).detail


def test_what_may_be_retried_comes_once_and_then_the_posting_is_made(world: World, grocer: Caller) -> None:
    for code in ("database_unavailable", "rate_limited", "internal_error", "concurrent_request"):
        body = {"card": CARD, "points": 5, "reference": f"sandbox:{code}:1"}
        assert grocer.post("/v1/burns", body, key=code).json["code"] == code
        assert grocer.post("/v1/burns", body, key=code).status_code == 201
        again = grocer.post("/v1/burns", body, key=code)
        assert (again.status_code, again.headers["Idempotent-Replay"]) == (201, "true")
    with world.transaction() as session:
        assert met_faults.forget(session, now=clock.now()) == 0
        assert met_faults.forget(session, now=clock.now() + 2 * met_faults.REMEMBERED) == 4


def test_a_dry_run_meets_refusals_and_remembers_nothing(world: World, grocer: Caller) -> None:
    body = {"card": CARD, "points": 5, "reference": "sandbox:database_unavailable:2"}
    for _ in range(2):
        assert grocer.post("/v1/burns?dry_run=true", body, key="dry").status_code == 503
    drop = {**body, "reference": "sandbox:commit_then_drop:2"}
    assert grocer.post("/v1/burns?dry_run=true", drop, key="dry").status_code == 201
    assert world.count("partners.fault_met") == 0


@pytest.mark.parametrize("reference", ["sandbox:nonsense", "sandbox:hold_lapsed:1", "sandbox:same_member"])
def test_a_mistaken_name_is_refused(grocer: Caller, reference: str) -> None:
    answer = grocer.post("/v1/earns", {"card": CARD, "points": 5, "reference": reference})
    assert (answer.status_code, answer.json["code"]) == (422, "unknown_sandbox_fault")


def test_the_items_of_a_batch_are_refused_one_by_one(grocer: Caller) -> None:
    names = ("insufficient_points", "slow", "nonsense", "late_webhook:1", "invalid_request")
    items = [{"kind": "burn", "card": CARD, "points": 5, "reference": f"sandbox:{name}"} for name in names]
    answers = grocer.post("/v1/batches", {"items": items}).json["data"]
    assert [answer["status"] for answer in answers] == [409, 422, 422, 201, 422]
    codes = {answer["problem"]["code"] for answer in answers if answer["status"] == 422}
    assert codes == {"unknown_sandbox_fault"}


def test_a_dropped_answer_was_committed(world: World, grocer: Caller) -> None:
    """That the connection is cut, only a server can show: tests/e2e/test_sandbox.py."""
    body = {"card": CARD, "points": 5, "reference": "sandbox:commit_then_drop:1"}
    cut = grocer.post("/v1/burns", body, key="drop")
    assert cut.data == b""
    assert int(cut.headers["Content-Length"]) > 0
    with world.transaction() as session:
        assert session.scalar(text("SELECT count(*) FROM coalition.txn WHERE reference LIKE 'sandbox:%'")) == 1
    again = grocer.post("/v1/burns", body, key="drop")
    assert again.json["points"] == 5
    assert again.headers["Idempotent-Replay"] == "true"


def test_a_slow_answer_is_slow_once(grocer: Caller) -> None:
    """That it is held back, and that no thread waits with it: tests/kit/test_gateway.py."""
    body = {"card": CARD, "points": 5, "reference": "sandbox:slow:1"}
    held_back_s = []
    for _ in range(2):
        here = Exchange()
        headers = {"Authorization": f"Bearer {grocer.token}", "Idempotency-Key": "slow"}
        answer = grocer.http.post("/v1/burns", json=body, headers=headers, environ_overrides={exchange.KEY: here})
        assert answer.json["points"] == 5
        held_back_s.append(here.answer_after_s)
    assert held_back_s == [sandbox_faults.SLOW_S, 0]
