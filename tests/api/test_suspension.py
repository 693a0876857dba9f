"""Suspended and leaving partners: what stops, how soon, and what goes on so that nobody's points or money hang."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from identity import clients
from kit import audit, clock
from partners import lifecycle
from partners.lifecycle import Leaving
from partners.states import TRANSITIONS, Standing
from settlement import agreements, exposure, policies
from tests.api.test_batch_files import work
from tests.conftest import CARD, NOW, World, act, audited
from tests.service import Caller, shut
from wsgi import create_app

SOON_S = 1.0


@pytest.fixture
def grocer(caller) -> Caller:
    made = caller("greengrocer")
    made.post("/v1/members", {"card": CARD})
    made.post("/v1/earns", earn("R0", 100))
    return made


def earn(reference: str, points: int = 10) -> dict[str, Any]:
    return {"card": CARD, "points": points, "reference": reference}


def hold(reference: str) -> dict[str, Any]:
    return {**earn(reference), "expires_at": (clock.now() + timedelta(hours=1)).isoformat()}


def step(world: World, verb: str, caller: Caller, **more: Any) -> None:
    with world.transaction() as session:
        made = act(now=clock.now(), reason="payments outstanding", by="ann")
        getattr(lifecycle, verb)(session, made, partner_id=caller.partner_id, **more)


def forget_what_was_remembered() -> None:
    time.sleep(SOON_S / 2 + 0.05)


def code(answer: Any) -> str:
    return answer.json.get("code", "posted")


def test_a_suspension_stops_earns_burns_and_holds_and_a_resumption_lets_them_go_on(world: World, grocer) -> None:
    world.give_terms(grocer.partner_id)
    step(world, "suspend", grocer)
    forget_what_was_remembered()
    bodies = {"earns": earn("R1"), "burns": earn("B1"), "holds": hold("H1")}
    for path, body in bodies.items():
        answer = grocer.post(f"/v1/{path}", body)
        assert (answer.status_code, answer.json["code"]) == (403, "partner_suspended")
    assert world.count("coalition.txn") == 1
    step(world, "resume", grocer)
    forget_what_was_remembered()
    assert [grocer.post(f"/v1/{path}", body).status_code for path, body in bodies.items()] == [201, 201, 201]


def test_it_stops_on_every_process_within_a_second(world: World, grocer) -> None:
    other = create_app(world.settings)
    elsewhere = Caller(other.test_client(), grocer.token, grocer.partner_id)
    callers = (grocer, elsewhere)
    try:
        assert {code(one.post("/v1/earns", earn(f"before-{n}"))) for n, one in enumerate(callers)} == {"posted"}
        step(world, "suspend", grocer)
        began = time.monotonic()
        for n, one in enumerate(callers):
            while code(one.post("/v1/earns", earn(f"after-{n}-{time.monotonic_ns()}"))) == "posted":
                assert time.monotonic() < began + SOON_S
    finally:
        shut(other)


def test_reads_returns_and_the_end_of_holds_go_on(world: World, grocer) -> None:
    held = [grocer.post("/v1/holds", hold(f"H{n}")).json["hold_id"] for n in range(2)]
    burned = grocer.post("/v1/burns", earn("B1")).json
    step(world, "suspend", grocer)
    forget_what_was_remembered()
    assert grocer.post(f"/v1/holds/{held[0]}/capture", {"reference": "C"}).status_code == 201
    assert grocer.post(f"/v1/holds/{held[1]}/void", {"reference": "V"}).status_code == 201
    returned = grocer.post(f"/v1/transactions/{burned['transaction_id']}/reversals", {"reference": "X"})
    assert returned.status_code == 201
    assert grocer.get(f"/v1/transactions/{burned['transaction_id']}").json["points"] == 10
    assert grocer.get(f"/v1/members/{burned['member_id']}/balance").json["available"] == 90
    assert grocer.get("/v1/webhook-endpoints").status_code == 200


def test_in_a_batch_and_in_a_file_what_is_new_is_refused_line_by_line(world: World, grocer) -> None:
    held = grocer.post("/v1/holds", hold("H")).json["hold_id"]
    items = [{"kind": "earn", **earn("R1")}, {"kind": "void", "hold_id": held, "reference": "V"}]
    headers = {
        "Authorization": f"Bearer {grocer.token}",
        "Idempotency-Key": "f",
        "Content-Type": "application/jsonl",
    }
    stored = grocer.http.post("/v1/batches/files", data=json.dumps({"kind": "earn", **earn("R2")}), headers=headers)
    assert stored.status_code == 202
    step(world, "suspend", grocer)
    forget_what_was_remembered()
    answers = grocer.post("/v1/batches", {"items": items}).json["data"]
    assert [answer["status"] for answer in answers] == [403, 201]
    assert answers[0]["problem"]["code"] == "partner_suspended"
    work(world)
    shown = grocer.get(f"/v1/batches/{stored.json['batch_id']}").json
    assert (shown["status"], shown["refused"]) == ("finished", 1)


def test_who_leaves_stops_earning_then_burning_then_everything(world: World, grocer) -> None:
    now = clock.now()
    later = now + timedelta(hours=1)
    step(world, "leave", grocer, times=Leaving(now + timedelta(seconds=0.2), later, later))
    time.sleep(0.2)
    forget_what_was_remembered()
    assert code(grocer.post("/v1/earns", earn("R1"))) == "partner_leaving"
    burned = grocer.post("/v1/burns", earn("B1"))
    assert burned.status_code == 201
    world.give_terms(grocer.partner_id)
    step(world, "resume", grocer)
    ends = clock.now() + timedelta(seconds=1.2)
    step(world, "leave", grocer, times=Leaving(*[clock.now() + timedelta(milliseconds=50)] * 2, ends))
    forget_what_was_remembered()
    assert code(grocer.post("/v1/burns", earn("B2"))) == "partner_leaving"
    undo = f"/v1/transactions/{burned.json['transaction_id']}/reversals"
    assert grocer.post(undo, {"reference": "X"}).status_code == 201
    time.sleep(max(0.0, (ends - clock.now()).total_seconds()))
    assert grocer.get("/v1/webhook-endpoints").status_code == 401
    with world.transaction() as session:
        assert lifecycle.finish_leaving(session, audit.of_clock(clock.now(), world.keyring)) == 1
        assert lifecycle.finish_leaving(session, audit.of_clock(clock.now(), world.keyring)) == 0
        assert clients.revoke_of_left(session, now=clock.now()) == 1
    (left,) = audited(world.database)
    assert (left["action"], left["kind"], left["facts"]["reason"]) == ("partner.left", "clock", "its time is over")
    assert grocer.get("/v1/webhook-endpoints").status_code == 401
    assert world.count("partners.oauth_client WHERE revoked_at IS NULL") == 0


def test_who_leaves_out_of_a_suspension_earns_and_burns_no_more(world: World, grocer) -> None:
    step(world, "suspend", grocer)
    later = clock.now() + timedelta(days=30)
    step(world, "leave", grocer, times=Leaving(later, later, later))
    forget_what_was_remembered()
    for path in ("earns", "burns"):
        assert code(grocer.post(f"/v1/{path}", earn("R1"))) == "partner_leaving"
    assert grocer.get("/v1/webhook-endpoints").status_code == 200


def test_the_partner_hears_of_it(world: World, grocer) -> None:
    step(world, "suspend", grocer)
    assert world.count("kit.event WHERE type = 'partner.status_changed' AND data->>'partner_status' = 'suspended'") == 1


HOUR = timedelta(hours=1)


@pytest.mark.parametrize("role", ["issuer", "redeemer", None])
@pytest.mark.parametrize("status", ["onboarding", "active", "suspended", "leaving", "left"])
def test_what_each_state_stops(status, role) -> None:
    before, after = Standing(status, NOW + HOUR, NOW + HOUR), Standing(status, NOW, NOW)
    always = {"onboarding": role is not None, "active": False, "suspended": role is not None, "left": True}
    expected = (always[status], always[status]) if status != "leaving" else (False, role is not None)
    assert (before.stops(role, now=NOW), after.stops(role, now=NOW)) == expected


def test_of_leaving_earning_and_burning_end_each_at_its_time() -> None:
    standing = Standing("leaving", NOW, NOW + HOUR)
    assert standing.stops("issuer", now=NOW)
    assert not standing.stops("redeemer", now=NOW)
    assert standing.stops("redeemer", now=NOW + HOUR)


def test_nothing_leads_out_of_left_and_everything_leads_there() -> None:
    assert all("left" not in transition.sources for transition in TRANSITIONS.values())
    reached = {"left"}
    for _ in TRANSITIONS:
        reached |= {s for t in TRANSITIONS.values() if t.target in reached for s in t.sources}
    assert reached == {"onboarding", "active", "suspended", "leaving", "left"}


def test_an_issuer_beyond_its_limit_can_not_start_earns_where_the_programme_refuses_that(world: World, grocer) -> None:
    with world.transaction() as session:
        agreements.agree(
            session, act(), partner_id=grocer.partner_id, since=NOW.date(), redemption_price_minor=Decimal(1),
            currency="GBP", exposure_limit_minor=90,
        )  # fmt: skip

    def looked_at(minutes: int, beyond_limit: str) -> None:
        with world.transaction() as session:
            policies.put(session, act(), policies.Policy(beyond_limit=beyond_limit))
            exposure.watch(session, act(world.keyring, now=NOW + timedelta(minutes=minutes)))
        forget_what_was_remembered()

    looked_at(0, "allow")
    assert code(grocer.post("/v1/earns", earn("R1"))) == "posted"
    looked_at(1, "refuse")
    answer = grocer.post("/v1/earns", earn("R2"))
    assert (answer.status_code, answer.json["code"]) == (403, "exposure_exceeded")
    assert code(grocer.post("/v1/burns", earn("B1"))) == "posted", "what brings it down goes on"
    (answered,) = grocer.post("/v1/batches", {"items": [{"kind": "earn", **earn("R3")}]}).json["data"]
    assert answered["problem"]["code"] == "exposure_exceeded"
    looked_at(2, "allow")
    assert code(grocer.post("/v1/earns", earn("R4"))) == "posted"
