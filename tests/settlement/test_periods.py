"""Reports of periods: each figure is the sum of its days, for any span of settled days and for no other."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from settlement import agreements, cycles, nightly, periods, reports
from settlement.cycles import Span
from settlement.periods import Asked, MalformedPeriod
from settlement.reports import DayNotSettled
from tests.conftest import NOW, World, act
from tests.service import terminal as terminal

DAY = NOW.date()
DAYS = [DAY + timedelta(days=n) for n in range(3)]


@pytest.fixture
def three_days(world: World):
    """Three settled days of three brands, two of them of the same name; the second day is empty."""
    brands = [world.partner(code) for code in ("greengrocer", "fuelway", "pagebound")]
    with world.transaction() as session:
        session.execute(text("UPDATE partners.partner SET name = 'Same' WHERE code <> 'greengrocer'"))
        for brand, price in zip(brands, ("0.95", "0.5", "1"), strict=True):
            agreements.agree(
                session, act(), partner_id=brand.partner_id, redemption_price_minor=Decimal(price), currency="GBP",
                since=DAY,
            )  # fmt: skip
    grocer, station, bookshop = (brand.partner_id for brand in brands)
    member = world.member()
    for n, day in enumerate(DAYS):
        if n != 1:
            world.earn(grocer, member, 500)
            world.burn(station, member, 100 + n)
            world.burn(bookshop, member, 7 + n)
            world.earn(station, member, 40)
            world.burn(grocer, member, 391)
        nightly.run(world.database, act(world.keyring, now=NOW + timedelta(days=n + 1)), day=day)
    return world, brands


def get(world: World, first: date, last: date, asked: Asked = periods.EVERYTHING) -> periods.PeriodReport:
    with world.database.reading() as session:
        return periods.get(session, Span(first, last), asked)


def test_a_period_is_the_sum_of_its_days(three_days) -> None:
    world, _ = three_days
    whole = get(world, DAYS[0], DAYS[-1])
    days = [get(world, day, day) for day in DAYS]
    assert [bool(one.obligations) for one in days] == [True, False, True]
    for part in ("obligations", "net_positions", "payments", "matrix"):
        sums: dict[str, Counter[tuple[str, ...]]] = {"points": Counter(), "amount_minor": Counter()}
        for sign, some in ((1, [one for day in days for one in getattr(day, part)]), (-1, getattr(whole, part))):
            for one in some:
                key = tuple(str(value) for name, value in vars(one).items() if name not in sums)
                for name, counted in sums.items():
                    counted[key] += sign * getattr(one, name, 0)
        assert not any(value for counted in sums.values() for value in counted.values()), part
    with world.database.reading() as session:
        of_days = [reports.get(session, day) for day in DAYS]
    for part in ("obligations", "net_positions"):
        daily = [one.amount_minor for report in of_days for one in getattr(report, part)]
        assert sum(daily) == sum(one.amount_minor for one in getattr(whole, part))
    assert sum(one.amount_minor for one in whole.net_positions) == 0
    assert len([one for one in whole.net_positions if one.partner == "Same"]) == 2, "by party, not by name"


def test_of_a_partner_and_its_counterparty_only_what_is_between_them(three_days) -> None:
    world, (grocer, station, bookshop) = three_days
    own = get(world, DAYS[0], DAYS[-1], Asked(bookshop.partner_id))
    assert {(one.payer, one.payee) for one in own.obligations} <= {("Greengrocer", "Same"), ("Same", "Same")}
    between = get(world, DAYS[0], DAYS[-1], Asked(grocer.partner_id, station.partner_id))
    assert sum(one.amount_minor for one in between.net_positions) == 0
    assert len(between.net_positions) == 2


def test_a_period_with_a_day_that_is_not_settled_is_refused_by_its_first(three_days, terminal) -> None:
    world, _ = three_days
    with pytest.raises(DayNotSettled, match=rf"^{DAYS[-1] + timedelta(days=1)} is not settled"):
        get(world, DAYS[0], DAYS[-1] + timedelta(days=9))
    with pytest.raises(DayNotSettled, match=r"^2026-02-01"):
        get(world, date(2026, 2, 1), date(2026, 2, 28))
    refused = terminal("settlement", "report", "--month", "2026-03")
    assert (refused.exit_code, refused.output) == (1, "coalition: 2026-03-05 is not settled (day_not_settled)\n")


def test_a_period_may_begin_before_the_coalition_did(three_days) -> None:
    world, _ = three_days
    before = get(world, date(2026, 1, 1), DAYS[-1])
    assert before.obligations == get(world, DAYS[0], DAYS[-1]).obligations


@pytest.mark.parametrize("said", ["2026-13", "2026-W54", "2026-Q5", "2026-Q0", "2026", "0000-01", "2026-W0A"])
def test_what_is_no_period_is_refused(said: str) -> None:
    for read in (periods.month, periods.week, periods.quarter):
        with pytest.raises(MalformedPeriod):
            read(said)


def test_a_period_of_no_days_or_too_many_is_refused(world: World) -> None:
    for first, last in ((DAY, DAY - timedelta(days=1)), (date.min, date.max)):
        with pytest.raises(MalformedPeriod):
            get(world, first, last)


@given(st.dates(date(1901, 1, 1), date(2099, 12, 31)))
def test_every_day_lies_in_its_week_month_and_quarter(day: date) -> None:
    year, week, _ = day.isocalendar()
    assert periods.week(f"{year}-W{week:02}") == cycles.span(cycles.WEEKLY, day)
    assert periods.month(f"{day:%Y-%m}") == cycles.span(cycles.MONTHLY, day)
    quarter = periods.quarter(f"{day.year}-Q{(day.month + 2) // 3}")
    assert quarter.first <= day <= quarter.last
    assert 90 <= len(quarter.days) <= 92


def test_the_command_tells_it_in_each_form(three_days, terminal, tmp_path) -> None:
    world, _ = three_days
    asked = ("settlement", "report", "--from", DAYS[0], "--until", DAYS[-1])
    whole = get(world, DAYS[0], DAYS[-1])
    table = terminal(*asked)
    assert table.exit_code == 0, table.output
    assert "Greengrocer" in table.stdout
    said = json.loads(terminal(*asked, "--format", "json").stdout)
    assert [one["amount_minor"] for one in said["matrix"]] == [one.amount_minor for one in whole.matrix]
    rows = list(csv.DictReader(io.StringIO(terminal(*asked, "--format", "csv").stdout)))
    owed = [int(row["amount_minor"]) for row in rows if row["record"] == "obligation"]
    assert owed == [one.amount_minor for one in whole.obligations]
    outputs = [tmp_path / name for name in ("a.xlsx", "b.xlsx")]
    for output in outputs:
        assert terminal(*asked, "--format", "xlsx", "--output", output).exit_code == 0
    first, second = (output.read_bytes() for output in outputs)
    assert first == second
    sheet = openpyxl.load_workbook(outputs[0]).worksheets[0]
    amounts = [row[4] for row in sheet.iter_rows(min_row=2, values_only=True)]
    assert [Decimal(str(amount)) * 100 for amount in amounts] == owed


@pytest.mark.parametrize(
    "words",
    [(), ("--month", "2026-03", "--week", "2026-W09"), ("--from", "2026-03-02"), ("2026-03-02", "--partner", "fuelway"),
     ("--month", "2026-03", "--format", "xlsx"), ("2026-03-02", "--month", "2026-03")],
)  # fmt: skip
def test_what_the_command_can_not_mean_is_a_usage_error(world: World, terminal, words: tuple[str, ...]) -> None:
    assert terminal("settlement", "report", *words).exit_code == 2
