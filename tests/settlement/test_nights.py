"""A night: obligations by lot issuer at the lot's own price, nets, statements; and again, the same bytes."""

from __future__ import annotations

import json
import threading
from datetime import date, timedelta
from decimal import Decimal

import psycopg
import pytest
from sqlalchemy import text

from coalition import ledger, wallets
from coalition.dated import VersionTaken
from settlement import agreements, nights, reports
from settlement.agreements import AgreementMissing, MalformedPrice
from settlement.nights import NightDiffers
from settlement.reports import DayNotSettled
from tests.conftest import NOW, World, request

DAY = NOW.date()
MIDNIGHT = NOW + timedelta(days=1)


def agree(world: World, partner, price: str, since: date = DAY) -> None:
    with world.transaction() as session:
        agreements.agree(
            session,
            partner_id=partner.partner_id,
            redemption_price_minor=Decimal(price),
            currency="GBP",
            since=since,
            now=NOW,
        )


def run(world: World, day: date = DAY, now=MIDNIGHT):
    return nights.run(world.database, day=day, now=now, keyring=world.keyring)


def report(world: World, day: date = DAY) -> reports.Report:
    with world.transaction() as session:
        return reports.get(session, day)


@pytest.fixture
def traded(world: World):
    """Three brands; 101 of the grocer's points are burned at the station, 40 of the station's at the grocer's."""
    brands = [world.partner(code) for code in ("greengrocer", "fuelway", "pagebound")]
    grocer, station, _ = brands
    for brand, price in zip(brands, ("0.95", "0.5", "1"), strict=True):
        agree(world, brand, price)
    member = world.member()
    world.earn(grocer.partner_id, member, 101)
    world.burn(station.partner_id, member, 101, reference="F1")
    world.earn(station.partner_id, member, 50)
    world.burn(grocer.partner_id, member, 40, reference="G1")
    return world, brands, member


def test_the_issuer_of_burned_points_owes_who_took_them(traded) -> None:
    world, _, _ = traded
    night = run(world)
    made = report(world)
    assert night.settled_now
    assert [(o.payer, o.payee, o.points, o.amount_minor) for o in made.obligations] == [
        ("Fuelway", "Greengrocer", 40, 20),
        ("Greengrocer", "Fuelway", 101, 96),  # 95.95
    ]
    assert [(n.partner, n.amount_minor) for n in made.net_positions] == [
        ("Fuelway", 76),
        ("Greengrocer", -76),
    ]
    assert reports.who_owes_whom(made) == ["Greengrocer owes Fuelway 0.76 GBP"]


def test_a_night_run_again_gives_the_same_bytes_and_writes_nothing(traded) -> None:
    world, _, _ = traded
    first, events = run(world), world.count("kit.event")
    world.partner("latecomer", now=MIDNIGHT + timedelta(hours=1))
    again = run(world)
    assert (again.content_hash, again.settled_now) == (first.content_hash, False)
    assert world.count("kit.event") == events


def test_two_nights_at_once_settle_once(traded) -> None:
    world, _, _ = traded
    found: list[nights.Night] = []
    both = [threading.Thread(target=lambda: found.append(run(world))) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(timeout=30)
    assert sorted(night.settled_now for night in found) == [False, True]
    assert world.count("settlement.statement") == 3


def test_a_night_that_would_differ_stops(traded) -> None:
    world, _, _ = traded
    run(world)
    with psycopg.connect(str(world.settings.database_url)) as owner:
        owner.execute("UPDATE settlement.agreement SET redemption_price_minor = 2")
    with pytest.raises(NightDiffers):
        run(world)


def test_the_price_is_that_of_the_day_the_points_were_issued(traded) -> None:
    world, (grocer, station, _), member = traded
    run(world)
    agree(world, station, "3", since=DAY + timedelta(days=1))
    world.burn(grocer.partner_id, member, 10)  # issued while the price was 0.5
    run(world, DAY + timedelta(days=1), MIDNIGHT + timedelta(days=1))
    assert [(o.points, o.amount_minor) for o in report(world, DAY + timedelta(days=1)).obligations] == [(10, 5)]


def test_a_return_after_the_close_lands_in_the_next_day_with_its_sign(traded) -> None:
    world, (_, station, _), _ = traded
    run(world)
    with world.transaction() as session:
        burned = wallets.by_reference(session, reference="F1", partner_id=station.partner_id, limit=1)[0]
        command = ledger.Reversal(original_id=burned.transaction_id, reference="X1", points=100)
        ledger.post(session, request(station.partner_id), command).unwrap()
    run(world, DAY + timedelta(days=1), MIDNIGHT + timedelta(days=1))
    made = report(world, DAY + timedelta(days=1))
    assert [(o.payer, o.payee, o.points, o.amount_minor) for o in made.obligations] == [
        ("Greengrocer", "Fuelway", -100, -95)
    ]
    assert reports.who_owes_whom(made) == ["Fuelway owes Greengrocer 0.95 GBP"]


def test_every_partner_gets_a_statement_whose_lines_add_up_and_an_event(traded) -> None:
    world, _, _ = traded
    run(world)
    with world.transaction() as session:
        bodies = [json.loads(bytes(b)) for b in session.scalars(text("SELECT body FROM settlement.statement"))]
        events = session.scalars(text("SELECT data FROM kit.event WHERE type = 'settlement.statement_ready'")).all()
    assert len(bodies) == len(events) == 3
    for body in bodies:
        for obligation in body["obligations"]:
            pair = (obligation["payer"], obligation["payee"])
            lines = [line for line in body["lines"] if (line["payer"], line["payee"]) == pair]
            assert sum(line["amount_minor"] for line in lines) == obligation["amount_minor"]


def test_an_empty_day_settles_like_any_other(world: World) -> None:
    world.partner("greengrocer")
    assert run(world).payments == 0
    assert "none" in reports.as_table(report(world))


def test_a_partner_without_agreement_is_named_and_the_day_waits(world: World) -> None:
    grocer, station = world.partner("greengrocer"), world.partner("fuelway")
    member = world.member()
    world.earn(grocer.partner_id, member, 10)
    world.burn(station.partner_id, member, 10)
    with pytest.raises(AgreementMissing):
        run(world)
    agree(world, grocer, "1")
    assert run(world).settled_now


def test_what_is_due_is_what_is_over_and_not_settled(traded) -> None:
    world, _, _ = traded
    with world.transaction() as session:
        assert nights.due_days(session, now=NOW) == []
        assert nights.due_days(session, now=NOW + timedelta(days=2)) == [DAY, DAY + timedelta(days=1)]


def test_agreements_may_not_overlap(traded) -> None:
    world, (grocer, _, _), _ = traded
    with pytest.raises(VersionTaken):
        agree(world, grocer, "1")


@pytest.mark.parametrize("price", ["-1", "x", "NaN", "1e9", "0.000000001"])
def test_a_price_out_of_bounds_is_refused(price: str) -> None:
    with pytest.raises(MalformedPrice):
        agreements.price(price)


def test_a_day_that_is_not_settled_has_no_report(world: World) -> None:
    with pytest.raises(DayNotSettled):
        report(world)


def test_the_report_is_the_same_figures_in_every_format(traded) -> None:
    world, _, _ = traded
    run(world)
    made = report(world)
    assert json.loads(reports.as_json(made))["net_positions"][0]["amount_minor"] == 76
    assert "net_position,2026-03-02,,Fuelway,,76,GBP" in reports.as_csv(made).splitlines()
    assert "Greengrocer owes Fuelway 0.76 GBP" in reports.as_table(made)
