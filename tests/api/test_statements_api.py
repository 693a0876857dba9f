"""A partner reads its own settlements: from the net down to the receipt, and as files; nobody reads another's."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta

import pytest
from pypdf import PdfReader
from sqlalchemy import text

from console.app import CATALOGUES
from kit import ids, translation
from settlement import nightly
from settlement.files import formats, pdf
from tests.conftest import NOW, World, act
from tests.service import Caller

DAY = NOW.date()


@pytest.fixture
def settled(world: World, caller):
    """A day on which points of the grocer's were burned at the station and at the bookshop, which the third settles."""
    translation.use(CATALOGUES)
    grocer, station, bookshop = (caller(code) for code in ("greengrocer", "fuelway", "pagebound"))
    world.give_terms(grocer.partner_id)
    member = world.member()
    world.earn(grocer.partner_id, member, 500)
    burned = [world.burn(station.partner_id, member, points, reference=f"F-{points}") for points in (101, 7, 30)]
    world.burn(bookshop.partner_id, member, 3, reference="B-1")
    nightly.run(world.database, act(world.keyring, now=NOW + timedelta(days=1)), day=DAY)
    return world, grocer, station, bookshop, burned


def every(partner: Caller, path: str) -> list[dict]:
    """All items of a list, read a page of two at a time."""
    found, cursor = [], None
    while True:
        answer = partner.get(path, limit=2, **({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200, answer.text
        found += answer.json["data"]
        if (cursor := answer.json["next_cursor"]) is None:
            return found


def test_from_the_net_to_the_receipt(settled) -> None:
    _, grocer, station, _, burned = settled
    (run,) = every(station, "/v1/settlement-runs")
    assert (run["first_day"], run["cycle"], run["state"]) == (str(DAY), "daily", "calculated")
    told = station.get(f"/v1/settlement-runs/{run['run_id']}").json
    (position,) = told["positions"]
    assert (position["net_minor"], position["closing_minor"]) == (138, 138)
    (statement,) = every(station, "/v1/statements")
    assert statement["statement_id"] == told["statement_id"]
    detail = station.get(f"/v1/statements/{statement['statement_id']}").json
    assert [(one["kind"], one["points"], one["receives_minor"], one["owes_minor"]) for one in detail["totals"]] == [
        ("redemption", 138, 138, 0)
    ]
    assert [(one["payer"], one["payee"], one["amount_minor"]) for one in detail["payments"]] == [
        ("greengrocer", "fuelway", 138)
    ]
    (owed,) = every(station, f"/v1/statements/{statement['statement_id']}/obligations")
    lines = every(station, f"/v1/obligations/{owed['obligation_id']}/lines")
    assert sum(line["amount_minor"] for line in lines) == owed["amount_minor"] == position["net_minor"]
    assert {(line["transaction_id"], line["reference"]) for line in lines} == {
        (ids.show(ids.TRANSACTION, one.transaction_id), one.reference) for one in burned
    }
    (receipt,) = [line for line in lines if line["reference"] == "F-101"]
    assert station.get(f"/v1/transactions/{receipt['transaction_id']}").json["reference"] == "F-101"
    owing = every(grocer, f"/v1/statements/{every(grocer, '/v1/statements')[0]['statement_id']}/obligations")
    assert {one["obligation_id"] for one in owing} > {owed["obligation_id"]}


@pytest.mark.parametrize("form", formats.FORMATS)
def test_a_file_has_the_content_hash_that_was_told(settled, form: str) -> None:
    _, _, station, _, _ = settled
    (statement,) = every(station, "/v1/statements")
    address = f"/v1/statements/{statement['statement_id']}/file"
    answer = station.get(address, format=form, language="ru")
    assert answer.status_code == 200, answer.text
    assert answer.content_type == formats.MEDIA_TYPES[form]
    assert answer.headers["Content-Disposition"] == f'attachment; filename="statement_fuelway_{DAY}.{form}"'
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    assert station.get(address, format=form, language="ru").data == answer.data
    if form == "json":
        assert json.loads(answer.data)["content_hash"] == statement["content_hash"]
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
        facts = {row["name"]: row["value"] for row in rows if row["record"] == "statement"}
        assert facts["content_hash"] == statement["content_hash"]
        assert sum(int(row["amount_minor"]) for row in rows if row["record"] == "line") == 138
    if form == "pdf":
        said = PdfReader(io.BytesIO(answer.data)).pages[0].extract_text()
        assert (statement["content_hash"] in said, "Выписка по взаиморасчётам" in said) == (True, True)


def test_a_request_waits_for_its_pdf_only_so_long(settled, monkeypatch) -> None:
    _, _, station, _, _ = settled
    (statement,) = every(station, "/v1/statements")
    monkeypatch.setattr(pdf, "WAIT_S", 0.0)
    with pdf._ONE_AT_A_TIME:
        refused = station.get(f"/v1/statements/{statement['statement_id']}/file", format="pdf")
        assert (refused.status_code, refused.json["code"]) == (503, "too_many_pdfs")
        assert int(refused.headers["Retry-After"]) >= 0
        assert station.get(f"/v1/statements/{statement['statement_id']}/file", format="xlsx").status_code == 200
    assert station.get(f"/v1/statements/{statement['statement_id']}/file", format="pdf").status_code == 200


def test_another_partners_statement_is_not_there(settled) -> None:
    world, _, station, bookshop, _ = settled
    (statement,) = every(station, "/v1/statements")
    (owed,) = every(station, f"/v1/statements/{statement['statement_id']}/obligations")
    of_statement = f"/v1/statements/{statement['statement_id']}"
    for path, code in (
        (of_statement, "statement_not_found"),
        (f"{of_statement}/file", "statement_not_found"),
        (f"{of_statement}/obligations", "statement_not_found"),
        (f"/v1/obligations/{owed['obligation_id']}/lines", "obligation_not_found"),
    ):
        refused = bookshop.get(path)
        assert (refused.status_code, refused.json["code"]) == (404, code), path
    with world.transaction() as session:
        runs_ = session.scalars(text("SELECT run_id FROM settlement.run WHERE state = 'open'")).all()
    for run_id in runs_:
        refused = bookshop.get(f"/v1/settlement-runs/{ids.show(ids.SETTLEMENT_RUN, run_id)}")
        assert (refused.status_code, refused.json["code"]) == (404, "statement_not_found")


def test_it_takes_the_scope_and_a_file_of_a_known_form(settled, caller) -> None:
    _, _, station, _, _ = settled
    (statement,) = every(station, "/v1/statements")
    for query in ({"format": "docx"}, {"language": "xx"}):
        refused = station.get(f"/v1/statements/{statement['statement_id']}/file", **query)
        assert (refused.status_code, refused.json["code"]) == (422, "invalid_request")
    narrow = caller("baker", ["earn:write"])
    for path in ("/v1/statements", "/v1/settlement-runs", f"/v1/statements/{statement['statement_id']}/file"):
        assert narrow.get(path).json["code"] == "insufficient_scope"


def test_a_cursor_is_good_for_its_own_list_only(settled) -> None:
    _, grocer, _, _, _ = settled
    (statement,) = every(grocer, "/v1/statements")
    of = f"/v1/statements/{statement['statement_id']}/obligations"
    cursor = grocer.get(of, limit=1).json["next_cursor"]
    assert grocer.get("/v1/statements", cursor=cursor).json["code"] == "invalid_cursor"
    assert grocer.get(of, cursor=cursor).status_code == 200
