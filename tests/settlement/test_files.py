"""A statement's files: CSV, XLSX and PDF say what was kept, in both languages, with the same bytes each time."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import openpyxl
import psycopg
import pytest
from pypdf import PdfReader
from sqlalchemy import text

from console.app import CATALOGUES
from kit import ids, translation
from partners import accounts
from settlement import agreements, entries, nightly, policies, runs, statements
from settlement.files import document, formats, pdf, xlsx
from settlement.files.document import StatementDiffers
from settlement.files.formats import Order
from tests.conftest import NOW, World, act
from tests.service import terminal as terminal

DAY = NOW.date()
ROOT = Path(__file__).parents[2]
MIDNIGHT = NOW + timedelta(days=1)
PANIC = "#panic[x]"
LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
LEGAL = {
    "legal_name": "Greengrocer & Daughters Supermarkets of Great Britain and Northern Ireland plc",
    "legal_address": "1 Long Lane, London",
    "tax_id": "GB123456789",
}
# A price whose digits a number would be written without.
FEES = {
    "fee_per_point_minor": Decimal("0.00000001"),
    "fee_percent": Decimal("2.5"),
    "fee_minimum_minor": 90,
    "vat_percent": Decimal(20),
}


@pytest.fixture
def settled(world: World):
    """A settled day of the grocer's with a partner called as markup is, a formula for a reference, and a promotion."""
    translation.use(CATALOGUES)
    with world.transaction() as session:
        policies.put(session, act(), policies.Policy(legal_name="The Fund Ltd", legal_address="2 Road", tax_id="GB9"))
    grocer, station, bookshop = (world.partner(code) for code in ("greengrocer", "fuelway", "pagebound"))
    with world.transaction() as session:
        for partner, name in ((station, PANIC), (bookshop, LONG)):
            session.execute(
                text("UPDATE partners.partner SET name = :name WHERE partner_id = :id"),
                {"name": name, "id": partner.partner_id},
            )
        for partner, price, fees in ((grocer, "0.95", FEES), (station, "0.5", {}), (bookshop, "1", {})):
            agreements.agree(
                session, act(), partner_id=partner.partner_id, redemption_price_minor=Decimal(price),
                currency="GBP", since=DAY, **fees,
            )  # fmt: skip
    owner(world, "UPDATE settlement.agreement SET legal_name = %(legal_name)s, legal_address = %(legal_address)s, "
          "tax_id = %(tax_id)s WHERE partner_id = %(id)s", **LEGAL, id=grocer.partner_id)  # fmt: skip
    member = world.member()
    world.earn(grocer.partner_id, member, 500)
    for reference, points in (("=1+1", 101), ("@SUM(A1)", 7), ("Чек 5", 13)):
        world.burn(station.partner_id, member, points, reference=reference)
    world.burn(bookshop.partner_id, member, 3, reference="B-1")
    world.earn(station.partner_id, member, 50)
    world.burn(grocer.partner_id, member, 400, reference="G-1")
    with world.transaction() as session:
        entries.add(
            session, act(reason="agreed"), kind="promotion", payer_id=station.partner_id, payee_id=grocer.partner_id,
            currency="GBP", amount_minor=1_234_567, reference="P-1",
        )  # fmt: skip
    done = nightly.run(world.database, act(world.keyring, now=MIDNIGHT), day=DAY)
    return world, done, grocer


def owner(world: World, statement: str, **facts: object) -> None:
    with psycopg.connect(str(world.settings.database_url)) as connection:
        connection.execute(statement, facts)


def made(world: World, partner_id, session) -> document.Document:
    run = runs.of_day(session, DAY)
    kept = statements.kept_of(session, run.run_id, partner_id)
    return document.make(session, kept, run, document.frame(session, kept, run))


def file(world: World, partner_id, form: str, language: str = "en") -> bytes:
    out = io.BytesIO()
    with world.database.reading() as session:
        formats.write(session, made(world, partner_id, session), Order(form, language), out)
    return out.getvalue()


def table(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def test_the_csv_adds_up_to_the_obligations_and_no_cell_is_a_formula(settled) -> None:
    world, _, grocer = settled
    content = file(world, grocer.partner_id, "csv")
    rows = table(content)
    said = json.loads(file(world, grocer.partner_id, "json"))
    lines = [row for row in rows if row["record"] == "line"]
    sums: dict[tuple[str, ...], int] = {}
    for row in lines:
        key = (row["payer"], row["payee"], row["kind"], row["currency"])
        sums[key] = sums.get(key, 0) + int(row["amount_minor"])
        assert Decimal(row["amount"]) == Decimal(row["amount_minor"]) / 100
    assert sums == {
        (owed["payer"], owed["payee"], owed["kind"], owed["currency"]): owed["amount_minor"]
        for owed in said["obligations"]
    }
    assert sums["fuelway", "greengrocer", "promotion", "GBP"] == 1_234_567
    assert {row["reference"] for row in lines} >= {"'=1+1", "'@SUM(A1)", "Чек 5", "B-1", "G-1"}
    facts = {row["name"]: row["value"] for row in rows if row["record"] == "statement"}
    assert facts["content_hash"] == said["content_hash"]
    assert (facts["partner_name"], facts["partner_tax_id"]) == (LEGAL["legal_name"], LEGAL["tax_id"])
    assert (facts["coalition_name"], facts["coalition_address"]) == ("The Fund Ltd", "2 Road")
    (seal,) = [row["value"] for row in rows if row["record"] == "seal"]
    assert seal == said["seals"][0]["chain"]
    position = {row["name"]: int(row["amount_minor"]) for row in rows if row["record"] == "position"}
    assert position["net"] == said["positions"][0]["net_minor"]
    assert content.count(b"\n") == content.count(b"\r\n")


def test_a_file_stays_the_same_whatever_the_parties_are_called_since(settled) -> None:
    world, _, grocer = settled
    before = {form: file(world, grocer.partner_id, form) for form in formats.FORMATS}
    with world.transaction() as session:
        renamed = policies.Policy(legal_name="Renamed Ltd", legal_address="9 Lane")
        policies.put(session, act(world.keyring), renamed)
        session.execute(text("UPDATE partners.partner SET name = 'Renamed ' || name"))
    owner(world, "UPDATE settlement.agreement SET legal_name = 'Other Ltd', tax_id = 'X-1'")
    assert {form: file(world, grocer.partner_id, form) for form in formats.FORMATS} == before


def test_each_line_says_what_its_amount_is_computed_by(settled) -> None:
    world, _, grocer = settled
    rows = [row for row in table(file(world, grocer.partner_id, "csv")) if row["record"] == "line"]
    terms = {(row["kind"], row["issuer"], row["price_minor"], row["percent"], row["minimum_minor"]) for row in rows}
    assert terms == {
        ("redemption", "greengrocer", "0.95", "", ""),
        ("redemption", "fuelway", "0.5", "", ""),
        ("promotion", "", "", "", ""),
        ("fee", "greengrocer", "0.00000001", "2.5", ""),
        ("fee_minimum", "greengrocer", "", "", "90"),
        ("vat", "greengrocer", "", "20", ""),
    }


def cells(content: bytes, sheet: int) -> list[list[object]]:
    book = openpyxl.load_workbook(io.BytesIO(content))
    return [[cell.value for cell in row] for row in book.worksheets[sheet].iter_rows()]


def test_the_workbook_read_back_has_the_rows_of_the_csv(settled) -> None:
    world, _, grocer = settled
    rows = [row for row in table(file(world, grocer.partner_id, "csv")) if row["record"] == "line"]
    content = file(world, grocer.partner_id, "xlsx")
    head, *lines = cells(content, 1)
    assert head[:3] == ["Day", "Counterparty", "What for"]
    assert len(lines) == len(rows)
    net = Decimal(0)
    for row, line in zip(rows, lines, strict=True):
        assert line[0].date() == date.fromisoformat(row["day"])
        assert [line[4], line[5] or ""] == [row["transaction_id"] or None, row["reference"].lstrip("'")]
        assert [line[8], line[9]] == [int(row["points"]), row["currency"]]
        priced = [row["issuer"], row["price_minor"], row["percent"]]
        assert [bool(line[11]), *(None if n is None else Decimal(str(n)) for n in line[12:14])] == [
            bool(priced[0]), *(Decimal(term) if term else None for term in priced[1:])
        ]  # fmt: skip
        sign = 1 if row["payee"] == "greengrocer" else -1
        assert Decimal(str(line[10])) == sign * Decimal(row["amount"])
        net += Decimal(str(line[10]))
    said = json.loads(file(world, grocer.partner_id, "json"))
    assert net * 100 == said["positions"][0]["net_minor"]
    book = openpyxl.load_workbook(io.BytesIO(content))
    kinds = {cell.data_type for sheet in book.worksheets for row in sheet.iter_rows() for cell in row}
    assert "f" not in kinds, "no formula"
    assert any(PANIC in row for row in cells(content, 0))


def test_more_lines_than_a_sheet_holds_go_on_in_another(settled, monkeypatch) -> None:
    world, _, grocer = settled
    monkeypatch.setattr(xlsx, "MOST_LINES", 2)
    book = openpyxl.load_workbook(io.BytesIO(file(world, grocer.partner_id, "xlsx", "ru")))
    assert book.sheetnames == ["Сводка", "Строки", *(f"Строки {n}" for n in (2, 3, 4, 5))]
    assert [sheet.max_row for sheet in book.worksheets[1:]] == [3, 3, 3, 3, 2]


def test_the_pdf_says_it_in_both_languages_and_carries_the_csv(settled) -> None:
    world, _, grocer = settled
    attached = file(world, grocer.partner_id, "csv")
    for language, said in (
        ("en", ("Settlement statement", "You receive", "12,345.67", "Page 1 of 1")),
        ("ru", ("Выписка по взаиморасчётам", "Вам причитается", "12\xa0345,67", "Страница 1 из 1")),
    ):
        reader = PdfReader(io.BytesIO(file(world, grocer.partner_id, "pdf", language)))
        text_ = "\n".join(page.extract_text() for page in reader.pages)
        for each in (*said, PANIC, LEGAL["tax_id"], "The Fund Ltd"):
            assert each.replace("\xa0", " ") in text_.replace("\xa0", " "), each
        assert LONG in text_.replace("\u200b", "").replace("\n", "")
        assert reader.attachments == {f"statement_greengrocer_{DAY}.csv": [attached]}
        assert "pdfaid:part>3<" in reader.trailer["/Root"]["/Metadata"].get_data().decode()


def test_a_large_attachment_is_compressed(settled, monkeypatch) -> None:
    world, _, grocer = settled
    monkeypatch.setattr(pdf, "MOST_PLAIN", 1_000)
    content = file(world, grocer.partner_id, "pdf")
    assert content == file(world, grocer.partner_id, "pdf")
    ((name, (packed,)),) = PdfReader(io.BytesIO(content)).attachments.items()
    assert name.endswith(".csv.gz")
    assert gzip.decompress(packed) == file(world, grocer.partner_id, "csv")


def test_of_too_many_days_and_counterparties_only_the_counterparties_are_listed(settled, monkeypatch) -> None:
    world, _, grocer = settled
    monkeypatch.setattr(pdf, "MOST_LINES", 1)
    said = PdfReader(io.BytesIO(file(world, grocer.partner_id, "pdf"))).pages[0].extract_text()
    assert ("By counterparty" in said, "By day and counterparty" in said) == (True, False)


@pytest.mark.parametrize("form", formats.FORMATS)
@pytest.mark.parametrize("language", formats.LANGUAGES)
def test_the_same_rows_give_the_same_bytes_also_in_another_process(settled, terminal, tmp_path, form, language) -> None:
    world, done, grocer = settled
    here = file(world, grocer.partner_id, form, language)
    assert file(world, grocer.partner_id, form, language) == here
    output = tmp_path / f"statement.{form}"
    words = ("settlement", "statement", ids.show(ids.SETTLEMENT_RUN, done.run_id), "greengrocer", "--format", form,
             "--language", language, "--output", str(output))  # fmt: skip
    program = [sys.executable, "-c", "from cli import main; main()", *words]
    subprocess.run(program, cwd=ROOT, check=True, capture_output=True, timeout=60)
    assert output.read_bytes() == here
    assert [path.name for path in tmp_path.iterdir()] == [output.name]


def test_every_language_that_files_come_in_has_a_catalogue() -> None:
    translation.use(CATALOGUES)
    assert translation.languages() == formats.LANGUAGES


def test_a_statement_whose_rows_were_changed_gives_no_file(settled) -> None:
    world, _, grocer = settled
    owner(world, "SET session_replication_role = replica; UPDATE settlement.obligation SET amount_minor = 1")
    with pytest.raises(StatementDiffers):
        file(world, grocer.partner_id, "csv")


def test_the_statement_is_printed_or_refused(settled, terminal, tmp_path) -> None:
    world, done, grocer = settled
    run_id = ids.show(ids.SETTLEMENT_RUN, done.run_id)
    printed = terminal("settlement", "statement", run_id, "greengrocer", "--format", "csv")
    assert printed.exit_code == 0, printed.output
    assert printed.stdout_bytes == file(world, grocer.partner_id, "csv")
    refused = terminal("settlement", "statement", run_id, "greengrocer", "--format", "pdf")
    assert (refused.exit_code, "needs an --output" in refused.output) == (2, True)
    with world.transaction() as session:
        late = accounts.onboard(session, act(now=MIDNIGHT), code="late", name="Late", is_issuer=False, is_redeemer=True)
    assert late.code == "late"
    nobody = terminal("settlement", "statement", run_id, "late", "--output", tmp_path / "x")
    assert (nobody.exit_code, "(statement_not_found)" in nobody.output) == (1, True)
    assert list(tmp_path.iterdir()) == []


def test_a_hundred_pages_are_numbered_and_their_heading_stands_on_each(settled, monkeypatch) -> None:
    world, _, grocer = settled
    found = document.day_lines
    monkeypatch.setattr(pdf, "day_lines", lambda made, *, by_day=True: found(made, by_day=by_day) * 1_000)
    pages = PdfReader(io.BytesIO(file(world, grocer.partner_id, "pdf"))).pages
    assert len(pages) > 50
    for n, page in ((1, pages[1]), (len(pages) - 2, pages[-2])):
        said = page.extract_text()
        assert f"Page {n + 1} of {len(pages)}" in said
        assert "Counterparty" in said
