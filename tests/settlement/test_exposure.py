"""Exposure: what is owed and not funded, live, and the events at 80 and 100 per cent of the limit."""

from __future__ import annotations

import json
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import text

from kit import ids
from settlement import exposure, outstanding, policies
from settlement.exposure import Exposure
from tests.conftest import NOW, World, act
from tests.service import terminal
from tests.settlement.small_coalition import agree, night, pay, trade
from tests.settlement.test_disputes import Trade

__all__ = ["terminal"]


def read(world: World, partner) -> Exposure:
    with world.transaction() as session:
        (found,) = [one for one in exposure.read(session) if one.partner_id == partner.partner_id]
    return found


def watch(world: World, minutes: int) -> list[Exposure] | None:
    with world.transaction() as session:
        return exposure.watch(session, act(world.keyring, now=NOW + timedelta(minutes=minutes)))


def events(world: World) -> list[tuple[str, int]]:
    with world.transaction() as session:
        rows = session.execute(
            text("SELECT type, data FROM kit.event WHERE type LIKE 'settlement.exposure%' ORDER BY event_id")
        )
        return [(row.type.removeprefix("settlement.exposure_"), row.data["exposure_minor"]) for row in rows]


@pytest.mark.parametrize("is_kept", [False, True])
def test_on_burn_it_is_points_outstanding_then_owed_then_nothing_once_it_is_paid(world: World, is_kept) -> None:
    grocer, station, member = world.partner("greengrocer"), world.partner("fuelway"), world.member()
    agree(world, grocer.partner_id, redemption_price_minor="2", exposure_limit_minor=1000, deposit_minor=50)
    agree(world, station.partner_id, redemption_price_minor="1")

    def says(*parts: int) -> None:
        if is_kept:
            with world.transaction() as session:
                outstanding.keep(session)
        found = read(world, grocer)
        assert (found.outstanding_minor, found.unpaid_minor, found.accrued_minor, found.exposure_minor) == parts

    says(0, 0, 0, -50)
    world.earn(grocer.partner_id, member, 100)
    says(200, 0, 0, 150)
    world.burn(station.partner_id, member, 30)
    says(140, 0, 60, 150)
    night(world, 0)
    says(140, 60, 0, 150)
    world.burn(grocer.partner_id, member, 10)  # at home nobody owes
    says(120, 60, 0, 130)
    with world.transaction() as session:
        session.execute(text("UPDATE settlement.policy SET approvals = 1"))
    pay(world, 0, until="instructed")
    says(120, 60, 0, 130)
    night(world, 1)
    says(120, 60, 0, 130)


def test_on_earn_it_is_what_was_charged_and_not_paid(world: World) -> None:
    grocer, station, member = world.partner("greengrocer"), world.partner("fuelway"), world.member()
    agree(world, grocer.partner_id, redemption_price_minor="2", funding="on_earn", issue_price_minor="3",
          exposure_limit_minor=1000)  # fmt: skip
    agree(world, station.partner_id, redemption_price_minor="1")
    world.earn(grocer.partner_id, member, 100)
    world.burn(station.partner_id, member, 30)
    found = read(world, grocer)
    assert (found.outstanding_points, found.accrued_minor, found.exposure_minor, found.percent) == (0, 300, 300, 30)
    night(world, 0)
    found = read(world, grocer)
    assert (found.unpaid_minor, found.exposure_minor) == (300, 300)
    with world.transaction() as session:
        session.execute(text("UPDATE settlement.policy SET approvals = 1"))
    pay(world, 0)
    assert read(world, grocer).exposure_minor == 0


@pytest.mark.parametrize(("outcome", "amount", "back"), [("upheld", None, 0), ("rejected", None, 315), ("part", 5, 5)])
def test_what_an_issuer_disputes_itself_counts_until_it_is_resolved(world: World, outcome, amount, back) -> None:
    trading = Trade(world)

    def unpaid() -> int:
        with world.transaction() as session:
            (found,) = [one for one in exposure.read(session) if one.partner_id == trading.grocer]
        return found.unpaid_minor

    assert unpaid() == 315 + 31 + 3
    mine, theirs = trading.dispute(1), trading.dispute(2, by=trading.station)
    assert unpaid() == 315 + 31 + 3
    trading.settle()
    assert unpaid() == 315 + 3, "what the other one disputes is not owed"
    trading.resolve(mine, outcome, amount)
    assert unpaid() == back + 3
    trading.resolve(theirs, "rejected")
    trading.settle()
    assert unpaid() == back + 31 + 3


@pytest.mark.parametrize(
    ("exposed", "limit", "percent", "level"),
    [(79, 100, 79, 0), (80, 100, 80, 80), (99, 100, 99, 80), (100, 100, 100, 100), (799, 1000, 79, 0), (-5, 0, 0, 0),
     (0, 0, 0, 0), (1, 0, 100, 100), (10**18, 1, 10**20, 100), (5, None, None, 0)],
)  # fmt: skip
def test_levels_are_reached_at_80_and_100_per_cent(exposed, limit, percent, level) -> None:
    found = Exposure(ids.new(), "GBP", 0, exposed, 0, 0, 0, limit)
    assert (found.percent, found.level) == (percent, level)


def test_a_level_is_told_once_when_it_is_reached_and_again_after_it_was_left(world: World) -> None:
    grocer, station, member = world.partner("greengrocer"), world.partner("fuelway"), world.member()
    agree(world, grocer.partner_id, redemption_price_minor="1", exposure_limit_minor=100)
    agree(world, station.partner_id, redemption_price_minor="1")
    world.earn(grocer.partner_id, member, 79)
    assert watch(world, 0) == []
    world.earn(grocer.partner_id, member, 1)
    assert watch(world, 0) is None, "it was looked at in this minute"
    assert [one.level for one in watch(world, 1)] == [80]
    assert watch(world, 2) == []
    world.earn(grocer.partner_id, member, 20)
    assert [one.level for one in watch(world, 3)] == [100]
    world.burn(grocer.partner_id, member, 30)
    assert watch(world, 4) == []
    with world.transaction() as session:
        assert session.execute(text("SELECT 1 FROM settlement.exposure_level")).all() == []
    world.earn(grocer.partner_id, member, 500)
    assert [one.level for one in watch(world, 5)] == [100], "both at once: one event"
    assert events(world) == [("warning", 80), ("exceeded", 100), ("exceeded", 570)]


def test_what_is_kept_is_what_the_postings_say_after_every_night(world: World) -> None:
    with world.transaction() as session:
        assert outstanding.now(session) == {}
    with world.transaction() as session:
        outstanding.keep(session)
    parties = trade(world)
    for n in (3, 4):
        with world.transaction() as session:
            fresh = outstanding.now(session)
            outstanding.keep(session)
            assert outstanding.now(session) == fresh
            rows = session.execute(
                text("SELECT issuer_id, sum(remaining)::bigint FROM coalition.lot GROUP BY 1 HAVING sum(remaining) > 0")
            )
            lots = {row[0]: row[1] for row in rows}
        assert {lot.issuer_id: points for lot, points in fresh.items()} == lots
        world.earn(parties["greengrocer"].partner_id, parties["member"], 9)
        night(world, n)


def test_the_command_shows_it_with_its_limit(world: World, terminal) -> None:
    grocer, member = world.partner("greengrocer"), world.member()
    agree(world, grocer.partner_id, redemption_price_minor="1.5", exposure_limit_minor=1000, deposit_minor=7)
    world.earn(grocer.partner_id, member, 101)
    (row,) = json.loads(terminal("settlement", "exposure", "greengrocer", "--format", "json").output)["data"]
    assert row == {
        "partner": "greengrocer", "currency": "GBP", "outstanding_points": 101, "outstanding_minor": 152,
        "unpaid_minor": 0, "accrued_minor": 0, "deposit_minor": 7, "exposure_minor": 145, "limit_minor": 1000,
        "percent": 14, "unfunded_points": 0,
    }  # fmt: skip
    assert "1.45" in terminal("settlement", "exposure").output
    assert terminal("settlement", "exposure", "nobody").exit_code == 1


def test_points_that_wait_are_shown_where_their_issuer_has_no_agreement_any_more(world: World, terminal) -> None:
    grocer, member = world.partner("greengrocer"), world.member()
    agree(world, grocer.partner_id, redemption_price_minor="1", exposure_limit_minor=100)
    with world.transaction() as session:
        policies.put(session, act(), policies.Policy(beyond_limit=policies.PENDING))
    world.earn(grocer.partner_id, member, 100)
    watch(world, 0)
    assert world.earn(grocer.partner_id, member, 7).unfunded == 7
    with psycopg.connect(str(world.settings.database_url)) as owner:
        owner.execute("UPDATE settlement.agreement SET valid = daterange(lower(valid) - 10, lower(valid))")
    (row,) = json.loads(terminal("settlement", "exposure", "greengrocer", "--format", "json").output)["data"]
    assert (row["currency"], row["unfunded_points"], row["limit_minor"]) == ("GBP", 7, None)


def test_the_command_sets_what_is_done_beyond_the_limit_and_shows_it(world: World, terminal) -> None:
    for choice in policies.BEYOND_LIMIT:
        made = terminal("settlement", "policy", "--beyond-limit", choice, "--json", "--by", "ann", "--reason", "so")
        assert (made.exit_code, json.loads(made.output)["beyond_limit"]) == (0, choice), made.output
        with world.transaction() as session:
            assert policies.get(session).beyond_limit == choice
    assert terminal("settlement", "policy", "--beyond-limit", "later").exit_code == 2
