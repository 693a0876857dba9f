"""Awards through the API: the scope, the permission of who funds them, batches, answers; and who permits it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from coalition.ledger import LARGEST_POSTING
from identity.scopes import SCOPES
from identity.sign_in.people import Subject
from kit import ids
from kit.db import Tenant
from partners import award_permissions, staff
from partners.award_permissions import AwardLimitOutOfRange, AwardPermissionExists, NotAnIssuer
from tests.conftest import CARD, NOW, World, act, audited
from tests.console.test_consent import HERE, browser
from tests.service import Caller

__all__ = ["browser"]

OTHERS = sorted(set(SCOPES) - {"awards:write"})


@pytest.fixture
def grocer(caller) -> Caller:
    made = caller()
    assert made.post("/v1/members", {"card": CARD}).status_code == 201
    return made


@pytest.fixture
def funder(caller) -> Caller:
    return caller("station")


def permit(world: World, issuer: Caller, partner: Caller, most: int = 1_000) -> award_permissions.AwardPermission:
    with world.transaction() as session:
        return award_permissions.give(
            session, act(), issuer_id=issuer.partner_id, partner_id=partner.partner_id, most_per_award=most
        )


def earn(*awards: dict[str, Any], reference: str = "R1", **more: Any) -> dict[str, Any]:
    return {"card": CARD, "reference": reference, "awards": list(awards), **more}


def of(issuer: Caller, points: int = 50, **more: Any) -> dict[str, Any]:
    return {"points": points, "issuer_id": ids.show(ids.PARTNER, issuer.partner_id), **more}


def test_awards_are_posted_and_answered_with_all_they_said(world: World, grocer: Caller, funder: Caller) -> None:
    permit(world, funder, grocer)
    until = (NOW.date().replace(year=NOW.year + 1)).isoformat()
    body = earn({"points": 100}, of(funder, expires_on=until, campaign="весна", rule="double, version 3"))
    answer = grocer.post("/v1/earns", body)
    assert (answer.status_code, answer.json["points"], answer.json["available_after"]) == (201, 150, 150)
    own, bonus = answer.json["awards"]
    assert own == {
        "points": 100, "issuer_id": ids.show(ids.PARTNER, grocer.partner_id), "expires_on": answer.json["expires_on"],
        "vests_at": None, "campaign": None, "rule": None,
    }  # fmt: skip
    assert bonus == {
        **of(funder),
        "expires_on": until,
        "vests_at": None,
        "campaign": "весна",
        "rule": "double, version 3",
    }
    again = grocer.post("/v1/earns", body)
    assert (again.json, again.headers["Idempotent-Replay"]) == (answer.json, "true")
    shown = grocer.get(f"/v1/transactions/{answer.json['transaction_id']}/explanation").json
    assert shown["rule"] == "awards as the request named them"
    assert [(part["issuer_id"], part["expires_on"]) for part in shown["parts"]] == [
        (award["issuer_id"], award["expires_on"]) for award in shown["transaction"]["awards"]
    ]


def test_a_plain_earn_names_no_awards(grocer: Caller) -> None:
    assert grocer.post("/v1/earns", {"card": CARD, "points": 5, "reference": "P"}).json["awards"] == []


def test_it_takes_the_scope_in_a_posting_and_in_a_batch(world: World, caller, http) -> None:
    grocer = caller("greengrocer", OTHERS)
    grocer.post("/v1/members", {"card": CARD})
    refused = grocer.post("/v1/earns", earn({"points": 5}))
    assert (refused.status_code, refused.json["code"], refused.json["required_scope"]) == (
        403, "insufficient_scope", "awards:write",
    )  # fmt: skip
    batch = grocer.post("/v1/batches", {"items": [{"kind": "earn", **earn({"points": 5})}]}).json
    assert batch["data"][0]["problem"]["code"] == "insufficient_scope"
    assert world.count("coalition.txn") == 0


def test_another_issuer_is_asked_and_its_limit_holds(world: World, grocer: Caller, funder: Caller) -> None:
    body = earn({"points": 100}, of(funder, 60))
    refused = grocer.post("/v1/earns", body, key="K")
    assert (refused.status_code, refused.json["code"]) == (403, "award_not_permitted")
    assert (refused.json["most_per_award"], refused.json["requested"]) == (0, 60)
    permit(world, grocer, funder)  # the other way round: that says nothing
    assert grocer.post("/v1/earns", body, key="K").status_code == 403
    permission = permit(world, funder, grocer, 59)
    assert grocer.post("/v1/earns", body, key="K").json["most_per_award"] == 59
    with world.transaction() as session:
        award_permissions.withdraw(session, act(), permission_id=permission.permission_id)
    permit(world, funder, grocer, 60)
    assert grocer.post("/v1/earns", body, key="K").status_code == 201, "the refusal was not kept under the key"
    with world.transaction() as session:
        session.execute(text("UPDATE partners.award_permission SET withdrawn_at = now()"))
    assert grocer.post("/v1/earns", body, key="K").headers["Idempotent-Replay"] == "true"
    assert grocer.post("/v1/earns", body, key="L").headers["Idempotent-Replay"] == "true"
    assert grocer.post("/v1/earns", {**body, "reference": "R2"}).status_code == 403


@pytest.mark.parametrize("change", ["status = 'suspended'", "status = 'leaving'", "is_issuer = false"])
def test_an_issuer_that_issues_no_more_funds_no_more(world: World, grocer: Caller, funder: Caller, change: str) -> None:
    permit(world, funder, grocer)
    with world.transaction() as session:
        statement = f"UPDATE partners.partner SET {change}, is_redeemer = true WHERE partner_id = :id"
        if "leaving" in change:
            statement = statement.replace(
                "WHERE", ", leaves_at = now(), earns_until = now(), burns_until = now() WHERE"
            )
        session.execute(text(statement), {"id": funder.partner_id})
    assert grocer.post("/v1/earns", earn(of(funder))).json["code"] == "award_not_permitted"


def test_items_of_batches_take_awards_each_with_its_own_outcome(world: World, grocer: Caller, funder: Caller) -> None:
    permit(world, funder, grocer, 50)
    items = [
        {"kind": "earn", **earn({"points": 10}, of(funder, 50), reference="B1")},
        {"kind": "earn", **earn(of(funder, 51), reference="B2")},
        {"kind": "earn", **earn({"points": 10}, {"points": 0}, reference="B3")},
        {"kind": "earn", "card": CARD, "points": 7, "reference": "B4"},
    ]
    results = grocer.post("/v1/batches", {"items": items}).json["data"]
    assert [one["status"] for one in results] == [201, 403, 422, 201]
    assert [award["points"] for award in results[0]["transaction"]["awards"]] == [10, 50]


@pytest.mark.parametrize(
    "body",
    [
        {"awards": []}, {"awards": [{}]}, {"awards": [{"points": 1}] * 21}, {"awards": [{"points": 1, "campaign": ""}]},
        {"awards": [{"points": 1, "campaign": "x" * 65}]}, {"awards": [{"points": 1, "rule": "a\nb"}]},
        {"awards": [{"points": 1}], "points": 1}, {"awards": [{"points": 1.5}]}, {"awards": {"points": 1}},
        {"awards": [{"points": 1, "expires_on": "soon"}]}, {"awards": [{"points": 1, "issuer_id": "txn_1"}]},
        {"awards": [{"points": 1, "funder": "x"}]}, {"points": 1, "amount": {"minor": 1, "currency": "GBP"}},
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_no_award_is_refused_at_the_edge(world: World, grocer: Caller, body: dict[str, Any]) -> None:
    answer = grocer.post("/v1/earns", {"card": CARD, "reference": "R", **body})
    assert (answer.status_code, answer.json["code"]) == (422, "invalid_request")
    assert world.count("coalition.txn") == 0


def test_settlement_bills_the_issuer_of_the_award(world: World, grocer: Caller, funder: Caller, caller) -> None:
    permit(world, funder, grocer)
    cinema = caller("cinema")
    assert grocer.post("/v1/earns", earn({"points": 30}, of(funder, 70))).status_code == 201
    assert cinema.post("/v1/burns", {"card": CARD, "points": 100, "reference": "C1"}).status_code == 201
    with world.transaction() as session:
        moved = session.execute(text("SELECT issuer_id, points FROM coalition.posting WHERE credit = 'redemption'"))
        assert dict(moved.all()) == {grocer.partner_id: 30, funder.partner_id: 70}


def test_the_event_says_what_was_awarded(world: World, grocer: Caller, funder: Caller) -> None:
    permit(world, funder, grocer)
    grocer.post("/v1/earns", earn({"points": 5}, of(funder, 5, rule="r, version 1")))
    with world.transaction() as session:
        data = session.scalar(text("SELECT data FROM kit.event WHERE type = 'points.earned'"))
    with ids.seen_by(ids.OUR_OWN):
        shown = ids.show_fields(data)
    assert shown["awards"] == [{"points": 5}, of(funder, 5, rule="r, version 1")]


class TestWhoPermitsIt:
    def test_an_issuer_permits_others_once_and_within_bounds(self, world: World) -> None:
        issuer, other = world.partner("issuer"), world.partner("other")
        with world.transaction() as session:
            give: Callable[..., Any] = award_permissions.give
            said: dict[str, Any] = {"issuer_id": issuer.partner_id, "partner_id": other.partner_id}
            for wrong in (0, -1, LARGEST_POSTING + 1):
                with pytest.raises(AwardLimitOutOfRange):
                    give(session, act(), **said, most_per_award=wrong)
            with pytest.raises(AwardLimitOutOfRange):
                give(session, act(), **{**said, "partner_id": issuer.partner_id}, most_per_award=1)
            give(session, act(), **said, most_per_award=1)
            with pytest.raises(AwardPermissionExists):
                give(session, act(), **said, most_per_award=2)
            session.execute(text("UPDATE partners.partner SET is_issuer = false, is_redeemer = true"))
            with pytest.raises(NotAnIssuer):
                give(
                    session,
                    act(),
                    **{**said, "issuer_id": other.partner_id, "partner_id": issuer.partner_id},
                    most_per_award=1,
                )

    def test_the_operator_sees_at_the_terminal_who_does(self, world: World, terminal) -> None:
        for code in ("issuer", "other"):
            world.partner(code)
        made = terminal(
            "partner", "award-permission", "give", "issuer", "other", "--most", 5, "--reason", "so", "--json"
        )
        permission = json.loads(made.stdout)["permission_id"]
        for command in (("list", "other"), ("show", permission)):
            done = terminal("partner", "award-permission", *command, "--json")
            assert permission in done.stdout, done.output
        ended = terminal("partner", "award-permission", "withdraw", permission, "--reason", "so")
        assert f"{permission} is withdrawn since" in ended.stdout
        assert terminal("partner", "award-permission", "list", "issuer").stdout == "there are none yet\n"
        assert (
            "award_permission_not_found"
            in terminal("partner", "award-permission", "withdraw", permission, "--reason", "so").output
        )

    def test_its_admin_does_on_a_page_and_nobody_else(self, world: World, browser) -> None:
        issuer, other = world.partner("issuer"), world.partner("other")
        boss, manager = (Subject("staff", ids.new(), issuer.partner_id) for _ in range(2))
        at, beside = browser(boss), browser(manager)
        with world.transaction() as session:
            staff.change(session, act(), staff_id=boss.subject_id, role="admin")
        assert "Only you award your points" in at.get("/awards").text
        for partner, most in (("nobody", "5"), ("other", "0"), ("other", "many"), ("issuer", "5")):
            wrong = at.submit(at.get("/awards"), partner=partner, most=most)
            assert (wrong.status_code in (404, 409, 422), 'role="alert"' in wrong.text) == (True, True), wrong.text
        assert at.submit(at.get("/awards"), partner="other", most="1,500").status_code == 303
        page = at.get("/awards")
        assert "Up to 1,500 points at once" in page.text
        assert "Withdraw" not in beside.get("/awards").text
        token = re.search(r'name="csrf_token" value="([^"]+)"', beside.get("/device").text)[1]
        path = re.search(r"/awards/[^/]+/withdraw", page.text)[0]
        for where, form in ((path, {}), ("/awards", {"partner": "other", "most": "5"})):
            refused = beside.http.post(where, data={"csrf_token": token, **form}, base_url=HERE)
            assert (refused.status_code, "admin" in refused.text) == (403, True)
        stranger = Subject("staff", ids.new(), other.partner_id)
        there = browser(stranger)
        with world.transaction() as session:
            staff.change(session, act(), staff_id=stranger.subject_id, role="admin")
        assert "issuer: up to 1,500 points at once" in there.get("/awards").text.lower()
        token = re.search(r'name="csrf_token" value="([^"]+)"', there.get("/awards").text)[1]
        assert there.http.post(path, data={"csrf_token": token}, base_url=HERE).status_code == 404
        assert at.submit(page).status_code == 303
        assert "Only you award your points" in at.get("/awards").text
        said = [entry["action"] for entry in audited(world.database)]
        assert said[::-1] == ["award_permission.given", "award_permission.withdrawn"]

    def test_a_partner_s_own_requests_read_and_change_none(self, world: World, grocer: Caller, funder: Caller) -> None:
        permit(world, funder, grocer)
        tenants = grocer.http.application.extensions["coalition"].tenants
        for statement in ("SELECT * FROM", "DELETE FROM", "UPDATE partners.award_permission SET most_per_award = 9 --"):
            with (
                pytest.raises(ProgrammingError, match="permission denied"),
                tenants.of(Tenant(grocer.partner_id)).transaction() as session,
            ):
                session.execute(text(f"{statement} partners.award_permission"))
