"""Every change through the admin API: written into the audit, and none made over a state that nobody saw."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask

from kit import clock
from tests.conftest import World, audited
from tests.pin_openapi import pinned
from tests.service import Caller

PATHS = pinned()["paths"]
ADMIN = "/v1/admin"
SHOP = {"code": "S1", "name": "Corner", "territory": "GB", "address": "1 High Street"}
SIGNED = {"document": "a.pdf", "document_hash": "ab" * 32, "partner_signatory": "Pat Partner",
          "coalition_signatory": "Cora Coalition", "signed_on": "2026-03-01"}  # fmt: skip
ENTITY = {"legal_name": "Corner Ltd", "registration_no": "123", "country": "GB"}
TIMES = dict.fromkeys(("earns_until", "burns_until", "leaves_at"), f"{clock.now().year + 1}-12-31T00:00:00Z")
PERSON = {"email": "anna@corner.example", "name": "Anna Person", "role": "manager"}
CONTACT = {"role": "legal", "name": "Leo Legal", "email": "leo@corner.example", "phone": "+442079460000"}
WHY = {"reason": "a slip of the pen"}
SOON = f"{clock.now().year + 1}-12-31"
# In an order that works, all there are: method, route, body, what the audit calls it.
CHANGES: list[tuple[str, str, Any, str]] = [
    ("POST", "/categories", {"code": "food", "name": "Food"}, "category.added"),
    ("PATCH", "/categories/{category_id}", {"name": "Groceries"}, "category.renamed"),
    ("POST", "/partners", {"code": "corner", "name": "Corner", "is_issuer": False}, "partner.onboarded"),
    ("PATCH", "/partners/{partner_id}", {"legal_entity": ENTITY}, "partner.changed"),
    ("POST", "/partners/{partner_id}/brands", {"name": "Corner"}, "brand.added"),
    ("PATCH", "/brands/{brand_id}", {"name": "Corners"}, "brand.corrected"),
    ("POST", "/partners/{partner_id}/placements", {"territory": "GB", "since": "2026-01-01"}, "placement.added"),
    ("PATCH", "/placements/{placement_id}", {"until": "2030-01-01"}, "placement.changed"),
    ("POST", "/partners/{partner_id}/contacts", CONTACT, "contact.added"),
    ("PATCH", "/contacts/{contact_id}", {"email": "l.legal@corner.example", "phone": None}, "contact.corrected"),
    ("POST", "/partners/{partner_id}/signatures", SIGNED, "agreement.signed"),
    ("POST", "/partners/{partner_id}/locations", SHOP, "location.added"),
    ("PATCH", "/locations/{location_id}", {"name": "The corner"}, "location.changed"),
    ("POST", "/locations/{location_id}/tills", {"code": "1"}, "till.added"),
    ("PATCH", "/tills/{till_id}", {"status": "blocked"}, "till.changed"),
    ("POST", "/partners/{partner_id}/activate", {"reason": "ready"}, "partner.activated"),
    ("POST", "/partners/{partner_id}/clients", {"scopes": ["earn:write"]}, "client.created"),
    ("PATCH", "/clients/{client_id}", {"scopes": ["burn:write", "earn:write"]}, "client.corrected"),
    ("POST", "/clients/{client_id}/revoke", WHY, "client.revoked"),
    ("POST", "/partners/{partner_id}/staff", PERSON, "staff.added"),
    ("PATCH", "/staff/{staff_id}", {"role": "admin"}, "staff.changed"),
    ("POST", "/staff/{staff_id}/end", None, "staff.ended"),
    ("POST", "/staff", {**PERSON, "email": "otto@coalition.example"}, "staff.added"),
    ("POST", "/brands/{brand_id}/end", WHY, "brand.ended"),
    ("POST", "/contacts/{contact_id}/end", None, "contact.ended"),
    ("POST", "/placements/{placement_id}/withdraw", None, "placement.withdrawn"),
    ("POST", "/partners/{partner_id}/rates", {"points_per_unit": "1.5", "since": SOON, **WHY}, "rate.set"),
    ("PATCH", "/rates/{rate_id}", {"points_per_unit": "2", **WHY}, "rate.corrected"),
    ("POST", "/rates/{rate_id}/withdraw", WHY, "rate.withdrawn"),
    ("POST", "/partners/{partner_id}/agreements", {"redemption_price_minor": "0.9", **WHY}, "agreement.made"),
    ("PATCH", "/agreements/{agreement_id}", {"since": SOON, **WHY}, "agreement.corrected"),
    ("POST", "/agreements/{agreement_id}/withdraw", WHY, "agreement.withdrawn"),
    ("POST", "/partners/{partner_id}/suspend", {"reason": "so"}, "partner.suspended"),
    ("POST", "/partners/{partner_id}/resume", {"reason": "so"}, "partner.resumed"),
    ("POST", "/partners/{partner_id}/leave", {"reason": "so", **TIMES}, "partner.leaving"),
    ("POST", "/partners", {"code": "other", "name": "Other"}, "partner.onboarded"),
    ("POST", "/partners/{partner_id}/abandon", {"reason": "no"}, "partner.abandoned"),
]  # fmt: skip
CHANGE_NOTHING = {("POST", "/members/find"), ("POST", "/settlement/what-if")}
# In tests/api/test_admin_settlement.py, for they take a settled day.
TRIED_ELSEWHERE = {("POST", f"/settlement/runs/{{run_id}}/{step}") for step in ("approve", "instruct", "abandon")}
CHANGEABLE = [change for change in CHANGES if change[0] == "PATCH"]


class Desk:
    """An admin at work: remembers the ids of what it made."""

    def __init__(self, boss: Caller) -> None:
        self.boss = boss
        self.ids: dict[str, str] = {}

    def ask(self, method: str, route: str, body: Any = None, **headers: str) -> Any:
        if route.endswith("/placements") and body:
            body = {**body, "category_id": self.ids["category_id"]}
        headers = {"Authorization": f"Bearer {self.boss.token}", **headers}
        path = ADMIN + route.format(**self.ids)
        return self.boss.http.open(path, method=method, json=body, headers=headers)

    def change(self, method: str, route: str, body: Any) -> Any:
        answer = self.ask(method, route, body, **{"If-Match": "*"})
        assert answer.status_code in (200, 201, 204), (method, route, answer.text)
        if method == "POST" and answer.status_code == 201:
            self.ids |= {name: answer.json[name] for name in answer.json if name.endswith("_id") and answer.json[name]}
        return answer

    def until(self, route: str) -> None:
        """Make all changes before the first of `route`."""
        for method, other, body, _ in CHANGES:
            if other == route and method == "PATCH":
                return
            self.change(method, other, body)


@pytest.fixture
def desk(admin) -> Desk:
    return Desk(admin())


def test_every_change_is_written_down_with_who_made_it(world: World, app: Flask, desk: Desk) -> None:
    for number, (method, route, body, action) in enumerate(CHANGES, start=1):
        answer = desk.change(method, route, body)
        found = audited(world.database)
        assert (len(found), found[0]["action"]) == (number, action), route
        assert found[0]["subject"] in desk.ids.values(), route
        assert found[0]["request_id"] == answer.headers["Request-Id"]
        assert found[0]["actor_id"].startswith("co_client_")
    said = json.dumps(audited(world.database))
    for somebody in (PERSON["name"], PERSON["email"], CONTACT["name"], CONTACT["phone"], "Pat Partner", "High Street"):
        assert somebody not in said
    done = {(method, route) for method, route, _, _ in CHANGES}
    routes = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule).removeprefix(ADMIN))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) & {"POST", "PUT", "PATCH", "DELETE"}
        if rule.rule.startswith(ADMIN)
    }
    assert done == routes - CHANGE_NOTHING - TRIED_ELSEWHERE, "a new change is tried here, too"


def test_a_change_that_is_refused_or_only_tried_is_not_written_down(world: World, desk: Desk) -> None:
    desk.until("/categories/{category_id}")
    before = len(audited(world.database))
    assert desk.ask("POST", "/categories?dry_run=true", {"code": "fuel", "name": "Fuel"}).status_code == 201
    assert desk.ask("POST", "/categories", {"code": "food", "name": "Food"}).status_code == 409
    assert len(audited(world.database)) == before


@pytest.mark.parametrize("change", CHANGEABLE, ids=lambda change: change[1])
def test_a_resource_is_changed_only_from_a_state_that_was_seen(desk: Desk, change) -> None:
    method, route, body, _ = change
    desk.until(route)
    seen = desk.ask("GET", route).headers["ETag"]
    missing = desk.ask(method, route, body)
    assert (missing.status_code, missing.json["code"]) == (428, "precondition_required")
    for wrong in ('"v99"', f"W/{seen}", '"x"'):
        stale = desk.ask(method, route, body, **{"If-Match": wrong})
        assert (stale.status_code, stale.json["code"]) == (412, "precondition_failed"), wrong
    assert desk.ask("GET", route).headers["ETag"] == seen, "nothing was done"
    changed = desk.ask(method, route, body, **{"If-Match": f'"v77", {seen}'})
    assert changed.status_code == 200
    assert changed.headers["ETag"] == desk.ask("GET", route).headers["ETag"] != seen
    assert desk.ask(method, route, body, **{"If-Match": seen}).status_code == 412
    # What changes nothing is no new state.
    again = desk.ask(method, route, body, **{"If-Match": changed.headers["ETag"]})
    assert (again.status_code, again.headers["ETag"]) == (200, changed.headers["ETag"])


@pytest.mark.parametrize("change", CHANGEABLE, ids=lambda change: change[1])
def test_of_two_changes_at_once_from_one_state_one_is_made(desk: Desk, change) -> None:
    method, route, body, _ = change
    desk.until(route)
    seen = desk.ask("GET", route).headers["ETag"]
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(desk.ask, method, route, body, **{"If-Match": seen}) for _ in range(4)]
        answers = sorted(job.result().status_code for job in jobs)
    assert answers == [200, 412, 412, 412]


REMOVED = {("/v1/webhook-endpoints/{endpoint_id}", "delete"), ("/v1/event-consumers/{consumer_name}", "delete")}


def test_whatever_can_be_changed_says_its_state() -> None:
    """But where no state could be overwritten unseen: a test clock only goes forward, what was removed is gone."""
    for path, item in PATHS.items():
        for method in item.keys() & {"patch", "put", "delete"}:
            if path == "/v1/test-clock" or (path, method) in REMOVED:
                continue
            names = {parameter.get("name") for parameter in item[method]["parameters"]}
            assert "If-Match" in names, (method, path)
            assert {"412", "428"} <= item[method]["responses"].keys(), (method, path)
            assert "ETag" in item["get"]["responses"]["200"]["headers"], path
            if method != "delete":
                assert "ETag" in item[method]["responses"]["200"]["headers"], path
    one = re.compile(rf"{ADMIN}/\w+/\{{\w+_id\}}")
    shown = [path for path, item in PATHS.items() if one.fullmatch(path) and "get" in item]
    # These are changed at no route of the admin's.
    shown.remove(f"{ADMIN}/members/{{member_id}}")
    shown.remove(f"{ADMIN}/signatures/{{signature_id}}")
    assert len(shown) >= 9
    for path in shown:
        assert "ETag" in PATHS[path]["get"]["responses"]["200"]["headers"], path
