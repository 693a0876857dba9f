"""The movement schedule: it adds up, it is what the lots and the seals say, and its breakage is what survived."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import date, timedelta
from fractions import Fraction

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from coalition import ledger, point_movements
from coalition.point_movements import Moved, MovementsDiffer
from settlement.accounting import breakage, movements, survival
from settlement.accounting.movements import Values
from tests.conftest import World, request
from tests.service import terminal
from tests.settlement.small_coalition import DAY, agree, night, trade

__all__ = ["terminal"]
LAST = DAY + timedelta(days=2)
_ANOTHER_TOTAL = """
    UPDATE coalition.sealed_day SET totals = totals || jsonb_build_object('wallet>breakage:' || (
        SELECT partner_id FROM partners.partner WHERE code = 'fuelway'), 1) WHERE day = '2026-03-03'
"""


@pytest.fixture
def traded(world: World) -> World:
    trade(world)
    return world


def read(world: World, first: date = DAY, last: date = LAST) -> list[movements.Row]:
    with world.transaction() as session:
        return movements.read(session, first, last)


def test_a_span_is_opened_with_what_the_one_before_closed_with_and_adds_up_by_hand(traded: World) -> None:
    whole = {row.issuer.code: row for row in read(traded)}
    assert {code: (row.opening, *vars(row.moved).values(), row.closing) for code, row in whole.items()} == {
        "greengrocer": (0, 1001, 331 + 670, 0, 0),
        "fuelway": (0, 277, 130 + 10, 77, 60),
        "yenmart": (0, 45, 0, 0, 45),
    }
    value = whole["fuelway"].value.rounded
    assert [int(part) for part in (value.issued, value.redeemed, value.expired, value.closing)] == [139, 70, 39, 30]
    assert (whole["fuelway"].carrier.code, whole["greengrocer"].carrier.code) == ("coalition", "greengrocer")
    for middle in (DAY, DAY + timedelta(days=1)):
        before, after = read(traded, DAY, middle), read(traded, middle + timedelta(days=1), LAST)
        for code, row in whole.items():
            parts = [one for one in (*before, *after) if one.issuer.code == code]
            assert sum((one.moved for one in parts), Moved()) == row.moved
            assert sum(one.value.redeemed for one in parts) == row.value.redeemed
        opened = {one.issuer.code: one.value.opening for one in after if one.opening}
        assert opened == {one.issuer.code: one.value.closing for one in before if one.closing}


def test_what_is_outstanding_is_what_remains_in_the_lots(traded: World) -> None:
    with traded.transaction() as session:
        remains = session.execute(
            text("SELECT issuer_id, sum(remaining)::bigint FROM coalition.lot GROUP BY 1 HAVING sum(remaining) > 0")
        )
        there = {row[0]: row[1] for row in remains}
    assert {row.issuer.party_id: row.closing for row in read(traded) if row.closing} == there


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE coalition.posting SET points = points + 1 WHERE business_date = '2026-03-03' AND credit = 'redemption'",
        "UPDATE coalition.posting SET business_date = '2026-03-03' WHERE credit = 'breakage'",
        "DELETE FROM coalition.posting WHERE business_date = '2026-03-03'",
        _ANOTHER_TOTAL,
    ],
)
def test_a_day_whose_points_are_not_those_of_its_seal_is_named(traded: World, terminal, change: str) -> None:
    with psycopg.connect(str(traded.settings.database_url)) as owner:
        owner.execute("SET session_replication_role = replica")
        assert owner.execute(change).rowcount > 0
    with pytest.raises(MovementsDiffer, match="2026-03-03"):
        read(traded, LAST, LAST)
    done = terminal("settlement", "movements", "--from", DAY, "--until", LAST)
    assert (done.exit_code, "2026-03-03" in done.output, "movements_differ" in done.output) == (1, True, True)


def test_a_new_price_is_one_of_new_points_and_reprices_nothing(traded: World) -> None:
    with traded.transaction() as session:
        yen = next(party for party in movements.statements.parties(session).values() if party.code == "yenmart")
    agree(traded, yen.party_id, since=DAY + timedelta(days=3), redemption_price_minor="99")
    night(traded, 3)
    (row,) = [one for one in read(traded, LAST, DAY + timedelta(days=3)) if one.issuer.code == "yenmart"]
    assert (row.value.opening, row.value.repriced, row.value.closing) == (Fraction("67.5"), 0, Fraction("67.5"))


def test_points_that_get_their_first_agreement_are_repriced_from_nothing(world: World) -> None:
    stray, member = world.partner("stray"), world.member()
    world.earn(stray.partner_id, member, 30)
    night(world, 0)
    assert [(row.currency, row.closing, row.value.closing) for row in read(world, DAY, DAY)] == [(None, 30, 0)]
    agree(world, stray.partner_id, redemption_price_minor="2")
    night(world, 1)
    (row,) = read(world, DAY + timedelta(days=1), DAY + timedelta(days=1))
    assert (row.opening, row.closing, row.value.opening, row.value.repriced, row.value.closing) == (30, 30, 0, 60, 60)
    assert [(one.currency, one.value.closing) for one in read(world, DAY, DAY)] == [(None, 0)], "it was so then"


def test_manual_adjustments_returns_and_debts_move_points_as_the_seals_say(traded: World) -> None:
    with traded.transaction() as session:
        grocer = next(one for one in movements.statements.parties(session).values() if one.code == "greengrocer")
    bought = traded.earn(grocer.party_id, traded.member("7001000000108419"), 40)
    with traded.transaction() as session:
        back = ledger.Reversal(original_id=bought.transaction_id, reference="X9", points=15)
        ledger.post(session, request(grocer.party_id), back).unwrap()
    night(traded, 3)
    (row,) = [
        one for one in read(traded, DAY + timedelta(days=3), DAY + timedelta(days=3)) if one.issuer.code == grocer.code
    ]
    assert (row.opening, row.moved, row.closing) == (0, Moved(issued=25), 25)


parts = st.fractions(-1000, 1000, max_denominator=97)


@given(st.fractions(0, 1000, max_denominator=97), parts, parts, parts, parts)
def test_rounded_values_add_up_and_are_within_one_of_the_exact_ones(opening, issued, redeemed, expired, repriced):
    exact = Values(opening, issued, redeemed, expired, repriced)
    whole = exact.rounded
    for name, value in vars(exact).items():
        assert getattr(whole, name).denominator == 1
        assert abs(getattr(whole, name) - value) <= 1
    assert abs(whole.closing - exact.closing) <= Fraction(1, 2)


moves = st.dictionaries(
    st.tuples(st.integers(0, 5), st.integers(0, 6)),
    st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=20,
)  # fmt: skip


@given(st.lists(st.integers(1, 100), min_size=6, max_size=6), moves)
def test_the_hazard_of_an_age_is_its_points_redeemed_of_those_at_risk(issued: list[int], wanted) -> None:
    """Point by point: each has a life of its own, and is counted in every month that it was there at the beginning."""
    moved: defaultdict[tuple[date, date], Moved] = defaultdict(Moved)
    lives: list[tuple[int, int, bool]] = []  # month of issue, age at the end, whether it was redeemed
    for month, points in enumerate(issued):
        moved[date(2026, month + 1, 1), date(2026, month + 1, 1)] += Moved(issued=points)
        left = points
        for age in range(7 - month):
            redeemed, expired = wanted.get((month, age), (0, 0))
            redeemed = min(redeemed, left)
            expired = min(expired, left - redeemed)
            left -= redeemed + expired
            moved[date(2026, month + 1, 1), date(2026, month + age + 1, 1)] += Moved(0, redeemed, expired)
            lives += [(month, age, True)] * redeemed + [(month, age, False)] * expired
        lives += [(month, 99, False)] * left
    found = survival.hazards(dict(moved), until=survival.months(date(2026, 6, 1)))
    for age in range(7):
        at_risk = [life for life in lives if life[1] >= age and life[0] + age <= 5]
        if not at_risk:
            assert age not in found
        else:
            assert found[age] == Fraction(sum(life[1] == age and life[2] for life in at_risk), len(at_risk))


def test_what_is_expected_to_expire_is_what_survives_every_age_that_is_left() -> None:
    known = {0: Fraction(1, 2), 1: Fraction(1, 4), 2: Fraction(0)}
    assert survival.surviving(known, age=0, expiry_months=2) == Fraction(3, 8)
    assert survival.surviving(known, age=1, expiry_months=2) == Fraction(3, 4)
    assert survival.surviving(known, age=1, expiry_months=3) == 0, "nobody saw the third month"
    assert survival.surviving(known, age=3, expiry_months=2) == 0


def test_breakage_is_expected_as_observed_and_booked_as_it_was(traded: World, terminal) -> None:
    with traded.transaction() as session:
        found = {one.issuer.code: one for one in breakage.read(session, DAY, LAST)}
    station = found["fuelway"]
    assert (station.outstanding, station.expected, station.booked, station.booked_minor) == (
        60,
        0,
        77,
        Fraction("38.5"),
    )
    assert station.shared_minor == 14  # 77 × 0.6 × 30 % = 13.86
    said = json.loads(terminal("settlement", "breakage", "--from", DAY, "--until", LAST, "--format", "json").output)
    (row,) = [one for one in said["data"] if one["issuer"] == "fuelway"]
    assert (row["expected_points"], row["booked_points"], row["shared_minor"]) == (0, 77, 14)


def test_the_schedule_is_printed_in_every_format(traded: World, terminal, tmp_path) -> None:
    words = ("settlement", "movements", "--from", DAY, "--until", LAST)
    shown = terminal(*words).output
    assert "fuelway" in shown
    assert "1.39" in shown
    said = json.loads(terminal(*words, "--format", "json").output)["data"]
    for row in said:
        for kind in ("points", "minor"):
            opening, issued, redeemed, expired, repriced, closing = (
                row[f"{name}_{kind}"] for name in ("opening", "issued", "redeemed", "expired", "repriced", "closing")
            )
            assert opening + issued - redeemed - expired + repriced == closing
    assert Counter(row["month"] for row in said) == {"2026-03": 3}
    file = tmp_path / "movements.csv"
    assert terminal(*words, "--format", "csv", "--output", file).output == f"wrote {file}\n"
    assert '"fuelway","2026-03","coalition","GBP",0,277,140,77,0,60,0,139,70,39,0,30' in file.read_text().splitlines()


def test_a_seal_says_of_each_pair_of_accounts_what_the_postings_do() -> None:
    issuer = movements.programme.UUID(int=7)
    for account, moved in {
        "issuance>wallet": Moved(5), "wallet>issuance": Moved(-5), "adjustment>wallet": Moved(5),
        "wallet>redemption": Moved(0, 5), "redemption>wallet": Moved(0, -5), "wallet>breakage": Moved(0, 0, 5),
        "issuance>debt": Moved(5, 5), "wallet>hold": Moved(), "wallet>merge": Moved(),
    }.items():  # fmt: skip
        assert point_movements._of_total(f"{account}:{issuer}", 5) == (issuer, moved)
