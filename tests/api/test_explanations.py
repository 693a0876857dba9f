"""GET /v1/transactions/{id}/explanation: lots, issuers, prices, and what came after."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from kit import clock
from settlement import agreements
from tests.conftest import CARD, World, act


def test_a_burn_names_its_lots_their_price_and_what_was_given_back(world: World, caller) -> None:
    grocer, station = caller("greengrocer"), caller("fuelway")
    with world.transaction() as session:
        agreements.agree(
            session,
            act(now=clock.now()),
            partner_id=grocer.partner_id,
            redemption_price_minor=Decimal("0.95"),
            currency="GBP",
            since=clock.now().date().replace(year=2026, month=1, day=1),
        )
    grocer.post("/v1/members", {"card": CARD})
    grocer.post("/v1/earns", {"card": CARD, "points": 30, "reference": "R1"})
    station.post("/v1/earns", {"card": CARD, "points": 30, "reference": "R1"})
    burned = station.post("/v1/burns", {"card": CARD, "points": 40, "reference": "B1"}).json["transaction_id"]
    station.post(f"/v1/transactions/{burned}/reversals", {"reference": "X1", "points": 5})
    told = station.get(f"/v1/transactions/{burned}/explanation").json
    assert told["transaction"]["transaction_id"] == burned
    assert told["rule"] == "the lots that expire first, whichever partner issued them"
    parts = [(part["points"], part["agreement_version"], part["price_minor"]) for part in told["parts"]]
    assert parts == [(30, 1, "0.95"), (10, None, None)]
    assert (told["reversed_points"], [later["reference"] for later in told["followed_by"]]) == (5, ["X1"])
    assert grocer.get(f"/v1/transactions/{burned}/explanation").json["code"] == "transaction_not_found"


def test_a_hold_is_followed_by_what_ended_it(world: World, caller) -> None:
    grocer = caller("greengrocer")
    grocer.post("/v1/members", {"card": CARD})
    grocer.post("/v1/earns", {"card": CARD, "points": 30, "reference": "R1"})
    until = (clock.now() + timedelta(hours=1)).isoformat()
    held = grocer.post("/v1/holds", {"card": CARD, "points": 9, "reference": "H1", "expires_at": until}).json
    grocer.post(f"/v1/holds/{held['hold_id']}/void", {"reference": "V1"})
    told = grocer.get(f"/v1/transactions/{held['transaction_id']}/explanation").json
    assert [later["kind"] for later in told["followed_by"]] == ["void"]
    assert told["reversed_points"] == 0
