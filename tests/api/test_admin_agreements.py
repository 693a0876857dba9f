"""Agreements through the admin API: every term in and out, taken over, taken away, tried and refused."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from sqlalchemy import text

from api import admission
from kit import ids
from settlement.agreement_terms import TERMS
from tests.conftest import World, audited
from tests.service import Caller
from tests.settlement.test_agreements import ALL, IBAN, PRIVATE

WHY = {"reason": "signed"}
SOON = "2099-01-01"


@pytest.fixture
def boss(admin) -> Caller:
    return admin()


@pytest.fixture
def route(world: World) -> str:
    return f"/v1/admin/partners/{ids.show(ids.PARTNER, world.partner('greengrocer').partner_id)}/agreements"


def terms(answer: Any) -> dict[str, Any]:
    return {name: answer.json[name] for name in ALL}


def test_every_term_comes_back_as_it_was_sent_and_is_taken_over(world: World, boss: Caller, route: str) -> None:
    spaced = "gb33 bukb 2020 1555 5555 55"
    made = boss.post(route, {**ALL, "iban": spaced, **WHY})
    assert (made.status_code, terms(made)) == (201, ALL)
    later = boss.post(route, {"redemption_price_minor": "1", "exposure_limit_minor": None, "since": SOON, **WHY})
    assert terms(later) == ALL | {"redemption_price_minor": "1", "exposure_limit_minor": None}
    one = f"/v1/admin/agreements/{later.json['agreement_id']}"
    gone = {term.name: None for term in TERMS if term.default is None}
    corrected = boss.http.patch(
        one, json={**gone, **WHY}, headers={"Authorization": f"Bearer {boss.token}", "If-Match": later.headers["ETag"]}
    )
    assert corrected.status_code == 200, corrected.text
    assert terms(corrected) == terms(later) | gone
    listed = boss.get(route).json["data"]
    assert [found["until"] for found in listed] == [SOON, None]
    assert {name: listed[0][name] for name in ALL} == ALL


def test_a_dry_run_answers_what_would_be_and_makes_nothing(world: World, boss: Caller, route: str) -> None:
    tried = boss.post(f"{route}?dry_run=true", {**ALL, **WHY})
    assert (tried.status_code, tried.headers["Dry-Run"], terms(tried)) == (201, "true", ALL)
    refused = boss.post(f"{route}?dry_run=true", {"vat_percent": "20", **WHY})
    assert (refused.status_code, refused.json["code"]) == (422, "price_missing")
    assert boss.get(route).json["data"] == []
    assert audited(world.database) == []


@pytest.mark.parametrize(
    ("body", "code", "facts"),
    [
        ({"vat_percent": "20"}, "price_missing", {"missing": ["redemption_price_minor"]}),
        ({"redemption_price_minor": "x"}, "malformed_price", {}),
        ({"redemption_price_minor": "1", "fee_percent": "101"}, "malformed_term", {"term": "fee_percent"}),
        ({"redemption_price_minor": "1", "iban": f"{IBAN}1"}, "malformed_term", {"term": "iban"}),
        ({"redemption_price_minor": "1", "currency": "XXX"}, "unknown_currency", {}),
        ({"redemption_price_minor": "1", "funding": "on_earn"}, "contradictory_terms", {}),
        ({"redemption_price_minor": "1", "legal_name": " "}, "malformed_text", {}),
        ({"redemption_price_minor": "1", "cycle": "yearly"}, "invalid_request", {}),
        ({"redemption_price_minor": "1", "deposit_minor": -1}, "invalid_request", {}),
        ({"redemption_price_minor": "1", "deposit_minor": None}, "invalid_request", {}),
        ({"redemption_price_minor": "1", "vat_percent": 20}, "invalid_request", {}),
    ],
)
def test_terms_that_can_not_be_are_refused_in_one_answer(boss: Caller, route: str, body, code, facts) -> None:
    refused = boss.post(route, {**body, **WHY})
    assert (refused.status_code, refused.json["code"]) == (422, code)
    assert refused.json.items() >= facts.items()
    assert IBAN not in refused.text
    assert boss.get(route).json["data"] == []


def test_on_earn_does_not_begin_on_a_day_that_is_over(boss: Caller, route: str) -> None:
    refused = boss.post(route, {**ALL, "since": "2026-01-01", **WHY})
    assert (refused.status_code, refused.json["code"]) == (409, "day_is_over")


def test_who_the_partner_is_stands_in_no_log_and_no_audit(
    world: World, app, boss: Caller, route: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert boss.post(route, {**ALL, **WHY}).status_code == 201
    with app.app_context():
        admission.write_out()
    with world.transaction() as session:
        kept = session.execute(text("SELECT content FROM partners.audit_entry")).all()
        seen = session.execute(text("SELECT to_jsonb(r) FROM partners.request r")).all()
    assert kept
    for somebody in PRIVATE:
        assert somebody not in f"{kept} {seen} {[vars(record) for record in caplog.records]}"
