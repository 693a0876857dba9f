"""Every report in every form: the figures of its JSON, whatever the names, and one clear error where there is none."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree as ET

import openpyxl
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from kit import money
from kit.db import Session
from settlement import figures, outstanding, tables
from settlement.accounting import movements
from settlement.cycles import Span
from settlement.files import reports, workbook
from settlement.files.reports import Report
from settlement.files.workbook import EXACT, SheetTooLong
from settlement.files.xlsx import MOST_LINES
from settlement.pictures import tables as pictures
from settlement.spans import SpanRefused
from settlement.tables import CURRENCY, MONEY, NUMBER, Bars, Column, Squares, Table
from tests.conftest import World
from tests.service import terminal
from tests.settlement.months import Month
from tests.settlement.small_coalition import DAY, trade

__all__ = ["terminal"]
LAST = DAY + timedelta(days=2)
SPAN = ("--from", DAY, "--until", LAST)
SVG = "{http://www.w3.org/2000/svg}"
ODD_NAMES = ("=cmd|'/c calc'!A1", "#panic[x] @SUM(1)", "W" * 100)
REPORTS: dict[str, tuple[Any, ...]] = {
    "day": ("report", DAY), "period": ("report", *SPAN), "matrix": ("matrix", *SPAN),
    "liability": ("liability", "--on", LAST), "breakage": ("breakage", *SPAN), "movements": ("movements", *SPAN),
    "exposure": ("exposure",), "claims": ("claims",),
}  # fmt: skip


@pytest.fixture
def traded(world: World) -> World:
    trade(world)
    with world.transaction() as session:
        for code, name in zip(("greengrocer", "fuelway", "pagebound"), ODD_NAMES, strict=True):
            session.execute(text("UPDATE partners.partner SET name = :n WHERE code = :c"), {"n": name, "c": code})
    return world


def sheets(file: bytes) -> dict[str, list[dict[str, Any]]]:
    """The rows of a workbook's sheets by their headings; nothing in it is a formula."""
    found = {}
    for sheet in openpyxl.load_workbook(io.BytesIO(file)).worksheets:
        assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)
        heads, *rows = sheet.iter_rows(values_only=True)
        found[sheet.title] = [dict(zip(heads, row, strict=True)) for row in rows]
    return found


def as_workbook(row: dict[str, Any]) -> dict[str, Any]:
    """A row of JSON as the workbook has it: money in major units."""
    found = {}
    for name, value in row.items():
        if name.endswith("_minor"):
            major = None if value is None else Decimal(money.as_decimal(value, row["currency"]))
            found[name.removesuffix("_minor")] = major
        else:
            found[name] = value
    return found


def read(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a workbook, its numbers exact."""
    return {name: Decimal(str(cell)) if isinstance(cell, float) else cell for name, cell in row.items()}


def tooltips(drawn: bytes) -> list[str]:
    root = ET.fromstring(drawn)  # noqa: S314 -- ours
    return [one.text or "" for one in root.iter(f"{SVG}title") if "id" not in one.attrib]


@pytest.mark.parametrize("name", REPORTS)
def test_each_report_has_the_figures_of_its_json_in_every_form_and_twice_the_same_bytes(
    traded: World, terminal, tmp_path, name: str
) -> None:
    made = {}
    for form in reports.FORMS:
        files = [tmp_path / f"{n}.{form}" for n in range(2)]
        for file in files:
            done = terminal("settlement", *REPORTS[name], "--format", form, "--output", file)
            assert (done.exit_code, done.output) == (0, f"wrote {file}\n")
        made[form] = files[0].read_bytes()
        assert made[form] == files[1].read_bytes()
        if form not in reports.BINARY:
            assert terminal("settlement", *REPORTS[name], "--format", form).stdout_bytes == made[form]
    said = json.loads(made["json"])
    books = sheets(made["xlsx"])
    rows = list(csv.DictReader(io.StringIO(made["csv"].decode())))
    assert tooltips(made["svg"]) or name == "claims"
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "@", "+"))]
    if name in ("day", "period"):
        counts = Counter(row["record"] for row in rows)
        assert (counts["obligation"], counts["payment"]) == (len(said["obligations"]), len(said["payments"]))
        sums = {row["amount_minor"] for row in rows if row["record"] == "net_position"}
        assert sums == {str(one["amount_minor"]) for one in said["net_positions"]}
        for sheet, part in (("Obligations", "obligations"), ("Payments", "payments"), ("Set aside", "set_aside")):
            there = [as_workbook(one) for one in said.get(part, [])]
            assert [read(row) for row in books.get(sheet, [])] == there
    else:
        assert [read(row) for row in books[name if name in books else next(iter(books))]] == [
            as_workbook(one) for one in said["data"]
        ]
        plain = [{key: "" if cell is None else str(cell) for key, cell in one.items()} for one in said["data"]]
        assert rows == plain


def test_the_picture_of_a_day_and_of_a_partner_has_its_obligations(traded: World, terminal) -> None:
    said = json.loads(terminal("settlement", "report", DAY, "--format", "json").stdout)
    assert all(one["amount_minor"] > 0 for one in said["obligations"])
    drawn = terminal("settlement", "report", DAY, "--format", "svg").stdout
    assert Counter(tooltips(drawn.encode())) == Counter(
        f"{one['payer']} owes {one['payee']} {money.show(one['amount_minor'], one['currency'])}"
        for one in said["obligations"]
    )
    own = ("settlement", "report", *SPAN, "--partner", "pagebound")
    for one in tooltips(terminal(*own, "--format", "svg").stdout.encode()):
        assert ODD_NAMES[2] in one


def test_bars_and_squares_add_up_to_the_table(traded: World) -> None:
    with traded.database.reading() as session:
        ages, matrix = figures.liability(session), figures.matrix(session, Span(DAY, LAST))
    drawn = tooltips(ages.texts["svg"]().encode())
    for row in ages.table.dicts:
        shown = money.show(row["value_minor"], row["currency"])
        assert f"{row['issuer']}, {row['age_months']}: {shown}" in drawn
    assert sorted(tooltips(matrix.texts["svg"]().encode())) == sorted(
        f"issuer {row['issuer']}, redeemer {row['redeemer']}: {row['points']} points" for row in matrix.table.dicts
    )


def test_a_span_that_can_not_be_is_one_clear_error(traded: World, terminal) -> None:
    wrong = {"span_refused", "malformed_period"}
    spans = [
        (LAST, DAY, wrong), (date(1990, 1, 1), LAST, wrong),
        (DAY, LAST + timedelta(days=1), {"day_not_settled"}),
        (date(1, 1, 1), date(1, 1, 2), {"day_not_settled"}),
        (date(9999, 12, 31), date(9999, 12, 31), {"day_not_settled"}),
    ]  # fmt: skip
    for first, last, codes in spans:
        for name in ("report", "matrix", "breakage", "movements"):
            done = terminal("settlement", name, "--from", first, "--until", last, "--format", "json")
            assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (1, "", 1)
            assert any(f"({code})" in done.stderr for code in codes), done.stderr


def test_a_report_that_fails_leaves_no_file(traded: World, terminal, tmp_path) -> None:
    file = tmp_path / "report.xlsx"
    done = terminal("settlement", "report", LAST + timedelta(days=1), "--format", "xlsx", "--output", file)
    assert (done.exit_code, list(tmp_path.iterdir())) == (1, [])
    assert terminal("settlement", "liability", "--format", "xlsx").exit_code == 2


COLUMNS = (
    Column("name", "name"), Column("day", "day"), CURRENCY, Column("points", "points", NUMBER),
    Column("a_minor", "amount", MONEY),
)  # fmt: skip


def report(rows: list[tuple[tables.Cell, ...]], picture: Bars | Squares | None = None) -> Report:
    return reports.of_table(Table("T", COLUMNS, rows, picture=picture), name="t", dated=DAY)


def written(made: Report, form: str) -> bytes:
    out = io.BytesIO()
    reports.write(made, form, out)
    return out.getvalue()


def test_more_rows_than_a_sheet_has_are_refused_and_not_left_out() -> None:
    rows: list[tuple[tables.Cell, ...]] = [("a", None, None, 1, None)] * (MOST_LINES + 1)
    with pytest.raises(SheetTooLong):
        written(report(rows), "xlsx")
    workbook.require_room([("t", Table("T", COLUMNS, rows[1:]))])


amounts = st.integers(-(10**18), 10**18)
names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=200)


@given(st.lists(st.tuples(names, st.dates(), st.sampled_from(["GBP", "JPY", "KWD"]), amounts, amounts), max_size=8))
def test_a_workbook_has_every_cell_exactly(rows) -> None:
    (found,) = sheets(written(report(rows), "xlsx")).values()
    for row, (name, day, currency, points, amount) in zip(found, rows, strict=True):
        assert (row["name"].replace("_x000D_", "\r"), row["currency"]) == (name, currency) or "_x" in name
        if day >= date(1900, 3, 1):  # before that, spreadsheets have a day that never was
            assert row["day"].date() == day
        assert Decimal(str(row["points"])) == points
        assert Decimal(str(row["a"])) == Decimal(money.as_decimal(amount, currency))
        assert isinstance(row["points"], str) == (abs(points) >= EXACT)


@given(st.lists(st.tuples(names, st.sampled_from(["a", "b"]), st.integers(-999, 999)), max_size=60))
def test_pictures_are_well_formed_whatever_the_names_and_lose_no_amount(given_rows) -> None:
    columns = (Column("issuer", "issuer"), Column("redeemer", "redeemer"), Column("points", "points", NUMBER))
    for how in (Bars("issuer", ("points",)), Squares("issuer", "redeemer", "points")):
        drawn = pictures.draw(Table("T", columns, given_rows, picture=how)).encode()
        said = sum(int(one.rpartition(": ")[2].removesuffix(" points")) for one in tooltips(drawn))
        assert said == sum(row[2] for row in given_rows)
        assert drawn == pictures.draw(Table("T", columns, given_rows, picture=how)).encode()


def test_the_liability_of_any_day_follows_from_what_is_kept_and_reads_no_history(traded: World) -> None:
    days = [DAY + timedelta(days=n) for n in range(3)]

    def found() -> list[Any]:
        with traded.database.reading() as session:
            return [figures.liability(session, day).table.rows for day in days]

    before = found()
    with traded.transaction() as session:
        assert outstanding.keep(session) == days[-1]
    assert found() == before
    with psycopg.connect(str(traded.settings.database_url)) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute("DELETE FROM coalition.posting WHERE business_date <= %s", (days[0],))
    assert found()[-1] == before[-1]


def test_the_liability_of_a_day_too_long_ago_is_refused(traded: World, monkeypatch) -> None:
    with traded.transaction() as session:
        outstanding.keep(session)
    monkeypatch.setattr(outstanding, "MOST_DAYS_BETWEEN", 1)
    with traded.database.reading() as session:
        assert figures.liability(session, DAY + timedelta(days=1)).table.rows
        with pytest.raises(SpanRefused, match="movements"):
            figures.liability(session, DAY)


def test_the_liability_is_the_sum_of_the_seals_or_there_is_none(traded: World, terminal) -> None:
    with traded.transaction() as session:
        outstanding.keep(session)
    with psycopg.connect(str(traded.settings.database_url)) as owner:
        owner.execute("UPDATE settlement.outstanding SET points = points + 1")
    done = terminal("settlement", "liability")
    assert (done.exit_code, "(movements_differ)" in done.output) == (1, True)


@pytest.mark.parametrize("seed", [5, 6])
def test_in_a_random_month_the_liability_is_the_same_from_either_side(world: World, seed: int) -> None:
    month = Month(world, seed)
    month.trade(DAY + timedelta(days=9), late_agreement=DAY + timedelta(days=4), changes={DAY + timedelta(days=6): 1})
    days = [DAY + timedelta(days=n) for n in range(10)]

    def liabilities(read: Callable[[Session, date], list[movements.Row]]) -> list[Any]:
        with world.database.reading() as session:
            rows = [(day, row) for day in days for row in read(session, day) if row.closing]
        return [(day, row.issuer, row.month, row.currency, row.carrier, row.closing, row.value.closing)
                for day, row in rows]  # fmt: skip

    plain = liabilities(lambda session, day: movements.read(session, day, day))
    assert liabilities(movements.at_end_of) == plain
    with world.transaction() as session:
        outstanding.keep(session)
    assert liabilities(movements.at_end_of) == plain
