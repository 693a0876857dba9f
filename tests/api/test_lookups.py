"""Naming a member is a lookup wherever it stands: no dry run or refusal goes past scope, budget and audit."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from api import admission, batch_turns
from coalition.identifiers import KIND_OF_FIELD
from identity import client_settings
from kit import audit, clock, ids
from kit.http.exchange import SMALL_BODY_BYTES
from tests.api.test_cut_files import hand_in as through_the_gateway
from tests.conftest import CARD, World, act
from tests.pin_openapi import pinned
from tests.service import Caller

# They name people, and no members.
STAFF_AND_CONTACTS = {
    f"{verb} /v1/admin/{path}"
    for verb, path in (
        ("POST", "partners/{partner_id}/contacts"),
        ("PATCH", "contacts/{contact_id}"),
        ("POST", "partners/{partner_id}/staff"),
        ("POST", "staff"),
    )
}
OTHER_CARD, STRANGER = "7001000000130470", "4111111111111111"
BURST = 10  # of lookups, at a hundredth of the usual limits, and two more a second


def hold_short(world: World) -> None:
    with world.transaction() as session:
        for client_id in session.scalars(text("SELECT client_id FROM partners.oauth_client")).all():
            client_settings.grant(session, act(), client_id=client_id, rate_limit_percent=1)


@pytest.fixture
def grocer(world: World, caller) -> Caller:
    made: Caller = caller()
    hold_short(world)
    return made


def burn(phone: int, **more: Any) -> dict[str, Any]:
    return {"kind": "burn", "phone": f"+4477009{phone:05d}", "points": 10**9, "reference": f"R{phone}", **more}


def batch(partner: Caller, first: int, *, dry: bool, count: int = BURST):
    items = [burn(number) for number in range(first, first + count)]
    return partner.post(f"/v1/batches{'?dry_run=true' if dry else ''}", {"items": items})


def hand_in(partner: Caller, lines: list[dict[str, Any]], *, query: str = "") -> str:
    partner.keys += 1
    headers = {"Authorization": f"Bearer {partner.token}", "Idempotency-Key": f"file-{partner.keys}"}
    content = "\n".join(map(json.dumps, lines))
    answer = partner.http.post(f"/v1/batches/files{query}", data=content, headers=headers, mimetype="application/jsonl")
    assert answer.status_code == 202
    return answer.json["batch_id"]


def work(world: World) -> int:
    parts = 0
    with batch_turns.desk(world.database, world.keyring, world.settings) as at:
        while posted := batch_turns.take_turns(at, now=clock.now()):
            parts += posted
    return parts


def results(partner: Caller, batch_id: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in partner.get(f"/v1/batches/{batch_id}/results").text.splitlines()]


def codes(answer) -> list[str]:
    return [one["problem"]["code"] for one in answer.json["data"]]


@pytest.mark.parametrize("path", ["/v1/batches", "/v1/burns", "/v1/members"])
def test_a_dry_run_that_names_somebody_takes_the_scope_to_look_them_up(caller, path: str) -> None:
    till = caller(scopes=["burn:write", "batches:write", "members:enrol", "earn:write"])
    bodies = {
        "/v1/batches": {"items": [burn(1)]},
        "/v1/burns": {"card": CARD, "points": 1, "reference": "R"},
        "/v1/members": {"card": CARD},
    }
    dry = till.post(f"{path}?dry_run=true", bodies[path])
    assert (dry.status_code, dry.json["required_scope"]) == (403, "members:identify")
    assert till.post(path, bodies[path]).status_code in (200, 201, 404)


def test_a_dry_run_of_a_batch_counts_everybody_it_names(grocer: Caller) -> None:
    assert set(codes(batch(grocer, 0, dry=True))) == {"member_not_found"}
    assert batch(grocer, BURST, dry=True, count=100).json["code"] == "rate_limited"
    assert grocer.post("/v1/members/lookup", {"card": CARD}).status_code == 429, "it is one budget"


def test_a_body_that_is_read_late_counts_whom_it_names_as_a_small_one_does(app, grocer: Caller) -> None:
    body = json.dumps({"items": [burn(number, reference="x" * 60) for number in range(600)]}).encode()
    assert len(body) > SMALL_BODY_BYTES

    def told(query: str) -> Any:
        to = f"/v1/batches{query}"
        answer = through_the_gateway(app, grocer.token, body, length=len(body), to=to, media_type=b"application/json")
        return answer[1]

    assert told("?dry_run=true")["code"] == "rate_limited"
    assert told("")["data"][-1]["problem"]["code"] == "rate_limited"


def test_refusals_of_a_batch_tell_nothing_once_the_budget_is_gone(grocer: Caller) -> None:
    told = codes(batch(grocer, 0, dry=False, count=100))
    assert told[:BURST] == ["member_not_found"] * BURST
    assert told[50:] == ["rate_limited"] * 50


def test_enrolling_in_earnest_or_not_and_refused_postings_use_the_same_budget(grocer: Caller) -> None:
    grocer.post("/v1/members", {"card": CARD})
    tried = [
        lambda n: grocer.post("/v1/members?dry_run=true", {"card": CARD}),
        lambda n: grocer.post("/v1/members", {"card": CARD}),
        lambda n: grocer.post("/v1/burns", {"card": CARD, "points": 10**9, "reference": f"B{n}"}),
        lambda n: grocer.post("/v1/burns?dry_run=true", {"card": CARD, "points": 1, "reference": f"B{n}"}),
    ]
    for attempt in tried:
        assert 429 in [attempt(number).status_code for number in range(30)]


def test_postings_that_are_made_are_no_lookups(grocer: Caller) -> None:
    grocer.post("/v1/members", {"card": CARD})
    items = [{"kind": "earn", "card": CARD, "points": 1, "reference": f"E{n}"} for n in range(BURST)]
    for part in range(2):
        answer = grocer.post(
            "/v1/batches", {"items": [{**one, "reference": f"{part}{one['reference']}"} for one in items]}
        )
        assert answer.json["posted"] == BURST
    assert grocer.post("/v1/members/lookup", {"card": CARD}).status_code == 200


def test_they_are_audited_as_lookups(world: World, app, grocer: Caller) -> None:
    member = grocer.inner(grocer.post("/v1/members", {"card": CARD}).json["member_id"])
    items = [{"kind": "earn", "card": CARD, "points": 1, "reference": "E"}, burn(1)]
    grocer.post("/v1/batches?dry_run=true", {"items": items})
    grocer.post("/v1/burns", {"card": CARD, "points": 1, "reference": "B"})
    with app.app_context():
        admission.write_out()
    with world.transaction() as session:
        entries = [one.facts for one in audit.newest(session, limit=5) if one.facts["action"] == "members.looked_up"]
    looked_for = [one["member_id"] for entry in reversed(entries) for one in entry["facts"]["lookups"]]
    assert looked_for == [ids.show_our_own(member), None, None]


def lookups_in_the_audit(world: World) -> list[dict[str, Any]]:
    with world.transaction() as session:
        entries = [one.facts for one in audit.newest(session, limit=100) if one.facts["action"] == "members.looked_up"]
    return [one["facts"] for one in reversed(entries)]


def test_lines_of_files_that_tell_something_are_audited_and_those_posted_are_not(world: World, grocer: Caller) -> None:
    grocer.post("/v1/members", {"card": CARD})
    earn = {"kind": "earn", "card": CARD, "points": 1, "reference": "E"}
    lines = [earn, burn(1), {**burn(2), "points": "many"}, {**earn, "reference": "B", "kind": "burn", "points": 10**9}]
    stored = hand_in(grocer, lines)
    assert work(world) == 1
    (entry,) = lookups_in_the_audit(world)
    assert (entry["batch_id"], [one["line"] for one in entry["lookups"]]) == (stored, [2, 4])


def test_a_file_that_names_strangers_goes_on_no_faster_than_requests_may(world: World, grocer: Caller) -> None:
    strangers = [burn(number) for number in range(1_000)]
    first = hand_in(grocer, strangers)
    assert work(world) == 1, "a part of it"
    shown = grocer.get(f"/v1/batches/{first}").json
    waits = datetime.fromisoformat(shown["paused_until"]) - clock.now()
    assert (shown["status"], shown["refused"]) == ("running", 500)
    assert timedelta(seconds=480) < waits < timedelta(seconds=500), "500 at half of two a second, but for half a burst"
    assert grocer.post("/v1/members/lookup", {"card": CARD}).status_code == 404, "its tills have a budget of their own"
    second = hand_in(grocer, strangers[:1])
    assert work(world) == 0, "nor does another file go past it"
    assert grocer.get(f"/v1/batches/{second}").json["paused_until"] is not None
    assert {one["problem"]["code"] for one in results(grocer, first)} == {"member_not_found"}, "no line is lost to it"


def test_a_file_whose_lines_are_posted_never_waits(world: World, grocer: Caller) -> None:
    grocer.post("/v1/members", {"card": CARD})
    earns = [{"kind": "earn", "card": CARD, "points": 1, "reference": f"E{n}"} for n in range(1_200)]
    stored = hand_in(grocer, earns)
    assert work(world) == 3
    assert grocer.get(f"/v1/batches/{stored}").json["status"] == "finished"


def test_a_file_that_is_only_tried_looks_for_nobody(world: World, grocer: Caller) -> None:
    hand_in(grocer, [burn(1)], query="?dry_run=true")
    assert (work(world), world.count("partners.batch_file"), lookups_in_the_audit(world)) == (0, 0, [])


# Every route that takes what can be guessed, with a body that looks for a stranger. Batches and files have tests above.
POINTS = {"points": 10**9, "reference": "{n}"}
DOORS: dict[str, dict[str, Any]] = {
    "POST /v1/members": {},
    "POST /v1/members/lookup": {},
    "POST /v1/members/{member_id}/identifiers": {},
    "POST /v1/earns": POINTS,
    "POST /v1/burns": POINTS,
    "POST /v1/holds": {**POINTS, "expires_at": "2099-01-01T00:00:00Z"},
    "POST /v1/clawbacks": {"amount": {"minor": 1, "currency": "GBP"}, "reference": "{n}"},
    "POST /v1/admin/members/find": {},
}


@pytest.mark.parametrize("door", DOORS)
def test_whoever_asks_again_and_again_is_told_no_more(world: World, grocer: Caller, admin, door: str) -> None:
    asking = grocer
    path = door.removeprefix("POST ")
    if "admin" in path:
        asking = admin()
        hold_short(world)
    if "{member_id}" in path:
        grocer.post("/v1/members", {"card": CARD})
        path = path.format(member_id=grocer.post("/v1/members", {"card": OTHER_CARD}).json["member_id"])
    card = CARD if path == "/v1/members" or "identifiers" in path else STRANGER
    grocer.post("/v1/members", {"card": CARD})
    codes = []
    for number in range(300):  # thirty do, where they are not asked more slowly than the budget grows
        body = {"card": card, **DOORS[door]}
        answer = asking.post(path, body | ({"reference": f"R{number}"} if "reference" in body else {}))
        codes.append(answer.json.get("code"))
        if codes[-1] == "rate_limited":
            break
    assert codes[-1] == "rate_limited"
    assert codes[0] in ("member_not_found", "card_in_use")


def test_no_other_door_takes_a_card_a_phone_number_or_an_address() -> None:
    document = pinned()
    schemas = document["components"]["schemas"]

    def fields(schema: dict[str, Any]) -> set[str]:
        if "$ref" in schema:
            return fields(schemas[schema["$ref"].rsplit("/", 1)[1]])
        parts = [part for key in ("allOf", "anyOf", "oneOf") for part in schema.get(key, ())]
        nested = [*schema.get("properties", {}).values(), *parts, *([schema["items"]] if "items" in schema else [])]
        return set(schema.get("properties", ())).union(*map(fields, nested))

    found = set()
    for path, operations in document["paths"].items():
        for method in operations.keys() & {"get", "post", "put", "patch", "delete"}:
            operation = operations[method]
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if content and fields(content["schema"]) & KIND_OF_FIELD.keys():
                found.add(f"{method.upper()} {path}")
            queries = {one.get("name") for one in operation.get("parameters", ())}
            assert not queries & KIND_OF_FIELD.keys(), "what is in a query stands in logs"
    assert found - STAFF_AND_CONTACTS == DOORS.keys()
