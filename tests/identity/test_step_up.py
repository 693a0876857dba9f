"""Step-up by amount: what spends without a proof, what with which, and that no retry costs a second one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from coalition import identifiers, members, pins, programme, rotating_codes
from identity import clients
from identity.oauth import grants
from kit import clock, ids
from tests.conftest import CARD, World, act
from tests.service import Caller

OTHER_CARD, PIN, LIMIT = "7001000000130470", "8305", 50


@pytest.fixture
def grocer(world: World, caller) -> Caller:
    made = caller("greengrocer")
    for card in (CARD, OTHER_CARD):
        made.post("/v1/members", {"card": card})
        made.post("/v1/earns", {"card": card, "points": 1000, "reference": f"E-{card}"})
        with world.transaction() as session:
            member = member_of(world, card)
            pins.put(session, act(world.keyring), member_id=member, pin=PIN)
            rotating_codes.issue(session, act(world.keyring), member_id=member)
    with world.transaction() as session:
        limits = {"pin_free_points": LIMIT, "pin_free_points_per_day": None}
        programme.set_rules(session, act(), replace(programme.rules(session), **limits))
    return made


def member_of(world: World, card: str = CARD):
    with world.transaction() as session:
        return members.find(session, identifiers.parse("card", card, partner_id=ids.new()), world.keyring).member_id


def code_of(world: World, card: str = CARD, *, steps: int = 0) -> str:
    now = clock.now() + timedelta(seconds=rotating_codes.STEP_S * steps)
    with world.transaction() as session:
        return rotating_codes.current(session, member_id=member_of(world, card), keyring=world.keyring, now=now)


def burn(caller: Caller, *, points: int = 60, reference: str = "B1", key: str | None = None, path: str = "", **more):
    whom = {} if "." in more.get("code", "") or "member_id" in more else {"card": CARD}
    return caller.post(f"/v1/burns{path}", {**whom, "points": points, "reference": reference, **more}, key=key)


def hold(caller: Caller, **more):
    ends = (clock.now() + timedelta(hours=1)).isoformat()
    return caller.post("/v1/holds", {"card": CARD, "points": 60, "reference": "H1", "expires_at": ends, **more})


def test_up_to_the_limit_a_card_is_enough_and_above_it_is_not(world: World, grocer) -> None:
    assert burn(grocer, points=LIMIT).status_code == 201
    for answer in (burn(grocer, points=LIMIT + 1, reference="B2"), hold(grocer)):
        assert (answer.status_code, answer.json["code"]) == (403, "step_up_required")
        assert (answer.json["limit"], answer.json["accepts"]) == (LIMIT, ["code", "pin", "consent"])
    assert world.available(member_of(world)) == 950


def test_without_a_limit_nothing_is_asked_for(world: World, grocer) -> None:
    with world.transaction() as session:
        programme.set_rules(session, act(), replace(programme.rules(session), pin_free_points=None))
    assert burn(grocer, points=1000).status_code == 201


def test_a_limit_of_nothing_asks_every_time_but_never_to_earn(world: World, grocer) -> None:
    with world.transaction() as session:
        programme.set_rules(session, act(), replace(programme.rules(session), pin_free_points=0))
    assert burn(grocer, points=1).json["code"] == "step_up_required"
    assert grocer.post("/v1/earns", {"card": CARD, "points": 10_000, "reference": "E9"}).status_code == 201


def test_a_pin_lets_spend_and_a_wrong_one_does_not_and_locks(world: World, grocer) -> None:
    assert burn(grocer, pin=PIN).status_code == 201
    assert hold(grocer, pin=PIN).status_code == 201
    told = [burn(grocer, reference=f"W{n}", pin="9999").json for n in range(6)]
    assert [answer["code"] for answer in told] == ["wrong_pin"] * 5 + ["secrets_locked"]
    assert 0 < told[-1]["retry_after_s"] <= 60
    assert burn(grocer, reference="B2", pin=PIN).json["code"] == "secrets_locked"
    assert burn(grocer, reference="B3", points=5).status_code == 201
    assert burn(grocer, reference="B4", card=OTHER_CARD, pin=PIN).status_code == 201


def test_a_wrong_proof_is_refused_even_where_none_is_needed(grocer) -> None:
    assert burn(grocer, points=5, pin="9999").json["code"] == "wrong_pin"
    assert burn(grocer, points=5, code="00000000").json["code"] == "wrong_code"


@pytest.mark.parametrize("typed", [False, True])
def test_a_scanned_or_typed_code_lets_spend_once(world: World, grocer, typed) -> None:
    code = code_of(world)
    shown = {"code": code.rpartition(".")[2]} if typed else {"code": code}
    done = burn(grocer, **shown)
    assert (done.status_code, done.json["available_after"]) == (201, 940)
    again = burn(grocer, reference="B2", **shown)
    assert (again.status_code, again.json["code"]) == (403, "wrong_code")


def test_one_scan_recognises_and_then_spends_at_that_partner_only(world: World, grocer, caller) -> None:
    station, code = caller("fuelway"), code_of(world)
    found = grocer.post("/v1/members/lookup", {"code": code}).json["member_id"]
    assert burn(station, code=code).json["code"] == "wrong_code"
    assert burn(grocer, code=code, member_id=found).status_code == 201
    assert burn(grocer, code=code, reference="B2").json["code"] == "wrong_code"


def test_an_earn_by_code_names_its_member(world: World, grocer) -> None:
    code = code_of(world)
    earned = grocer.post("/v1/earns", {"code": code, "points": 5, "reference": "E9"}, key="k")
    assert (earned.status_code, earned.json["available_after"]) == (201, 1005)
    replayed = grocer.post("/v1/earns", {"code": code, "points": 5, "reference": "E9"}, key="k")
    assert replayed.headers["Idempotent-Replay"] == "true"
    assert grocer.post("/v1/earns", {"code": code, "points": 5, "reference": "E8"}).json["code"] == "wrong_code"


def test_another_members_code_does_not_speak_for_this_one(world: World, grocer) -> None:
    answer = burn(grocer, code=code_of(world, OTHER_CARD), member_id=grocer.shown(member_of(world)))
    assert (answer.status_code, answer.json["code"]) == (403, "wrong_code")
    assert burn(grocer, code=code_of(world, OTHER_CARD)).status_code == 201


def test_a_retry_is_answered_without_a_proof_with_the_old_one_or_with_a_fresh_one(world: World, grocer) -> None:
    code, fresh = code_of(world), code_of(world, steps=1)
    first = burn(grocer, code=code, key="k")
    assert first.status_code == 201
    for proof in ({"code": code}, {"code": fresh}):
        retry = burn(grocer, key="k", **proof)
        assert (retry.status_code, retry.headers["Idempotent-Replay"]) == (201, "true")
        assert retry.json == first.json
    # The fresh code was not used up by the replay, and what was answered needs no proof under a new key either.
    assert burn(grocer, key="other", code=fresh).headers["Idempotent-Replay"] == "true"
    assert burn(grocer, reference="B2", code=fresh).status_code == 201
    assert world.available(member_of(world)) == 880


def test_a_pin_is_no_part_of_what_was_asked(world: World, grocer) -> None:
    assert burn(grocer, key="k").json["code"] == "step_up_required"
    assert burn(grocer, key="k", pin="9999").json["code"] == "wrong_pin"
    first = burn(grocer, key="k", pin=PIN)
    assert first.status_code == 201
    for proof in ({}, {"pin": "9999"}, {"pin": PIN}, {"code": "12345678"}):
        assert burn(grocer, key="k", **proof).json == first.json
    assert burn(grocer, key="k", points=61, pin=PIN).json["code"] == "idempotency_key_reused"
    assert burn(grocer, key="k", code=code_of(world, OTHER_CARD)).json["code"] == "idempotency_key_reused"


def test_a_stored_refusal_is_answered_again_too(world: World, grocer) -> None:
    code = code_of(world)
    for _ in range(2):
        assert burn(grocer, points=5000, code=code, key="k").json["code"] == "insufficient_points"


def test_one_code_shown_at_eight_tills_at_once_pays_once(world: World, app, grocer) -> None:
    code = code_of(world)
    tills = [Caller(app.test_client(), grocer.token, grocer.partner_id) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda n: burn(tills[n], reference=f"B{n}", key=f"k{n}", code=code), range(8)))
    assert [answer.status_code for answer in told].count(201) == 1
    assert {answer.json["code"] for answer in told if answer.status_code != 201} <= {"wrong_code", "secrets_locked"}
    assert world.available(member_of(world)) == 940


def test_one_request_sent_three_times_at_once_is_posted_once_and_answered_alike(world: World, app, grocer) -> None:
    code = code_of(world)
    tills = [Caller(app.test_client(), grocer.token, grocer.partner_id) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        told = list(pool.map(lambda till: burn(till, key="k", code=code), tills))
    assert {answer.status_code for answer in told} == {201}, [answer.json for answer in told]
    assert len({answer.json["transaction_id"] for answer in told}) == 1
    assert world.available(member_of(world)) == 940


def test_a_dry_run_uses_no_code_up_and_lets_nobody_guess_for_nothing(world: World, grocer) -> None:
    code = code_of(world)
    for _ in range(6):
        dry = burn(grocer, path="?dry_run=true", code=code)
        assert (dry.status_code, dry.json["available_after"]) == (201, 940)
    assert burn(grocer, code=code).status_code == 201
    told = [burn(grocer, path="?dry_run=true", reference="B2", pin="9999").json["code"] for _ in range(6)]
    assert told[-1] == "secrets_locked"


def test_a_batch_takes_no_proof_and_spends_up_to_the_limit(world: World, grocer) -> None:
    def item(n: int, points: int, **more) -> dict:
        return {"kind": "burn", "card": CARD, "points": points, "reference": f"I{n}", **more}

    items = [
        item(1, 50),
        item(2, 51),
        item(3, 51, pin=PIN),
        item(4, 5, code="12345678"),
        {**item(5, 9), "kind": "earn"},
    ]
    answers = grocer.post("/v1/batches", {"items": items}, key="k").json["data"]
    assert [answer.get("problem", {}).get("code") for answer in answers] == [
        None, "step_up_required", "proof_in_batch", "proof_in_batch", None,
    ]  # fmt: skip
    with world.transaction() as session:
        programme.set_rules(session, act(), replace(programme.rules(session), pin_free_points=10))
    again = grocer.post("/v1/batches", {"items": items}, key="k").json["data"]
    assert (again[0]["replayed"], again[0]["transaction"]) == (True, answers[0]["transaction"])


def agree(world: World, partner_id, member_id, *, purchase: int, day: int) -> grants.Grant:
    """The member agrees to an app of the partner spending so much."""
    with world.transaction() as session:
        app, _ = clients.create_app(
            session,
            act(now=clock.now()),
            partner_id=partner_id,
            name="App",
            redirect_uris=["https://app.example/"],
        )
        grant = grants.Grant(
            grant_id=ids.new(),
            client_id=app.client_id,
            subject_kind="member",
            subject_id=member_id,
            scopes=("spend",),
            created_at=clock.now(),
            spend=grants.Spend(purchase, day),
        )
        grants.create(session, act(), grant)
    return grant


def test_a_consent_spends_up_to_its_limits_until_it_is_withdrawn(world: World, grocer, caller) -> None:
    member = member_of(world)
    grant = agree(world, grocer.partner_id, member, purchase=100, day=350)
    assert burn(grocer, points=101).json["code"] == "step_up_required"
    assert [burn(grocer, points=100, reference=f"C{n}").status_code for n in range(4)] == [201, 201, 201, 403]
    assert burn(grocer, points=60, reference="C4").json["code"] == "step_up_required", "the day's limit is reached"
    assert burn(grocer, points=50, reference="C5").status_code == 201, "which a card may spend without"
    other = caller("fuelway")
    assert burn(other, points=60).json["code"] == "step_up_required", "another partner was not agreed to"
    wider = agree(world, grocer.partner_id, member, purchase=100, day=500)
    assert burn(grocer, points=100, reference="C6").status_code == 201, "the wider of two consents counts"
    with world.transaction() as session:
        for given in (grant, wider):
            grants.revoke_own(session, act(now=clock.now()), grant_id=given.grant_id, subject_id=member)
    assert burn(grocer, points=51, reference="C7").json["code"] == "step_up_required"


def test_purchases_at_once_do_not_exceed_the_days_limit(world: World, grocer, app) -> None:
    agree(world, grocer.partner_id, member_of(world), purchase=60, day=180)
    callers = [Caller(app.test_client(), grocer.token, grocer.partner_id) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: burn(callers[n], reference=f"P{n}", key=f"p-{n}").status_code, range(8)))
    assert sorted(answers) == [201] * 3 + [403] * 5
