"""Limits by purchase and by day: asked where the points are spent, whichever way they are spent, and of two at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from coalition import pins, programme
from kit import clock
from tests.conftest import CARD, World, act
from tests.identity.test_step_up import agree, member_of
from tests.service import Caller, take_turns

AT_ONCE, A_DAY, PIN = 50, 120, "8305"


@pytest.fixture
def grocer(world: World, caller) -> Caller:
    made: Caller = caller("greengrocer")
    made.post("/v1/members", {"card": CARD})
    made.post("/v1/earns", {"card": CARD, "points": 20_000, "reference": "E"})
    with world.transaction() as session:
        pins.put(session, act(world.keyring), member_id=member_of(world), pin=PIN)
        limits = {"pin_free_points": AT_ONCE, "pin_free_points_per_day": A_DAY}
        programme.set_rules(session, act(), replace(programme.rules(session), **limits))
    return made


def burn(points: int, reference: str, **more: Any) -> dict[str, Any]:
    return {"card": CARD, "points": points, "reference": reference, **more}


def hold(points: int, reference: str) -> dict[str, Any]:
    return burn(points, reference, expires_at=(clock.now() + timedelta(hours=1)).isoformat())


def by_itself(world: World, partner: Caller, bodies: list[dict[str, Any]]) -> list[int]:
    return [partner.post("/v1/burns", body).status_code for body in bodies]


def by_batch(world: World, partner: Caller, bodies: list[dict[str, Any]]) -> list[int]:
    items = [{"kind": "burn", **body} for body in bodies]
    return [answer["status"] for answer in partner.post("/v1/batches", {"items": items}).json["data"]]


def by_file(world: World, partner: Caller, bodies: list[dict[str, Any]]) -> list[int]:
    lines = ["kind,card,points,reference"]
    lines += [f"burn,{CARD},{body['points']},{body['reference']}" for body in bodies]
    authorised = {"Authorization": f"Bearer {partner.token}", "Idempotency-Key": f"file-{bodies[0]['reference']}"}
    stored = partner.http.post(
        "/v1/batches/files", data="\n".join(lines), content_type="text/csv", headers=authorised
    ).json
    take_turns(world)
    results = partner.get(f"/v1/batches/{stored['batch_id']}/results")
    return [json.loads(line)["status"] for line in results.text.splitlines()]


WAYS = (by_itself, by_batch, by_file)


@pytest.mark.parametrize("way", WAYS)
def test_many_small_purchases_stop_at_the_days_limit(world: World, grocer: Caller, way: Callable) -> None:
    assert way(world, grocer, [burn(50, f"B{n}") for n in range(5)]) == [201, 201, 403, 403, 403]
    assert way(world, grocer, [burn(21, "C1"), burn(20, "C2"), burn(1, "C3")]) == [403, 201, 403]
    assert grocer.post("/v1/burns", burn(50, "P", pin=PIN)).status_code == 201, "a proof goes beyond both"
    assert world.available(member_of(world)) == 20_000 - A_DAY - 50


@pytest.mark.parametrize("way", WAYS)
def test_a_consents_days_limit_holds(world: World, grocer: Caller, way: Callable) -> None:
    agree(world, grocer.partner_id, member_of(world), purchase=1000, day=1000)
    assert way(world, grocer, [burn(400, f"B{n}") for n in range(50)]) == [201, 201] + [403] * 48


@pytest.mark.parametrize(("first", "second"), [pair for pair in product(WAYS, WAYS) if pair[0] is not pair[1]])
def test_one_way_counts_what_went_another(world: World, grocer: Caller, first: Callable, second: Callable) -> None:
    assert first(world, grocer, [burn(50, "A1"), burn(50, "A2")]) == [201, 201]
    assert second(world, grocer, [burn(21, "B1"), burn(20, "B2")]) == [403, 201]


def test_a_hold_counts_when_it_is_made_and_not_again_when_it_is_captured(grocer: Caller) -> None:
    held = grocer.post("/v1/holds", hold(50, "H1")).json
    assert grocer.post("/v1/holds", hold(51, "H2")).json["code"] == "step_up_required"
    assert grocer.post("/v1/burns", burn(50, "B1")).status_code == 201
    assert grocer.post(f"/v1/holds/{held['hold_id']}/capture", {"reference": "C1"}).status_code == 201
    assert grocer.post("/v1/burns", burn(21, "B2")).status_code == 403
    assert grocer.post("/v1/burns", burn(20, "B3")).status_code == 201


def test_two_partners_share_the_days_limit(grocer: Caller, caller) -> None:
    station = caller("fuelway")
    assert grocer.post("/v1/burns", burn(50, "B1")).status_code == 201
    assert station.post("/v1/burns", burn(50, "B1")).status_code == 201
    refused = station.post("/v1/burns", burn(21, "B2"))
    assert (refused.status_code, refused.json["limit_per_day"], refused.json["limit"]) == (403, A_DAY, AT_ONCE)


def test_the_next_day_begins_from_nothing(world: World, grocer: Caller) -> None:
    assert by_itself(world, grocer, [burn(50, f"B{n}") for n in range(3)]) == [201, 201, 403]
    with world.transaction() as session:
        session.execute(text("SELECT coalition.ledger_close_day(open_day, now()) FROM coalition.programme"))
    assert by_itself(world, grocer, [burn(50, f"C{n}") for n in range(3)]) == [201, 201, 403]


def test_what_was_answered_is_answered_again_whatever_the_day_has_seen(grocer: Caller) -> None:
    first = grocer.post("/v1/burns", burn(50, "B1"), key="k")
    assert [grocer.post("/v1/burns", burn(35, f"C{n}")).status_code for n in range(3)] == [201, 201, 403]
    again = grocer.post("/v1/burns", burn(50, "B1"), key="k")
    assert (again.status_code, again.json, again.headers["Idempotent-Replay"]) == (201, first.json, "true")
    assert grocer.post("/v1/burns", burn(50, "B1")).headers["Idempotent-Replay"] == "true", "its reference is known"


def test_more_than_the_wallet_holds_in_all_is_refused_for_that(grocer: Caller) -> None:
    assert grocer.post("/v1/burns", burn(20_001, "B1")).json["code"] == "insufficient_points"


def test_a_limit_by_day_alone_holds(world: World, grocer: Caller) -> None:
    with world.transaction() as session:
        programme.set_rules(session, act(), replace(programme.rules(session), pin_free_points=None))
    assert by_itself(world, grocer, [burn(100, "B1"), burn(21, "B2"), burn(20, "B3")]) == [201, 403, 201]


@pytest.mark.parametrize("consented", [False, True])
def test_all_ways_at_once_do_not_exceed_the_days_limit(
    world: World, app: Flask, grocer: Caller, caller, consented: bool
) -> None:
    station = caller("fuelway")
    if consented:
        agree(world, grocer.partner_id, member_of(world), purchase=60, day=240)
    points = 60 if consented else 40

    def spend(n: int) -> list[int]:
        token = (grocer, grocer, grocer, station)[n % 4].token
        till = Caller(app.test_client(), token, grocer.partner_id, 100 + n * 100)
        bodies = [burn(points, f"{n}-{m}") for m in range(2)]
        if n % 4 == 1:
            return [till.post("/v1/holds", hold(points, body["reference"])).status_code for body in bodies]
        return (by_batch if n % 4 == 2 else by_itself)(world, till, bodies)

    with ThreadPoolExecutor(8) as pool:
        answers = [status for statuses in pool.map(spend, range(8)) for status in statuses]
    assert set(answers) == {201, 403}
    spent = 20_000 - available(world)
    assert (answers.count(201), spent) == ((4, 240) if consented else (3, 120))


def available(world: World) -> int:
    return world.available(member_of(world))


def test_one_request_with_and_without_its_pin_at_once_is_posted_once_and_nobody_waits_for_the_other(
    world: World, app: Flask, grocer: Caller
) -> None:
    def ask(n: int) -> tuple[int, str]:
        till = Caller(app.test_client(), grocer.token, grocer.partner_id)
        body = burn(60, f"B{n // 4}", **({"pin": PIN} if n % 2 else {}))
        answer = till.post("/v1/burns", body, key=f"k{n // 4}")
        return answer.status_code, answer.json.get("code", "")

    with ThreadPoolExecutor(4) as pool:  # five PINs that are being looked at would lock it
        told = set(pool.map(ask, range(40)))
    assert told <= {(201, ""), (403, "step_up_required")}
    assert available(world) == 20_000 - 10 * 60
