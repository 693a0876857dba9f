"""The admin API: whom it lets in, what it refuses, and a partner taken from nothing to live through it."""

from __future__ import annotations

import time
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from kit import clock, ids
from settlement.terms import Terms, put_in_force
from tests.conftest import World, act
from tests.service import Caller, basic

METHODS = {"GET", "POST", "PATCH"}
UNKNOWN = "01h45ytscbebyvny4gc8cr8ma2"
HASH = "ab" * 32


@pytest.fixture
def boss(admin) -> Caller:
    return admin()


@pytest.fixture
def joining(boss) -> str:
    return boss.post("/v1/admin/partners", {"code": "bookshop", "name": "Bookshop"}).json["partner_id"]


def admin_routes(app) -> list[tuple[str, str, str]]:
    found = []
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) & METHODS):
            if rule.rule.startswith("/v1/admin/"):
                path = rule.rule
                for argument in rule.arguments:
                    path = path.replace(f"<{argument}>", "x")
                found.append((method, path, app.view_functions[rule.endpoint].required_scope))
    return found


def test_every_route_of_the_admin_wants_the_admins_token_and_scope(app, http, caller, admin) -> None:
    partner = caller()
    tokens = {"admin:read": admin(["admin:write"]).token, "admin:write": admin(["admin:read"]).token}
    walked = admin_routes(app)
    for method, path, scope in walked:
        # What a member is looked for by must not stand in an address, and other terms don't fit into one: finding and
        # what-if are POSTs that change nothing.
        only_reads = method == "GET" or path.endswith(("/find", "/what-if"))
        assert scope == ("admin:read" if only_reads else "admin:write"), path
        assert http.open(path, method=method).status_code == 401, path
        for token in (partner.token, tokens[scope]):
            answer = http.open(path, method=method, headers={"Authorization": f"Bearer {token}"}, json={})
            assert (answer.status_code, answer.json["required_scope"]) == (403, scope), path
    assert len(walked) >= 40


def test_every_other_route_refuses_the_admins_token(app, http, boss) -> None:
    others = 0
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) & METHODS):
            if rule.rule.startswith("/v1") and not rule.rule.startswith("/v1/admin/"):
                path = rule.rule
                for argument in rule.arguments:
                    path = path.replace(f"<{argument}>", "x")
                answer = http.open(path, method=method, headers={"Authorization": f"Bearer {boss.token}"}, json={})
                assert answer.status_code == 403, path
                others += 1
    assert others >= 15


def test_a_partner_is_taken_from_nothing_to_live(boss, joining, http, world) -> None:
    base = f"/v1/admin/partners/{joining}"
    assert boss.get(base).json["status"] == "onboarding"
    assert boss.get(f"{base}/readiness").json == {
        "ready": False,
        "missing": ["legal_entity", "brand", "placement", "contact", "signed_agreement", "rate", "agreement"],
    }
    entity = {"legal_name": "Bookshop Ltd", "registration_no": "01234567", "country": "GB"}
    assert boss.patch(base, {"legal_entity": entity}).json["legal_entity"] == entity
    assert boss.post(f"{base}/brands", {"name": "Bookshop"}).status_code == 201
    food = boss.post("/v1/admin/categories", {"code": "food", "name": "Food"}).json
    grocer = {"code": "grocer", "name": "Grocers", "parent_id": food["category_id"]}
    category = boss.post("/v1/admin/categories", grocer).json
    assert category["path"] == "food/grocer/"
    place = {"category_id": category["category_id"], "territory": "GB", "since": "2026-01-01", "clause": "7.2"}
    present = boss.post(f"{base}/placements", place)
    assert (present.status_code, present.json["exclusive"], present.json["until"]) == (201, True, None)
    contact = {"role": "legal", "name": "Ann", "email": "ann@example.com", "phone": "+44 20 7946 0000"}
    assert boss.post(f"{base}/contacts", contact).json["phone"] == "+442079460000"
    early = boss.post(f"{base}/clients", {})
    assert (early.status_code, early.json["code"]) == (409, "partner_not_active")
    refused = boss.post(f"{base}/activate", {"reason": "now"})
    assert (refused.status_code, refused.json["missing"]) == (409, ["signed_agreement", "rate", "agreement"])
    signed = {
        "document": "agreement-17.pdf",
        "document_hash": HASH,
        "partner_signatory": "Bo",
        "coalition_signatory": "Ann",
        "signed_on": "2026-01-01",
    }
    assert boss.post(f"{base}/signatures", signed).json["document_hash"] == HASH
    with world.transaction() as session:
        terms = Terms(Decimal(1), Decimal("0.95"))
        put_in_force(session, act(), partner_id=ids.parse(ids.PARTNER, joining), terms=terms)
    assert boss.post(f"{base}/activate", {"reason": "now"}).json["status"] == "active"
    made = boss.post(f"{base}/clients", {"scopes": ["transactions:read"]}).json
    answer = http.post(
        "/oauth/token",
        data={"grant_type": "client_credentials"},
        headers=basic(made["client_id"], made["client_secret"]),
    )
    live = Caller(http, answer.json["access_token"], joining)
    assert live.get("/v1/transactions", reference="a").status_code == 200
    listed = boss.get(f"{base}/clients").json["data"]
    assert [(one["client_id"], one.get("client_secret")) for one in listed] == [(made["client_id"], None)]
    assert boss.post(f"/v1/admin/clients/{made['client_id']}/revoke").status_code == 204
    time.sleep(0.55)
    assert live.get("/v1/transactions", reference="a").status_code == 401
    steps = boss.get(f"{base}/history").json["data"]
    assert [(one["from_status"], one["to_status"]) for one in steps] == [(None, "onboarding"), ("onboarding", "active")]
    assert steps[1]["made_by"].startswith("co_client_")


def test_a_competitor_is_refused_by_name_and_clause(boss, joining) -> None:
    category = boss.post("/v1/admin/categories", {"code": "fuel", "name": "Fuel"}).json["category_id"]
    rival = boss.post("/v1/admin/partners", {"code": "rival", "name": "Rival"}).json["partner_id"]
    place = {"category_id": category, "territory": "GB", "since": "2026-01-01"}
    mine = boss.post(f"/v1/admin/partners/{joining}/placements", {**place, "clause": "7.2"}).json
    refused = boss.post(f"/v1/admin/partners/{rival}/placements", {**place, "territory": "GB-SCT"})
    told = {name: refused.json[name] for name in ("code", "partner_id", "partner_code", "clause", "category")}
    assert refused.status_code == 409
    assert told == {
        "code": "exclusivity_conflict",
        "partner_id": joining,
        "partner_code": "bookshop",
        "clause": "7.2",
        "category": "fuel",
    }
    path = f"/v1/admin/placements/{mine['placement_id']}"
    assert boss.patch(path, {"until": "2026-06-01"}).json["until"] == "2026-06-01"
    theirs = boss.post(f"/v1/admin/partners/{rival}/placements", {**place, "since": "2026-06-01"})
    assert theirs.status_code == 201
    extended = boss.patch(path, {"until": None})
    assert (extended.status_code, extended.json["partner_code"]) == (409, "rival")
    assert boss.get(path).json["until"] == "2026-06-01"
    assert boss.post(f"{path}/withdraw").status_code == 204
    assert boss.get(path).status_code == 404


def test_a_partner_is_suspended_resumed_and_let_go(world: World, boss, joining, caller) -> None:
    grocer = caller("greengrocer")
    listed = boss.get("/v1/admin/partners", status="active").json["data"]
    assert [one["code"] for one in listed] == ["greengrocer"]
    base = f"/v1/admin/partners/{listed[0]['partner_id']}"
    world.give_terms(grocer.partner_id)
    assert boss.post(f"{base}/suspend", {"reason": "fraud"}).json["status"] == "suspended"
    assert boss.post(f"{base}/suspend", {"reason": "fraud"}).json["code"] == "transition_refused"
    assert boss.post(f"{base}/resume", {"reason": "cleared"}).json["status"] == "active"
    times = [(clock.now() + timedelta(days=n)).isoformat() for n in (1, 30, 60)]
    body = dict(zip(("earns_until", "burns_until", "leaves_at"), times, strict=True))
    left = boss.post(f"{base}/leave", {"reason": "sold", **body}).json
    assert (left["status"], left["leaves_at"]) == ("leaving", times[2])
    assert boss.post(f"{base}/leave", {"reason": "sold", **body}).json["code"] == "transition_refused"
    assert boss.post(f"/v1/admin/partners/{joining}/abandon", {"reason": "no"}).json["status"] == "left"
    assert grocer.get("/v1/webhook-endpoints").status_code == 200


def test_what_belongs_to_a_partner_is_made_listed_changed_and_ended(boss, joining) -> None:
    base = f"/v1/admin/partners/{joining}"
    shop = boss.post(
        f"{base}/locations", {"code": "L1", "name": "High St", "territory": "GB-ENG", "address": "1 High St"}
    ).json
    path = f"/v1/admin/locations/{shop['location_id']}"
    till = boss.post(f"{path}/tills", {"code": "7"}).json
    assert boss.get(f"{path}/tills").json == {"data": [till], "next_cursor": None}
    assert boss.patch(f"/v1/admin/tills/{till['till_id']}", {"status": "retired"}).json["status"] == "retired"
    assert boss.patch(f"/v1/admin/tills/{till['till_id']}", {"status": "active"}).json["code"] == "till_retired"
    assert boss.patch(path, {"status": "closed"}).json == {**shop, "status": "closed"}
    assert boss.get(path).json == boss.get(f"{base}/locations").json["data"][0]
    person = {"email": "bo@example.com", "name": "Bo", "role": "cashier"}
    bo = boss.post(f"{base}/staff", person).json
    assert boss.post("/v1/admin/staff", person).json["code"] == "staff_email_taken"
    cy = boss.post("/v1/admin/staff", {**person, "email": "cy@example.com"}).json
    assert cy["partner_id"] is None
    assert boss.patch(f"/v1/admin/staff/{bo['staff_id']}", {"role": "manager"}).json["role"] == "manager"
    assert boss.post(f"/v1/admin/staff/{bo['staff_id']}/end").json["ended_at"]
    assert boss.post(f"/v1/admin/staff/{bo['staff_id']}/end").json["code"] == "staff_not_found"
    assert [one["staff_id"] for one in boss.get(f"{base}/staff").json["data"]] == [bo["staff_id"]]
    assert [one["staff_id"] for one in boss.get("/v1/admin/staff").json["data"]] == [cy["staff_id"]]
    for kind, body in (
        ("brands", {"name": "Fresh"}),
        ("contacts", {"role": "legal", "name": "A", "email": "a@b.co"}),
    ):
        made = boss.post(f"{base}/{kind}", body).json
        item = made[f"{kind[:-1]}_id"]
        assert boss.get(f"{base}/{kind}").json["data"] == [made]
        assert boss.post(f"/v1/admin/{kind}/{item}/end").json["ended_at"]
        assert boss.post(f"/v1/admin/{kind}/{item}/end").status_code == 404
    assert boss.get(f"{base}/signatures").json["data"] == []
    assert boss.get(f"{base}/placements").json["data"] == []
    category = boss.post("/v1/admin/categories", {"code": "fuel", "name": "Fuel"}).json
    renamed = boss.patch(f"/v1/admin/categories/{category['category_id']}", {"name": "Energy"}).json
    assert boss.get(f"/v1/admin/categories/{category['category_id']}").json == renamed == {**category, "name": "Energy"}


def test_lists_are_paged_without_gap_or_repetition(boss, admin, joining) -> None:
    base = f"/v1/admin/partners/{joining}"
    made = [boss.post(f"{base}/brands", {"name": f"Brand {n}"}).json for n in range(7)]
    seen, cursor = [], {}
    while True:
        page = boss.get(f"{base}/brands", limit=3, **cursor).json
        seen += page["data"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == made
    assert admin().get(f"{base}/brands", limit=3, **cursor).json["code"] == "invalid_cursor"
    assert boss.get("/v1/admin/partners", **cursor).json["code"] == "invalid_cursor"
    boss.post("/v1/admin/partners", {"code": "second", "name": "Second"})
    first = boss.get("/v1/admin/partners", limit=1).json
    second = boss.get("/v1/admin/partners", limit=1, cursor=first["next_cursor"]).json
    assert [first["data"][0]["code"], second["data"][0]["code"]] == ["bookshop", "second"]
    assert second["next_cursor"] is None
    assert boss.get("/v1/admin/partners", limit=1, status="onboarding", cursor=first["next_cursor"]).status_code == 422


PARTNER = {"code": "second", "name": "Second"}
PLACE = {"category_id": f"cat_{UNKNOWN}", "territory": "GB", "since": "2026-01-01"}
SHOP = {"code": "L1", "name": "A", "territory": "GB", "address": "x"}
SIGNED = {"document": "d", "document_hash": HASH, "partner_signatory": "B", "coalition_signatory": "A",
          "signed_on": "2026-01-01"}  # fmt: skip
TIMES = dict.fromkeys(("earns_until", "burns_until", "leaves_at"), "2990-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("", {**PARTNER, "code": "bookshop"}, 409, "partner_code_taken"),
        ("", {**PARTNER, "code": "Second"}, 422, "malformed_partner"),
        ("", {**PARTNER, "code": "coalition"}, 422, "malformed_partner"),
        ("", {**PARTNER, "name": "\x00"}, 422, "invalid_request"),
        ("", {**PARTNER, "name": "x" * 101}, 422, "invalid_request"),
        ("", {**PARTNER, "status": "active"}, 422, "invalid_request"),
        ("", {**PARTNER, "is_issuer": "yes"}, 422, "invalid_request"),
        ("", {**PARTNER, "is_issuer": False, "is_redeemer": False}, 422, "malformed_partner"),
        ("", {**PARTNER, "legal_entity": {"legal_name": "A"}}, 422, "invalid_request"),
        ("", [], 422, "invalid_request"),
        ("/x/activate", {"reason": "so"}, 422, "malformed_id"),
        (f"/mbr_{UNKNOWN}/activate", {"reason": "so"}, 422, "malformed_id"),
        (f"/prt_{UNKNOWN}/activate", {"reason": "so"}, 404, "partner_not_found"),
        ("/{id}/activate", {}, 422, "invalid_request"),
        ("/{id}/activate", {"reason": ""}, 422, "invalid_request"),
        ("/{id}/abandon", {"reason": "\x07"}, 422, "malformed_text"),
        ("/{id}/activate", {"reason": "so", "by": "me"}, 422, "invalid_request"),
        ("/{id}/suspend", {"reason": "so"}, 409, "transition_refused"),
        ("/{id}/resume", {"reason": "so"}, 409, "transition_refused"),
        ("/{id}/leave", {"reason": "so", **TIMES}, 409, "transition_refused"),
        ("/{id}/leave", {"reason": "so", **TIMES, "leaves_at": "2990-01-01T00:00:00"}, 422, "invalid_request"),
        ("/{id}/brands", {"name": ""}, 422, "invalid_request"),
        ("/{id}/brands", {"name": " "}, 422, "malformed_text"),
        ("/{id}/brands", {"name": "\ud800"}, 422, "invalid_request"),
        ("/{id}/brands", {"name": 5}, 422, "invalid_request"),
        (f"/prt_{UNKNOWN}/brands", {"name": "A"}, 404, "partner_not_found"),
        ("/{id}/placements", PLACE, 404, "category_not_found"),
        ("/{id}/placements", {**PLACE, "territory": "UK"}, 422, "unknown_territory"),
        ("/{id}/placements", {**PLACE, "since": "yesterday"}, 422, "invalid_request"),
        ("/{id}/placements", {**PLACE, "clause": ""}, 422, "invalid_request"),
        ("/{id}/placements", {**PLACE, "category_id": f"brd_{UNKNOWN}"}, 422, "invalid_request"),
        ("/{id}/contacts", {"role": "boss", "name": "A", "email": "a@b.co"}, 422, "invalid_request"),
        ("/{id}/contacts", {"role": "legal", "name": "A", "email": "a"}, 422, "malformed_email"),
        ("/{id}/contacts", {"role": "legal", "name": "A", "email": "a@b.co", "phone": "1"}, 422, "malformed_phone"),
        ("/{id}/staff", {"role": "boss", "name": "A", "email": "a@b.co"}, 422, "invalid_request"),
        ("/{id}/locations", {**SHOP, "territory": "*"}, 422, "unknown_territory"),
        ("/{id}/locations", {**SHOP, "code": "-"}, 422, "malformed_code"),
        ("/{id}/signatures", {**SIGNED, "document_hash": "ab"}, 422, "invalid_request"),
        ("/{id}/signatures", {**SIGNED, "document_hash": "zz" * 32}, 422, "invalid_request"),
        ("/{id}/signatures", {**SIGNED, "document_hash": " " * 64}, 422, "invalid_request"),
        ("/{id}/signatures", {**SIGNED, "signed_on": "2990-01-01"}, 422, "signed_in_future"),
        ("/{id}/clients", {"scopes": ["admin:read"]}, 422, "unknown_scope"),
        ("/{id}/clients", {"scopes": []}, 422, "invalid_request"),
    ],
)
def test_bad_input_is_refused_and_leaves_no_trace(world, boss, joining, path, body, status, code) -> None:
    answer = boss.post(f"/v1/admin/partners{path.format(id=joining)}", body)
    assert (answer.status_code, answer.json["code"]) == (status, code), answer.text
    tables = ("brand", "placement", "contact", "staff", "location", "agreement_signature")
    assert [world.count(f"partners.{table}") for table in tables] == [0] * len(tables)
    assert (world.count("partners.partner"), world.count("partners.state_change")) == (1, 1)


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("GET", f"partners/prt_{UNKNOWN}", None, "partner_not_found"),
        ("GET", f"partners/prt_{UNKNOWN}/readiness", None, "partner_not_found"),
        ("GET", f"partners/prt_{UNKNOWN}/brands", None, "partner_not_found"),
        ("GET", f"partners/prt_{UNKNOWN}/clients", None, "partner_not_found"),
        ("PATCH", f"partners/prt_{UNKNOWN}", {"name": "A"}, "partner_not_found"),
        ("POST", f"brands/brd_{UNKNOWN}/end", None, "brand_not_found"),
        ("POST", f"contacts/ctc_{UNKNOWN}/end", None, "contact_not_found"),
        ("POST", f"staff/stf_{UNKNOWN}/end", None, "staff_not_found"),
        ("PATCH", f"staff/stf_{UNKNOWN}", {"role": "admin"}, "staff_not_found"),
        ("GET", f"categories/cat_{UNKNOWN}", None, "category_not_found"),
        ("PATCH", f"categories/cat_{UNKNOWN}", {"name": "A"}, "category_not_found"),
        ("GET", f"placements/plc_{UNKNOWN}", None, "placement_not_found"),
        ("PATCH", f"placements/plc_{UNKNOWN}", {"until": None}, "placement_not_found"),
        ("GET", f"locations/loc_{UNKNOWN}", None, "location_not_found"),
        ("GET", f"locations/loc_{UNKNOWN}/tills", None, "location_not_found"),
        ("PATCH", f"locations/loc_{UNKNOWN}", {"name": "A"}, "location_not_found"),
        ("POST", f"locations/loc_{UNKNOWN}/tills", {"code": "1"}, "location_not_found"),
        ("PATCH", f"tills/till_{UNKNOWN}", {"status": "active"}, "till_not_found"),
        ("POST", "clients/co_client_unknown/revoke", None, "client_not_found"),
        ("POST", "clients/%00/revoke", None, "client_not_found"),
    ],
)
def test_what_is_not_there_is_404(boss, method, path, body, code) -> None:
    headers = {"Authorization": f"Bearer {boss.token}", "If-Match": "*"}
    answer = boss.http.open(f"/v1/admin/{path}", method=method, json=body, headers=headers)
    assert (answer.status_code, answer.json["code"]) == (404, code)


def test_a_dry_run_says_what_would_be_and_does_nothing(world, boss, joining, caller) -> None:
    grocer = caller("greengrocer")
    made: Any = boss.post("/v1/admin/partners?dry_run=true", PARTNER)
    assert (made.status_code, made.json["status"], made.headers["Dry-Run"]) == (201, "onboarding", "true")
    listed = boss.get("/v1/admin/partners", status="active").json["data"][0]["partner_id"]
    path = f"/v1/admin/partners/{listed}"
    assert boss.post(f"{path}/suspend?dry_run=true", {"reason": "so"}).json["status"] == "suspended"
    assert boss.post(f"{path}/clients?dry_run=true", {}).status_code == 201
    assert boss.get(path).json["status"] == "active"
    assert len(boss.get(f"{path}/clients").json["data"]) == 1
    assert world.count("partners.partner") == 2
    assert grocer.get("/v1/webhook-endpoints").status_code == 200
