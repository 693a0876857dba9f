"""The partner API: the round trip of a purchase, and what every route owes its caller."""

from __future__ import annotations

import json

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.conftest import CARD
from tests.service import Caller

EARN = {"card": CARD, "points": 100, "reference": "R1"}
API_METHODS = {"GET", "POST", "PATCH", "DELETE"}


@pytest.fixture
def grocer(caller) -> Caller:
    made = caller("greengrocer")
    made.post("/v1/members", {"card": CARD})
    return made


def test_a_purchase_earns_and_burns_and_is_returned(grocer, caller) -> None:
    station = caller("fuelway")
    member = station.post("/v1/members/lookup", {"card": CARD}).json["member_id"]
    earned = grocer.post("/v1/earns", EARN)
    assert (earned.status_code, earned.json["points"], earned.json["available_after"]) == (201, 100, 100)
    burned = station.post("/v1/burns", {"member_id": member, "points": 60, "reference": "B1"})
    assert burned.json["available_after"] == 40
    back = station.post(
        f"/v1/transactions/{burned.json['transaction_id']}/reversals", {"reference": "X1", "points": 10}
    )
    assert (back.status_code, back.json["available_after"]) == (201, 50)
    balance = station.get(f"/v1/members/{member}/balance").json
    assert (balance["available"], balance["issued_by_others"], balance["issued_by_partner"]) == (50, 50, 0)
    assert sum(part["points"] for part in balance["expiring"]) == 50


def test_a_retry_is_answered_alike_and_says_so(grocer) -> None:
    first = grocer.post("/v1/earns", EARN, key="k")
    second = grocer.post("/v1/earns", dict(reversed(EARN.items())), key="k")
    assert first.json == second.json
    assert "Idempotent-Replay" not in first.headers
    assert second.headers["Idempotent-Replay"] == "true"


def test_the_same_key_with_another_body_or_route_is_refused(grocer) -> None:
    grocer.post("/v1/earns", EARN, key="k")
    for path, body in (("/v1/earns", {**EARN, "points": 1}), ("/v1/burns", EARN)):
        answer = grocer.post(path, body, key="k")
        assert (answer.status_code, answer.json["code"]) == (422, "idempotency_key_reused")


def test_a_posting_without_key_is_refused(grocer) -> None:
    answer = grocer.http.post("/v1/earns", json=EARN, headers={"Authorization": f"Bearer {grocer.token}"})
    assert (answer.status_code, answer.json["code"]) == (400, "idempotency_key_missing")


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"points": 0}, "/points"),
        ({"points": -1}, "/points"),
        ({"points": 12.7}, "/points"),
        ({"points": 12.0}, "/points"),
        ({"points": "12"}, "/points"),
        ({"points": True}, "/points"),
        ({"points": None}, "/points"),
        ({"points": 2**53}, "/points"),
        ({"points": 10**30}, "/points"),
        ({"extra": 1}, "/extra"),
        ({"reference": ""}, "/reference"),
        ({"reference": "a\x00b"}, "/reference"),
        ({"reference": "\ud800"}, "/reference"),
        ({"\ud800": 1}, ""),
        ({"extra": [{"a/b": "\x00"}]}, "/extra/0/a~1b"),
        ({"reference": "R\n"}, "/reference"),
        ({"effective_at": "2026-03-02T12:00:00"}, "/effective_at"),
        ({"effective_at": "yesterday"}, "/effective_at"),
        ({"member_id": "txn_01h45ytscbebyvny4gc8cr8ma2"}, "/member_id"),
        ({"member_id": 5}, "/member_id"),
        ({"amount": {"minor": 5, "currency": "GBP"}}, ""),
        ({"amount": {"minor": -5, "currency": "GBP"}}, "/amount/minor"),
        ({"amount": {"minor": 5, "currency": "gbp"}}, "/amount/currency"),
    ],
)
def test_bad_fields_are_named_by_pointer_and_leave_no_trace(world, grocer, change, pointer) -> None:
    answer = grocer.post("/v1/earns", {**EARN, **change})
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    assert pointer in [error["pointer"] for error in answer.json["errors"]]
    assert world.count("coalition.txn") == 0
    assert world.count("kit.event") == 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "malformed_request"),
        (b"\xff\xfe", 400, "malformed_request"),
        (b'{"a": 1, "a": 2}', 400, "malformed_request"),
        (b'{"points": NaN}', 400, "malformed_request"),
        (b"[" * 30_000, 400, "malformed_request"),
        (b'{"points": ' + b"9" * 5000 + b"}", 400, "malformed_request"),
        (b"[]", 422, "invalid_request"),
        (b"null", 422, "invalid_request"),
        (b'"x"', 422, "invalid_request"),
        (b"x" * 70_000, 413, "body_too_large"),
        (b"", 400, "malformed_request"),
    ],
)
def test_bodies_that_are_not_what_they_should_be(grocer, body, status, code) -> None:
    answer = grocer.http.post(
        "/v1/earns",
        data=body,
        content_type="application/json",
        headers={"Authorization": f"Bearer {grocer.token}", "Idempotency-Key": "k"},
    )
    assert (answer.status_code, answer.json["code"]) == (status, code)


def test_another_content_type_is_refused(grocer) -> None:
    headers = {"Authorization": f"Bearer {grocer.token}", "Idempotency-Key": "k"}
    answer = grocer.http.post("/v1/earns", data="points=1", headers=headers)
    assert (answer.status_code, answer.json["code"]) == (415, "unsupported_media_type")


def test_cards_are_checked_and_never_repeated(grocer) -> None:
    for number, code in (("7001000000178504", "malformed_card"), ("70010000001785x3", "malformed_card")):
        answer = grocer.post("/v1/members", {"card": number})
        assert (answer.status_code, answer.json["code"]) == (422, code)
        assert number not in answer.text
    assert grocer.post("/v1/members", {"card": CARD}).json["code"] == "card_in_use"
    assert grocer.post("/v1/members/lookup", {"card": "7001000000130470"}).status_code == 404


def test_another_partners_transactions_are_not_there(grocer, caller) -> None:
    other = caller("fuelway")
    earned = grocer.post("/v1/earns", EARN).json
    member, transaction = other.shown(grocer.inner(earned["member_id"])), earned["transaction_id"]
    assert grocer.get(f"/v1/transactions/{transaction}").json == earned
    assert other.get(f"/v1/transactions/{transaction}").status_code == 404
    assert other.get("/v1/transactions", reference="R1").json["data"] == []
    assert other.get(f"/v1/members/{member}/transactions").json["data"] == []
    undone = other.post(f"/v1/transactions/{transaction}/reversals", {"reference": "X"})
    assert (undone.status_code, undone.json["code"]) == (404, "original_not_found")


def test_history_is_paged_without_gap_or_repetition(grocer, caller) -> None:
    posted = [grocer.post("/v1/earns", {**EARN, "reference": f"R{n}"}).json for n in range(7)]
    path = f"/v1/members/{posted[0]['member_id']}/transactions"
    seen, cursor = [], {}
    while True:
        page = grocer.get(path, limit=3, **cursor).json
        seen += page["data"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == posted[::-1]
    foreign = caller("fuelway").get(path, limit=3, **cursor)
    assert (foreign.status_code, foreign.json["code"]) == (422, "invalid_cursor")
    assert grocer.get(path, cursor="nonsense").json["code"] == "invalid_cursor"
    assert grocer.get(path, limit=101).status_code == 422


def test_request_ids_are_taken_when_sound_and_made_otherwise(http) -> None:
    assert http.get("/healthz", headers={"Request-Id": "my-request-1"}).headers["Request-Id"] == "my-request-1"
    for bad in ("short", "x" * 65, "a b c d e f g"):
        assert http.get("/healthz", headers={"Request-Id": bad}).headers["Request-Id"].startswith("req_")


def test_webhook_endpoints_are_registered_listed_and_disabled(grocer) -> None:
    made = grocer.post("/v1/webhook-endpoints", {"url": "https://hooks.example.com/x", "event_types": ["points.*"]})
    assert made.status_code == 201
    assert made.json["secret"].startswith("whsec_")
    path = f"/v1/webhook-endpoints/{made.json['endpoint_id']}"
    assert "secret" not in grocer.get(path).json
    assert grocer.patch(path, {"status": "disabled"}).json["status"] == "disabled"
    assert [e["status"] for e in grocer.get("/v1/webhook-endpoints").json["data"]] == ["disabled"]
    listed = grocer.get("/v1/webhook-deliveries", endpoint_id=made.json["endpoint_id"])
    assert listed.json == {"data": [], "next_cursor": None}
    for url in ("http://hooks.example.com", "https://u:p@hooks.example.com"):
        assert grocer.post("/v1/webhook-endpoints", {"url": url}).json["code"] == "endpoint_url_refused"


def routes(app):
    """Every route of the API with its method and view."""
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) & API_METHODS):
            if rule.rule.startswith("/v1"):
                yield method, rule, app.view_functions[rule.endpoint]


def test_every_route_wants_a_token_and_its_scope(app, http, caller) -> None:
    powerless = caller("powerless", ["earn:write"])
    walked = 0
    for method, rule, view in routes(app):
        path = rule.rule
        for argument in rule.arguments:
            path = path.replace(f"<{argument}>", "x")
        assert http.open(path, method=method).status_code == 401, path
        if view.required_scope != "earn:write":
            answer = http.open(path, method=method, headers={"Authorization": f"Bearer {powerless.token}"})
            assert (answer.status_code, answer.json["required_scope"]) == (403, view.required_scope), path
        walked += 1
    assert walked >= 15


def test_the_description_is_valid_openapi_31_and_names_every_route(app, http) -> None:
    document = json.loads(http.get("/openapi.json").text)
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()
    described = {
        (method.upper(), path) for path, item in document["paths"].items() for method in item if method != "parameters"
    }
    for method, rule, _ in routes(app):
        path = rule.rule
        for argument in rule.arguments:
            path = path.replace(f"<{argument}>", f"{{{argument}}}")
        assert (method, path) in described


def test_the_page_loads_nothing_from_elsewhere(http) -> None:
    page = http.get("/docs")
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert "//" not in page.text.replace("<!doctype", "")
    for asset in ("/docs/start.js", "/docs/assets/swagger-ui.css", "/docs/assets/swagger-ui-bundle.js"):
        with http.get(asset) as answer:
            assert answer.status_code == 200
    assert http.get("/docs/assets/LICENSE").status_code == 404


def test_every_problem_has_its_page(http) -> None:
    listed = http.get("/problems/").text
    assert "insufficient_points" in listed
    assert http.get("/problems/insufficient_points").status_code == 200
    assert "`" not in listed
    assert "<code>required_scope</code>" in http.get("/problems/insufficient_scope").text
    assert http.get("/problems/nonsense").json["code"] == "route_not_found"


def test_unknown_addresses_and_methods_are_problems(http) -> None:
    assert http.get("/nowhere").json["code"] == "route_not_found"
    answer = http.delete("/v1/earns")
    assert (answer.status_code, answer.json["code"]) == (405, "method_not_allowed")
    assert "POST" in answer.headers["Allow"]


def test_the_operators_routes_answer(http) -> None:
    assert http.get("/healthz").json == {"status": "alive"}
    assert http.get("/readyz").status_code == 200
    assert http.get("/metrics").status_code == 404, "metrics are told on an address of their own"
