"""Earns beyond an exposure limit over HTTP: pending and told why, or refused, whoever awards the points."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from kit import clock, ids
from partners import award_permissions
from settlement import agreements, exposure, funding, policies
from tests.conftest import CARD, NOW, World, act
from tests.service import Caller


@pytest.fixture
def grocer(caller) -> Caller:
    made = caller("greengrocer")
    made.post("/v1/members", {"card": CARD})
    return made


@pytest.fixture
def station(caller) -> Caller:
    return caller("fuelway")


def limit(world: World, issuer: Caller, beyond_limit: str) -> None:
    """An issuer at its limit."""
    with world.transaction() as session:
        agreements.agree(
            session, act(), partner_id=issuer.partner_id, since=NOW.date(), redemption_price_minor=Decimal(1),
            currency="GBP", exposure_limit_minor=100,
        )  # fmt: skip
        policies.put(session, act(), policies.Policy(beyond_limit=beyond_limit))
    assert issuer.post("/v1/earns", earn("R0", points=100)).status_code == 201
    watch(world, 0)


def watch(world: World, minutes: int) -> None:
    with world.transaction() as session:
        exposure.watch(session, act(world.keyring, now=NOW + timedelta(minutes=minutes)))


def permit(world: World, issuer: Caller, partner: Caller) -> None:
    with world.transaction() as session:
        award_permissions.give(
            session, act(), issuer_id=issuer.partner_id, partner_id=partner.partner_id, most_per_award=100
        )


def earn(reference: str, **more: Any) -> dict[str, Any]:
    return {"card": CARD, "reference": reference, **more}


def award_of(issuer: Caller, points: int) -> dict[str, Any]:
    return {"points": points, "issuer_id": ids.show(ids.PARTNER, issuer.partner_id)}


def balance(caller: Caller, member_id: str) -> tuple[int, int]:
    shown = caller.get(f"/v1/members/{member_id}/balance").json
    return shown["available"], shown["pending"]


def test_an_earn_beyond_the_limit_is_answered_as_pending_with_the_reason(world: World, grocer: Caller) -> None:
    limit(world, grocer, policies.PENDING)
    answer = grocer.post("/v1/earns", earn("R1", points=40), key="K")
    assert answer.status_code == 201
    shown = {name: answer.json[name] for name in ("points", "unfunded", "available_after", "pending_after", "due_at")}
    assert shown == {"points": 40, "unfunded": 40, "available_after": 100, "pending_after": 40, "due_at": None}
    again = grocer.post("/v1/earns", earn("R1", points=40), key="K")
    assert (again.headers["Idempotent-Replay"], again.json) == ("true", answer.json)
    assert grocer.get(f"/v1/transactions/{answer.json['transaction_id']}").json["unfunded"] == 40
    assert balance(grocer, answer.json["member_id"]) == (100, 40)
    burned = grocer.post("/v1/burns", earn("B1", points=101))
    assert (burned.json["code"], burned.json["available"]) == ("insufficient_points", 100)
    with world.transaction() as session:
        policies.put(session, act(), policies.Policy(beyond_limit=policies.ALLOW))
    assert funding.release(world.database, clock.now()) == 1
    assert balance(grocer, answer.json["member_id"]) == (140, 0)


def test_awards_obey_the_limit_of_who_funds_them(world: World, grocer: Caller, station: Caller) -> None:
    permit(world, grocer, station)
    limit(world, grocer, policies.PENDING)
    answer = station.post("/v1/earns", earn("R1", awards=[{"points": 5}, award_of(grocer, 40)]))
    assert (answer.status_code, answer.json["unfunded"], answer.json["pending_after"]) == (201, 40, 40)
    assert len(answer.json["awards"]) == 2


def test_awards_of_an_issuer_whose_earns_are_refused_are_refused(world: World, grocer: Caller, station: Caller) -> None:
    permit(world, grocer, station)
    limit(world, grocer, policies.REFUSE)
    body = earn("R1", awards=[{"points": 5}, award_of(grocer, 40)])
    answer = station.post("/v1/earns", body, key="K")
    assert (answer.status_code, answer.json["code"]) == (403, "exposure_exceeded")
    assert answer.json["issuer_id"] == ids.show(ids.PARTNER, grocer.partner_id)
    assert world.count("coalition.txn") == 1
    assert station.post("/v1/earns", earn("R2", awards=[{"points": 5}])).status_code == 201
    with world.transaction() as session:
        policies.put(session, act(), policies.Policy(beyond_limit=policies.ALLOW))
    watch(world, 1)
    assert station.post("/v1/earns", body, key="K").status_code == 201, "the refusal was not kept under the key"
    with world.transaction() as session:
        policies.put(session, act(), policies.Policy(beyond_limit=policies.REFUSE))
    watch(world, 2)
    assert station.post("/v1/earns", body, key="K").headers["Idempotent-Replay"] == "true"


def test_more_than_a_permission_lets_is_refused_as_that(world: World, grocer: Caller, station: Caller) -> None:
    permit(world, grocer, station)
    limit(world, grocer, policies.REFUSE)
    answer = station.post("/v1/earns", earn("R1", awards=[award_of(grocer, 101)]))
    assert (answer.status_code, answer.json["code"]) == (403, "award_not_permitted")


def test_items_of_a_batch_are_pending_each(world: World, grocer: Caller) -> None:
    limit(world, grocer, policies.PENDING)
    items = [{"kind": "earn", **earn(f"R{n}", points=n)} for n in (1, 2)]
    answered = grocer.post("/v1/batches", {"items": items}).json["data"]
    assert [one["transaction"]["unfunded"] for one in answered] == [1, 2]
