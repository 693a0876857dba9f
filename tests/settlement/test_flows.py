"""Who owed whom in a span, the issuer × redeemer matrix, and the liability by age: the sums of what was kept."""

from __future__ import annotations

import json
from datetime import date, timedelta
from fractions import Fraction
from uuid import uuid4
from xml.etree import ElementTree as ET

import pytest
from sqlalchemy import text

from coalition.point_movements import Moved
from settlement import flows, tables
from settlement.accounting import liability
from settlement.accounting.movements import Row, Values
from settlement.statements import Party
from settlement.tables import CURRENCY, MONEY, NUMBER, Column, Table
from tests.conftest import World
from tests.service import terminal
from tests.settlement.small_coalition import DAY, ODD, trade

__all__ = ["terminal"]
LAST = DAY + timedelta(days=2)
SPAN = ("--from", DAY, "--until", LAST)


@pytest.fixture
def traded(world: World) -> World:
    trade(world)
    return world


def test_flows_are_the_obligations_added_up_and_never_below_zero(traded: World) -> None:
    with traded.transaction() as session:
        found = flows.between(session, DAY, LAST)
        owed = session.scalar(text("SELECT sum(amount_minor) FROM settlement.obligation WHERE amount_minor > 0"))
        below = session.scalar(text("SELECT sum(amount_minor) FROM settlement.obligation WHERE amount_minor < 0"))
    assert all(one.amount_minor > 0 for one in found)
    assert sum(one.amount_minor for one in found) <= owed - below
    named = {(one.payer, one.payee, one.currency): one.amount_minor for one in found}
    assert named["Coalition; Ltd", ODD, "GBP"] == 65 + 55  # 130 of the station's points, and an adjustment


def test_the_matrix_is_all_that_was_redeemed_and_what_is_owed_for_it(traded: World, terminal) -> None:
    with traded.transaction() as session:
        pairs = {(one.issuer, one.redeemer): one for one in flows.matrix(session, DAY, LAST)}
        redeemed = session.scalar(
            text("SELECT sum(CASE WHEN debit = 'redemption' THEN -points ELSE points END) FROM coalition.posting "
                 "WHERE debit = 'redemption' OR credit = 'redemption'")
        )  # fmt: skip
    assert sum(one.points for one in pairs.values()) == redeemed == 331 + 800 + 10
    assert {key: (one.points, one.amount_minor) for key, one in pairs.items()} == {
        ("greengrocer", "fuelway"): (331, 314), ("greengrocer", "pagebound"): (670, 637),
        ("fuelway", "pagebound"): (130, 65), ("fuelway", "greengrocer"): (10, 5),
    }  # fmt: skip
    assert "3.14" in terminal("settlement", "matrix", *SPAN).output


def test_the_picture_is_a_file_and_the_same_one_again(traded: World, terminal, tmp_path) -> None:
    files = [tmp_path / name for name in ("a.svg", "b.svg")]
    for file in files:
        done = terminal("settlement", "report", *SPAN, "--format", "svg", "--output", file)
        assert done.exit_code == 0, done.output
    assert files[0].read_bytes() == files[1].read_bytes()
    said = {one.text for one in ET.fromstring(files[0].read_text("utf-8")).iter()}  # noqa: S314 -- ours
    assert any(ODD in (one or "") for one in said)


def test_the_liability_is_what_is_outstanding_by_age(traded: World, terminal) -> None:
    said = json.loads(terminal("settlement", "liability", "--format", "json").output)
    assert [(row["issuer"], row["carried_by"], row["age_months"], row["currency"], row["points"], row["value_minor"])
            for row in said["data"]] == [
        ("fuelway", "coalition", "0 to 2", "GBP", 60, 30), ("yenmart", "yenmart", "0 to 2", "JPY", 45, 68),
    ]  # fmt: skip
    done = terminal("settlement", "liability", "--on", LAST + timedelta(days=1))
    assert (done.exit_code, "day_not_settled" in done.output) == (1, True)


def test_ages_are_calendar_months_in_bands() -> None:
    party = Party(uuid4(), "a", "A")
    rows = [
        Row(party, month, party, "GBP", 1, Moved(), Values(Fraction(1)))
        for month in (date(2026, 3, 1), date(2026, 1, 1), date(2025, 12, 1), date(2025, 3, 1), date(2020, 1, 1))
    ]
    made = liability.table(rows, date(2026, 3, 31)).dicts
    assert [(row["age_months"], row["points"]) for row in made] == [
        ("0 to 2", 2), ("3 to 5", 1), ("12 to 23", 1), ("24 and more", 1),
    ]  # fmt: skip


def test_a_table_shows_money_in_its_currency_and_keeps_formulas_out_of_spreadsheets() -> None:
    columns = (Column("name", "name"), CURRENCY, Column("points", "points", NUMBER), Column("a_minor", "amount", MONEY))
    made = Table("T", columns, [("=1+1", "KWD", 7, -1234), ("b", None, 0, None)], note="N")
    assert tables.as_text(made).splitlines() == [
        "T", "", "name  currency  points  amount", "=1+1  KWD            7  -1.234",
        "b     -              0       -", "", "N",
    ]  # fmt: skip
    assert tables.as_csv(made).splitlines()[1:] == ['"\'=1+1","KWD",7,-1234', '"b","",0,""']
    assert json.loads(tables.as_json(made))["data"][0]["a_minor"] == -1234
    assert "none" in tables.as_text(Table("T", columns, []))
