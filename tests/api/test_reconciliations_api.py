"""A partner reads how its own files compared with the ledger, with members as it knows them, and nobody else's."""

from __future__ import annotations

import hashlib
import io

import pytest

from kit import ids
from settlement.cycles import Span
from settlement.reconciliation import breaks, mappings, reconciliations
from settlement.reconciliation.passes import Tolerance
from tests.api.test_statements_api import every
from tests.conftest import NOW, World, act
from tests.service import Caller

DAY = NOW.date()
FILE = f"R,D,P\nA1,{DAY},9\nA2,{DAY},1\nA3,{DAY},1\n".encode()


@pytest.fixture
def compared(world: World, caller) -> tuple[World, Caller, Caller]:
    grocer, station = caller("greengrocer"), caller("fuelway")
    world.earn(grocer.partner_id, world.member(), 5, reference="A1")
    said = {"fields": {"reference": "R", "day": "D", "points": "P"}, "constants": {"kind": "earn"}}
    with world.transaction() as session:
        for n, partner in enumerate((grocer, station)):
            mappings.put(session, act(world.keyring, reason="so"), partner_id=partner.partner_id, said=said)
            reconciliations.reconcile(
                session, act(world.keyring), io.BytesIO(FILE + b"\n" * n), partner_id=partner.partner_id,
                span=Span(DAY, DAY), tolerance=Tolerance(),
            )  # fmt: skip
    return world, grocer, station


def test_a_partner_lists_its_own_reconciliations_and_breaks(compared: tuple[World, Caller, Caller]) -> None:
    _, grocer, station = compared
    (one,) = every(grocer, "/v1/reconciliations")
    assert (one["lines"], one["postings"], one["by_reference"], one["breaks"]) == (3, 1, 1, 3)
    assert one["file_sha256"] == hashlib.sha256(FILE).hexdigest()
    found = every(grocer, "/v1/reconciliation-breaks")
    assert sorted(each["type"] for each in found) == ["missing_here", "missing_here", "points_differ"]
    differs = next(each for each in found if each["type"] == "points_differ")
    assert (differs["points"], differs["line_points"], differs["difference"]) == (5, 9, 4)
    posted = grocer.get(f"/v1/transactions/{differs['transaction_id']}").json
    assert differs["member_id"] == posted["member_id"], "by the id that only this partner knows"
    assert not {"owner", "resolved_by", "key"} & differs.keys()
    assert {each["line_reference"] for each in every(station, "/v1/reconciliation-breaks")} == {"A1", "A2", "A3"}
    assert {each["type"] for each in every(station, "/v1/reconciliation-breaks")} == {"missing_here"}
    assert {each["break_id"] for each in found}.isdisjoint(
        each["break_id"] for each in every(station, "/v1/reconciliation-breaks")
    )


def test_breaks_are_listed_by_state_and_type(compared: tuple[World, Caller, Caller]) -> None:
    world, grocer, _ = compared
    first = grocer.get("/v1/reconciliation-breaks", type="missing_here", limit=1).json
    with world.transaction() as session:
        shown = ids.parse(ids.BREAK, first["data"][0]["break_id"])
        breaks.resolve(session, act(world.keyring, reason="a test till"), break_id=shown)
    (resolved,) = grocer.get("/v1/reconciliation-breaks", state="resolved").json["data"]
    assert (resolved["reason"], resolved["is_gone"]) == ("a test till", False)
    assert len(grocer.get("/v1/reconciliation-breaks", state="open").json["data"]) == 2
    refused = grocer.get("/v1/reconciliation-breaks", state="resolved", cursor=first["next_cursor"])
    assert refused.json["code"] == "invalid_cursor"
    assert grocer.get("/v1/reconciliation-breaks", type="odd").status_code == 422
