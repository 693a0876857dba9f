"""One member, two partners, two ids: in every answer, every event, and nowhere our own."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from werkzeug.test import TestResponse

from api import admission
from coalition import merges, programme
from identity import access_tokens, clients
from identity.oauth import grants
from kit import clock, ids
from settlement.cycles import Span
from settlement.reconciliation import mappings, reconciliations
from settlement.reconciliation.passes import Tolerance
from tests.api.test_batch_files import hand_in, results, work
from tests.api.test_members_api import coalition
from tests.api.test_openapi import DOCUMENT
from tests.conftest import APPROVED, CARD, World, act
from tests.service import Caller
from webhooks.fan_out import fan_out

__all__ = ["coalition"]

OTHER_CARD = "7001000000130470"
MEMBER = re.compile(r"mbr_[0-9a-z]{26}")


@pytest.fixture
def grocer(caller) -> Caller:
    return caller("greengrocer")


@pytest.fixture
def station(caller) -> Caller:
    return caller("fuelway")


@pytest.fixture
def ann(grocer) -> UUID:
    return grocer.inner(grocer.post("/v1/members", {"card": CARD}).json["member_id"])


@dataclass
class Walk:
    """What one partner is told, route by route."""

    caller: Caller
    told: dict[str, str] = field(default_factory=dict)

    def note(self, route: str, answer: TestResponse) -> Any:
        assert answer.status_code < 300, (route, answer.text)
        self.told[route] = answer.text
        return answer.json if answer.is_json else None

    def get(self, route: str, path: str, **query: Any) -> Any:
        return self.note(f"GET {route}", self.caller.get(path, **query))

    def post(self, route: str, body: Any, path: str = "") -> Any:
        return self.note(f"POST {route}", self.caller.post(path or route, body))


def app_of(world: World, caller: Caller, member_id: UUID) -> Caller:
    """A brand's app the member lets see everything."""
    scopes = ("balance:read", "history:read", "openid")
    with world.transaction() as session:
        app, _ = clients.create_app(
            session, act(now=clock.now()), partner_id=caller.partner_id, name="App", redirect_uris=["https://app.example/"],
        )  # fmt: skip
        grant = grants.Grant(
            grant_id=ids.new(), client_id=app.client_id, subject_kind="member", subject_id=member_id,
            scopes=scopes, created_at=clock.now(),
        )  # fmt: skip
        grants.create(session, act(), grant)
        token = access_tokens.issue(
            session, client=app, scopes=scopes, lifetime_s=60, now=clock.now(), keyring=world.keyring,
            grant_id=grant.grant_id,
        )  # fmt: skip
    return Caller(caller.http, token, caller.partner_id)


def walk(world: World, caller: Caller, member_id: UUID) -> dict[str, str]:
    """Everything a partner can do that is answered with a member, by route."""
    own, name = caller.shown(member_id), str(caller.partner_id)[-6:]
    at = Walk(caller)
    at.post("/v1/members/lookup", {"card": CARD})
    at.get("/v1/members/{member_id}", f"/v1/members/{own}")
    at.get("/v1/members/{member_id}/identifiers", f"/v1/members/{own}/identifiers")
    earned = at.post("/v1/earns", {"member_id": own, "points": 100, "reference": f"E-{name}"})
    burned = at.post("/v1/burns", {"member_id": own, "points": 5, "reference": f"B-{name}"})
    ends = (clock.now() + timedelta(hours=1)).isoformat()
    held = [
        at.post("/v1/holds", {"member_id": own, "points": 2, "reference": f"H{n}-{name}", "expires_at": ends})
        for n in range(2)
    ]
    for hold, verb in zip(held, ("capture", "void"), strict=True):
        path = f"/v1/holds/{hold['hold_id']}"
        at.post(f"/v1/holds/{{hold_id}}/{verb}", {"reference": f"{verb}-{name}"}, f"{path}/{verb}")
        at.get("/v1/holds/{hold_id}", path)
    back = f"/v1/transactions/{burned['transaction_id']}/reversals"
    at.post("/v1/transactions/{transaction_id}/reversals", {"reference": f"X-{name}"}, back)
    part = {"transaction_id": earned["transaction_id"], "points": 1}
    at.post("/v1/returns", {"reference": f"R-{name}", "transactions": [part]})
    amount = {"minor": 100, "currency": "GBP"}
    clawed = caller.post("/v1/clawbacks", {"member_id": own, "amount": amount, "reference": f"C-{name}"})
    assert clawed.json["code"] == "no_earning_rate", "known, and its answer is shaped like any posting's"
    items = [{"kind": "earn", "member_id": own, "points": 1, "reference": f"I-{name}"}]
    at.post("/v1/batches", {"items": items})
    at.get("/v1/members/{member_id}/balance", f"/v1/members/{own}/balance")
    at.told["past balance"] = caller.get(f"/v1/members/{own}/balance", at=clock.now().isoformat()).text
    at.get("/v1/members/{member_id}/transactions", f"/v1/members/{own}/transactions")
    at.get("/v1/transactions", "/v1/transactions", reference=f"E-{name}")
    at.get("/v1/transactions/{transaction_id}", f"/v1/transactions/{earned['transaction_id']}")
    at.get("/v1/transactions/{transaction_id}/explanation", f"/v1/transactions/{earned['transaction_id']}/explanation")
    stored = hand_in(caller, json.dumps({**items[0], "reference": f"F-{name}"}), key=f"f-{name}")
    work(world)
    at.get("/v1/batches/{batch_id}/results", f"/v1/batches/{stored.json['batch_id']}/results")
    told = caller.post("/v1/burns", {"member_id": own, "points": 10**6, "reference": f"N-{name}"})
    at.get("/v1/requests/{request_id}", f"/v1/requests/{told.headers['Request-Id']}")
    reconcile(world, caller)
    at.get("/v1/reconciliation-breaks", "/v1/reconciliation-breaks")
    app = Walk(app_of(world, caller, member_id), at.told)
    app.get("/v1/me/balance", "/v1/me/balance")
    app.get("/v1/me/transactions", "/v1/me/transactions")
    app.get("/oauth/userinfo", "/oauth/userinfo")
    return at.told


def reconcile(world: World, caller: Caller) -> None:
    """Compare a file with what the caller posted today, none of which is in it."""
    said = {"fields": {"reference": "R", "day": "D", "points": "P"}, "constants": {"kind": "earn"}}
    with world.transaction() as session:
        day = programme.get(session).open_day
        mappings.put(session, act(world.keyring, reason="so"), partner_id=caller.partner_id, said=said)
        reconciliations.reconcile(
            session, act(world.keyring), io.BytesIO(f"R,D,P\nother,{day},1\n".encode()), partner_id=caller.partner_id,
            span=Span(day, day), tolerance=Tolerance(),
        )  # fmt: skip


def answers_with_members() -> set[str]:
    """The routes whose description says that an answer of theirs holds a member's id."""
    schemas = DOCUMENT["components"]["schemas"]

    def holds_one(schema: Any, seen: frozenset[str] = frozenset()) -> bool:
        if isinstance(schema, list):
            return any(holds_one(one, seen) for one in schema)
        if not isinstance(schema, dict):
            return False
        name = schema.get("$ref", "").rpartition("/")[2]
        if name and name not in seen:
            return holds_one(schemas[name], seen | {name})
        return "member_id" in schema.get("properties", {}) or holds_one(list(schema.values()), seen)

    return {
        f"{method.upper()} {path}"
        for path, item in DOCUMENT["paths"].items()
        for method, operation in item.items()
        if method in ("get", "post") and holds_one([
            content["schema"] for status, response in operation["responses"].items() if status.startswith("2")
            for content in response.get("content", {}).values()
        ])
    }  # fmt: skip


def test_every_answer_names_a_member_as_the_partner_that_asks_does(world: World, grocer, station, ann) -> None:
    ours = ids.show_our_own(ann)
    shown = {caller.partner_id: caller.shown(ann) for caller in (grocer, station)}
    assert len({*shown.values(), ours}) == 3
    assert len(answers_with_members()) >= 19
    for caller in (grocer, station):
        told = walk(world, caller, ann)
        for route, answer in told.items():
            assert set(MEMBER.findall(answer)) <= {shown[caller.partner_id]}, route
            assert ann.hex not in answer.replace("-", ""), route
        silent = {route for route, answer in told.items() if not MEMBER.search(answer)}
        assert silent == {"GET /v1/members/{member_id}/identifiers"}
        untold = answers_with_members() - told.keys() - {"POST /v1/members", "POST /v1/clawbacks"}
        assert not {route for route in untold if "/v1/admin/" not in route}, "the admin has our own ids"
        subject = json.loads(told["GET /oauth/userinfo"])["sub"]
        assert subject == shown[caller.partner_id], "OpenID Connect has no other name for it"


def test_every_event_names_a_member_as_its_partner_does(world: World, grocer, station, ann) -> None:
    for caller in (grocer, station):
        walk(world, caller, ann)
    with world.transaction() as session:
        while fan_out(session, now=clock.now(), keyring=world.keyring):
            pass
        rows = session.execute(text("SELECT partner_id, body FROM kit.event WHERE body IS NOT NULL")).all()
    found = {(row.partner_id, name) for row in rows for name in MEMBER.findall(bytes(row.body).decode())}
    assert found == {(caller.partner_id, caller.shown(ann)) for caller in (grocer, station)}


def test_another_partners_id_is_answered_like_one_that_never_was(grocer, station, ann) -> None:
    borrowed, made_up = grocer.shown(ann), ids.show_our_own(ids.new())
    ours = ids.show_our_own(ann)

    def asked(member: str, number: int) -> list[tuple[int, Any]]:
        answers = [station.get(f"/v1/members/{member}{rest}") for rest in ("", "/balance", "/identifiers")]
        answers.append(station.get(f"/v1/members/{member}/transactions"))
        body = {"member_id": member, "points": 5, "reference": f"E-{number}"}
        answers += [station.post("/v1/earns", body), station.post("/v1/burns", body)]
        answers.append(station.post("/v1/batches", {"items": [{"kind": "earn", **body}]}))
        answers.append(station.post(f"/v1/members/{member}/identifiers", {"external_id": "x"}))
        return [(answer.status_code, _without_request_id(answer.json)) for answer in answers]

    assert asked(borrowed, 1) == asked(made_up, 2) == asked(ours, 3)
    assert asked(borrowed, 1)[0][0] == 404
    assert asked(station.shown(ann), 4)[0] == (200, station.get(f"/v1/members/{station.shown(ann)}").json)


def _without_request_id(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "request_id"}


def test_a_refusal_names_whom_a_member_was_merged_into_as_the_partner_does(world: World, grocer, station, ann) -> None:
    other = grocer.inner(grocer.post("/v1/members", {"card": OTHER_CARD}).json["member_id"])
    with world.transaction() as session:
        merges.merge(session, APPROVED, member_id=other, into=ann, reference="M").unwrap()
    for caller in (grocer, station):
        body = {"member_id": caller.shown(other), "points": 5, "reference": f"E-{caller.partner_id}"}
        refused = caller.post("/v1/earns", body)
        assert (refused.json["code"], refused.json["member_id"]) == ("member_merged", caller.shown(ann))
        assert refused.json["detail"].endswith(caller.shown(ann))
        assert caller.post("/v1/earns", {**body, "member_id": refused.json["member_id"]}).status_code == 201
        listed = caller.post("/v1/batches", {"items": [{"kind": "earn", **body, "reference": "new"}]}, key="b").json
        assert listed["data"][0]["problem"]["member_id"] == caller.shown(ann)


def test_a_retry_is_the_same_request_and_gets_the_same_answer(grocer, ann) -> None:
    body = {"member_id": grocer.shown(ann), "points": 5, "reference": "E-1"}
    first, again = (grocer.post("/v1/earns", body, key="k") for _ in range(2))
    assert (first.json, again.headers["Idempotent-Replay"]) == (again.json, "true")
    batch, once_more = (grocer.post("/v1/batches", {"items": [{"kind": "earn", **body}]}, key="b") for _ in range(2))
    assert once_more.json["data"][0]["transaction"] == batch.json["data"][0]["transaction"] == first.json


def test_a_file_names_members_as_its_partner_does(world: World, grocer, station, ann) -> None:
    lines = [
        json.dumps({"kind": "earn", "member_id": caller.shown(ann), "points": 2, "reference": f"F-{n}"})
        for n, caller in enumerate((grocer, station))
    ]
    stored = hand_in(station, "\n".join(lines))
    work(world)
    borrowed, own = results(station, stored.json["batch_id"])
    assert borrowed["problem"]["code"] == "member_not_found"
    assert own["transaction"]["member_id"] == station.shown(ann)


def test_what_is_audited_names_members_as_we_do(world: World, app, grocer, ann) -> None:
    grocer.post("/v1/members/lookup", {"card": CARD})
    with app.app_context():
        admission.write_out()
    with world.transaction() as session:
        content = session.scalar(text("SELECT content FROM partners.audit_entry ORDER BY seq DESC LIMIT 1"))
    assert MEMBER.findall(content if isinstance(content, str) else json.dumps(content)) == [ids.show_our_own(ann)]


def test_a_view_ends_with_its_request(grocer, admin, ann) -> None:
    ours = ids.show_our_own(ann)
    grocer.get(f"/v1/members/{grocer.shown(ann)}")
    assert ids.show_our_own(ann) == ours
    grocer.get("/v1/members/nonsense")
    assert ids.show_our_own(ann) == ours
    admin().get("/v1/admin/partners")
    assert ids.show_our_own(ann) == ours


def test_the_terminal_says_whom_a_partner_means(grocer, station, ann, coalition) -> None:
    ours = ids.show_our_own(ann)
    assert coalition("member", "find", "greengrocer", grocer.shown(ann)).strip() == ours
    assert coalition("member", "find", "fuelway", "--shown", ours).strip() == station.shown(ann)
    assert "member_not_found" in coalition("member", "find", "fuelway", grocer.shown(ann))
