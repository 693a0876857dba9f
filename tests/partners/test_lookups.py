"""Naming a member is a lookup wherever it stands: no dry run or refusal goes past scope, budget and audit."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from kit import ids
from partners import audit, terms
from partners.http import admission
from tests.conftest import CARD, World
from tests.partners.conftest import Caller

BURST = 10  # of lookups, at a hundredth of the usual limits, and two more a second


@pytest.fixture
def grocer(world: World, caller) -> Caller:
    made: Caller = caller()
    with world.transaction() as session:
        client_id = session.scalar(text("SELECT client_id FROM partners.oauth_client"))
        terms.grant(session, client_id=client_id, rate_limit_percent=1)
    return made


def burn(phone: int, **more: Any) -> dict[str, Any]:
    return {"kind": "burn", "phone": f"+4477009{phone:05d}", "points": 10**9, "reference": f"R{phone}", **more}


def batch(partner: Caller, first: int, *, dry: bool, count: int = BURST):
    items = [burn(number) for number in range(first, first + count)]
    return partner.post(f"/v1/batches{'?dry_run=true' if dry else ''}", {"items": items})


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
    assert looked_for == [ids.show(ids.MEMBER, member), None, None]
