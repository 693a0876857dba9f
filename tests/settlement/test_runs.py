"""A settlement run: obligations by lot issuer at the lot's own price, nets, statements; and again, the same bytes."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from contextlib import nullcontext
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import psycopg
import pytest
from sqlalchemy import text

from coalition import business_days, ledger, programme, wallets
from coalition.dated import DayIsOver, VersionTaken
from kit import audit, ids
from settlement import agreements, approvals, logged_days, nightly, reports, runs, standing, statements, verify, watch
from settlement.agreements import MalformedPrice
from settlement.approvals import MoneyBooked
from settlement.nightly import RunDiffers
from settlement.reports import DayNotSettled
from settlement.run_failures import RunFailure
from tests.coalition import seal_recipe
from tests.conftest import NOW, World, act, audited, request

DAY = NOW.date()
MIDNIGHT = NOW + timedelta(days=1)
_ONE_MORE_PAYMENT = (
    "INSERT INTO settlement.run_payment "
    "SELECT coalition.new_id(), run_id, 9, payer_id, payee_id, currency, 1 FROM settlement.run_payment"
)
SETTLED = ("settled_day", "obligation", "line", "run_change", "run_position", "run_payment", "run_statement")


def agree(world: World, partner, price: str, since: date = DAY, **more: str) -> None:
    with world.transaction() as session:
        agreements.agree(
            session,
            act(),
            partner_id=partner.partner_id,
            redemption_price_minor=Decimal(price),
            currency="GBP",
            since=since,
            **more,
        )


def run(world: World, day: date = DAY, now=MIDNIGHT):
    return nightly.run(world.database, act(world.keyring, now=now), day=day)


def report(world: World, day: date = DAY) -> reports.Report:
    with world.transaction() as session:
        return reports.get(session, day)


def statement(world: World, day: date, code: str) -> dict:
    """The statement of a daily run, as its file says it."""
    with world.database.reading() as session:
        content = statements.content(session, runs.of_day(session, day))
        partner_id = next(party.party_id for party in content.parties.values() if party.code == code)
        return json.loads("".join(statements.as_json(session, content, partner_id)))


def run_due(world: World, now, **more):
    return nightly.run_due(world.database, act(world.keyring, now=now), **more)


def verified(world: World) -> str | None:
    with world.transaction() as session:
        return verify.first_broken(session)


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
    done = run(world)
    made = report(world)
    assert done.settled_now
    assert [(o.payer, o.payee, o.points, o.amount_minor) for o in made.obligations] == [
        ("Fuelway", "Greengrocer", 40, 20),
        ("Greengrocer", "Fuelway", 101, 96),  # 95.95
    ]
    assert [(n.partner, n.amount_minor) for n in made.net_positions] == [
        ("Fuelway", 76),
        ("Greengrocer", -76),
    ]
    assert reports.who_owes_whom(made) == ["Greengrocer owes Fuelway 0.76 GBP"]


@pytest.mark.parametrize("reference", ['F"2', "F\\2\t\n\r\b\f\v", "Фасоль 2 € \u2028\x7f\x1f", "{}%s%(day)s", "a|b"])
def test_a_line_of_a_statement_is_plain_json_whatever_its_reference(traded, reference: str) -> None:
    world, (_, _, bookshop), member = traded
    burned = world.burn(bookshop.partner_id, member, 3, reference=reference)
    run(world)
    with world.transaction() as session:
        seal = business_days.find_seal(session, DAY)
        assert business_days.compute_seal(session, DAY, previous=bytes(32)) == seal
        assert seal.digest == seal_recipe.digest(session, DAY)
    for code in ("fuelway", "pagebound"):
        said = statement(world, DAY, code)
        (line,) = [line for line in said["lines"] if line["reference"] == reference]
        owed = said["obligations"][line["obligation"]]
        assert (owed["payer"], owed["payee"], owed["agreement_version"]) == ("fuelway", "pagebound", 1)
        assert line | {"obligation": 0} == {
            "obligation": 0,
            "transaction_id": ids.show(ids.TRANSACTION, burned.transaction_id),
            "seq": 1,
            "posted_on": str(DAY),
            "issued_on": str(DAY),
            "concerns": str(DAY),
            "points": 3,
            "amount_minor": 2,  # 1.5
            "reference": reference,
        }


def test_a_statement_can_be_hashed_again_from_its_file_alone(traded) -> None:
    world, _, _ = traded
    run(world)
    said = statement(world, DAY, "fuelway")
    lines, kept = said.pop("lines"), said.pop("content_hash")
    for place, owed in enumerate(said["obligations"]):
        digest = hashlib.sha256()
        for line in lines:
            if line["obligation"] == place:
                transaction_id = ids.parse(ids.TRANSACTION, line["transaction_id"])
                parts = (transaction_id, line["seq"], line["posted_on"], line["issued_on"], line["concerns"],
                         line["points"], line["amount_minor"], line["reference"])  # fmt: skip
                digest.update(("|".join(map(str, parts)) + "\n").encode())
        assert owed["lines_digest"] == digest.hexdigest()
    written = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(written.encode()).hexdigest() == kept


def test_a_run_run_again_gives_the_same_bytes_and_writes_nothing(traded) -> None:
    world, _, _ = traded
    first, events = run(world), world.count("kit.event")
    world.partner("latecomer", now=MIDNIGHT + timedelta(hours=1))
    again = run(world)
    assert (again.content_hash, again.settled_now) == (first.content_hash, False)
    assert world.count("kit.event") == events


def test_two_runs_at_once_settle_once(traded) -> None:
    world, _, _ = traded
    found: list[nightly.SettledDay] = []
    both = [threading.Thread(target=lambda: found.append(run(world))) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(timeout=30)
    assert sorted(one.settled_now for one in found) == [False, True]
    assert world.count("settlement.run_statement") == 3


def test_a_run_that_would_differ_stops(traded) -> None:
    world, _, _ = traded
    run(world)
    with psycopg.connect(str(world.settings.database_url)) as owner:
        owner.execute("UPDATE settlement.agreement SET redemption_price_minor = 2")
    with pytest.raises(RunDiffers):
        run(world)


@pytest.mark.parametrize("table", SETTLED)
@pytest.mark.parametrize("statement", ["UPDATE {0} SET {1} = {1}", "DELETE FROM {0}", "TRUNCATE {0} CASCADE"])
def test_what_is_settled_can_not_be_changed_even_by_the_owner(traded, table: str, statement: str) -> None:
    world, _, _ = traded
    run(world)
    column = {"settled_day": "day", "obligation": "day", "line": "n"}.get(table, "run_id")
    with psycopg.connect(str(world.settings.database_url)) as owner, pytest.raises(psycopg.Error, match="stays"):
        owner.execute(statement.format(f"settlement.{table}", column))


def test_the_command_asks_of_settlement_too() -> None:
    """In a process of its own: here the tests have imported everything."""
    asked = "import cli; from coalition import verify; print(*verify.OF_ROOMS_ABOVE, sep='\\n')"
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == [verify.INVARIANT, logged_days.INVARIANT]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE settlement.obligation SET amount_minor = amount_minor + 1 WHERE points = 101",
        "UPDATE settlement.obligation SET cycle = 'monthly'",
        "UPDATE settlement.obligation SET lines_digest = sha256('x')",
        "UPDATE settlement.line SET amount_minor = amount_minor + 1",
        "UPDATE settlement.line SET reference = reference || ' '",
        "DELETE FROM settlement.line",
        "UPDATE settlement.line SET n = n + 100",
        "UPDATE settlement.run_position SET amount_minor = 0",
        "UPDATE settlement.run_payment SET amount_minor = amount_minor + 100000",
        "UPDATE settlement.run_payment SET payer_id = payee_id, payee_id = payer_id",
        "UPDATE settlement.run_statement SET content_hash = sha256('x')",
        "UPDATE settlement.run SET content_hash = sha256('x') WHERE content_hash IS NOT NULL",
        "UPDATE settlement.settled_day SET content_hash = sha256('x')",
        "DELETE FROM settlement.run_payment",
        "DELETE FROM settlement.run_statement WHERE partner_id IN (SELECT party_id FROM settlement.run_position)",
        _ONE_MORE_PAYMENT,
    ],
)
def test_a_settled_row_that_was_changed_all_the_same_is_found_by_a_rerun_and_by_verify(traded, change: str) -> None:
    world, _, _ = traded
    run(world)
    assert verified(world) is None
    with psycopg.connect(str(world.settings.database_url)) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute(change)
    with pytest.raises(RunDiffers):
        run(world)
    assert str(DAY) in (verified(world) or "")


def test_verify_finds_lines_of_no_obligation(traded) -> None:
    world, _, _ = traded
    run(world)
    with psycopg.connect(str(world.settings.database_url)) as owner:
        owner.execute("INSERT INTO settlement.line SELECT coalition.new_id(), n, txn_id, seq, posted_on, issued_on, "
                      "concerns, reference, points, amount_minor FROM settlement.line")  # fmt: skip
    assert verified(world) == "line: there are lines of no obligation"


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
        events = session.scalars(text("SELECT data FROM kit.event WHERE type = 'settlement.statement_ready'")).all()
    bodies = [statement(world, DAY, brand) for brand in ("greengrocer", "fuelway", "pagebound")]
    assert sorted(event["content_hash"] for event in events) == sorted(body["content_hash"] for body in bodies)
    day = DAY.isoformat()
    assert {(one["cycle"], one["first_day"], one["last_day"], one["day"]) for one in events} == {
        ("daily", day, day, day)
    }
    for body in bodies:
        for place, obligation in enumerate(body["obligations"]):
            amounts = [line["amount_minor"] for line in body["lines"] if line["obligation"] == place]
            assert sum(amounts) == obligation["amount_minor"]


def test_the_event_of_a_longer_statement_says_its_cycle_and_its_days(world: World) -> None:
    agree(world, world.partner("pagebound"), "1", cycle="weekly")
    for n in range(7):
        run(world, DAY + timedelta(days=n), NOW + timedelta(days=n + 1))
    with world.transaction() as session:
        (said,) = session.scalars(text("SELECT data FROM kit.event WHERE type = 'settlement.statement_ready'")).all()
    sunday = (DAY + timedelta(days=6)).isoformat()
    assert (said["cycle"], said["first_day"], said["last_day"], said["day"]) == (
        "weekly", DAY.isoformat(), sunday, sunday,
    )  # fmt: skip


def test_an_empty_day_settles_like_any_other(world: World) -> None:
    world.partner("greengrocer")
    assert run(world).payments == 0
    assert "none" in reports.as_table(report(world))


def test_points_without_a_price_are_set_aside_and_named_and_hold_up_nobody(traded, caplog) -> None:
    world, (_, _, book), member = traded
    stray = world.partner("stray")
    world.earn(stray.partner_id, member, 30)
    world.burn(book.partner_id, member, 40, reference="B1")  # 10 of the station's, 30 of the stray's
    done = run(world)
    made = report(world)
    assert (done.settled_now, done.set_aside) == (True, 1)
    assert [(o.payer, o.payee, o.points, o.amount_minor) for o in made.obligations] == [
        ("Fuelway", "Greengrocer", 40, 20),
        ("Fuelway", "Pagebound", 10, 5),
        ("Greengrocer", "Fuelway", 101, 96),
    ]
    (left,) = made.set_aside
    assert (left.payer, left.payee, left.points, left.code) == ("Stray", "Pagebound", 30, "agreement_missing")
    assert "30 points issued on 2026-03-02, waiting" in reports.as_table(made)
    assert '"set_aside","2026-03-02","Stray","Pagebound",30,"",""' in reports.as_csv(made)
    assert "points set aside" in caplog.text
    named = {
        partner: bool(statement(world, DAY, partner)["set_aside"]) for partner in ("stray", "pagebound", "fuelway")
    }
    assert named == {"stray": True, "pagebound": True, "fuelway": False}
    with world.transaction() as session:
        stands = standing.read(session, now=MIDNIGHT)
        assert (stands.set_aside, stands.set_aside_points, stands.last_settled) == (1, 30, DAY)
        assert watch.state(session, MIDNIGHT) == "set aside"
    assert (run(world).settled_now, verified(world)) == (False, None)


def test_an_agreement_for_the_days_before_the_first_settles_what_was_set_aside_in_the_next_run(traded) -> None:
    world, (grocer, _, book), member = traded
    stray = world.partner("stray")
    world.earn(stray.partner_id, member, 30)
    world.burn(book.partner_id, member, 25)  # 10 of the station's, 15 of the stray's
    first = run(world)
    world.burn(book.partner_id, member, 5, reference="B2")
    agree(world, stray, "2", since=DAY + timedelta(days=1))  # what the command does if no day is given
    second = run(world, DAY + timedelta(days=1), MIDNIGHT + timedelta(days=1))
    assert (second.set_aside, second.taken_in) == (1, 0), "the points of the first day have no price yet"
    agree(world, stray, "3", since=DAY)
    world.burn(grocer.partner_id, member, 1)
    third = run(world, DAY + timedelta(days=2), MIDNIGHT + timedelta(days=2))
    assert (third.set_aside, third.taken_in) == (0, 2)
    made = report(world, DAY + timedelta(days=2))
    assert [(o.payer, o.payee, o.points, o.amount_minor) for o in made.obligations] == [
        ("Stray", "Greengrocer", 1, 3), ("Stray", "Pagebound", 20, 60),
    ]  # fmt: skip
    lines = statement(world, DAY + timedelta(days=2), "pagebound")["lines"]
    assert [(line["posted_on"], line["points"], line["amount_minor"]) for line in lines] == [
        ("2026-03-02", 15, 45), ("2026-03-03", 5, 15),
    ]  # fmt: skip
    assert report(world).set_aside[0].settled_on == DAY + timedelta(days=2)
    for day, before in ((DAY, first), (DAY + timedelta(days=1), second), (DAY + timedelta(days=2), third)):
        assert run(world, day, MIDNIGHT + timedelta(days=9)).content_hash == before.content_hash
    assert verified(world) is None


def test_a_run_that_fails_keeps_no_other_day_waiting_and_is_told_of(traded, caplog) -> None:
    world, (grocer, _, _), member = traded
    run(world)
    with psycopg.connect(str(world.settings.database_url)) as owner:  # what the next run can't write beside
        owner.execute("SET session_replication_role = replica")
        owner.execute("INSERT INTO settlement.obligation (day, payer_id, payee_id, agreement_id, currency, points, "
                      "amount_minor) SELECT day + 1, payer_id, payee_id, agreement_id, currency, 1, 1 "
                      "FROM settlement.obligation")  # fmt: skip
    later = MIDNIGHT + timedelta(days=2)
    world.burn(grocer.partner_id, member, 3)
    agree(world, world.partner("late"), "1", since=DAY + timedelta(days=2))
    done = list(run_due(world, now=later))
    assert [(one.day, isinstance(one, RunFailure)) for one in done] == [
        (DAY + timedelta(days=1), True), (DAY + timedelta(days=2), False),
    ]  # fmt: skip
    assert caplog.text.count("the settlement of 2026-03-03 failed") == 1
    with world.transaction() as session:
        assert watch.state(session, later) == "failed: 2026-03-03 (internal_error)"
    assert (
        list(
            nightly.run_due(
                world.database, act(world.keyring, now=later), unless_failed_since=later - timedelta(minutes=5)
            )
        )
        == []
    )
    with psycopg.connect(str(world.settings.database_url)) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute("DELETE FROM settlement.obligation WHERE day = '2026-03-03'")
    assert [one.day for one in run_due(world, now=later)] == [DAY + timedelta(days=1)]
    assert caplog.text.count("failed") == 1
    with world.transaction() as session:
        assert watch.state(session, later) == "ok"
        assert watch.state(session, later + timedelta(days=2)) == "late"


def test_no_new_terms_for_a_day_that_is_over_and_had_some(traded) -> None:
    world, (grocer, _, _), _ = traded
    run(world)
    tomorrow = DAY + timedelta(days=1)
    for since in (DAY, DAY - timedelta(days=35)):
        with pytest.raises(VersionTaken) if since == DAY else nullcontext():
            agree(world, grocer, "5", since=since)
    with pytest.raises(DayIsOver):
        agree(world, grocer, "6", since=DAY - timedelta(days=1))
    agree(world, grocer, "7", since=tomorrow)
    with world.transaction() as session:
        found = [
            (a.version, a.since, a.until) for a in agreements.everything(session) if a.partner_id == grocer.partner_id
        ]
    assert found == [(1, DAY, tomorrow), (2, DAY - timedelta(days=35), DAY), (3, tomorrow, None)]
    assert run(world).settled_now is False


def test_what_is_due_is_what_is_over_and_not_settled(traded) -> None:
    world, _, _ = traded
    with world.transaction() as session:
        assert nightly.due_days(session, now=NOW) == []
        assert nightly.due_days(session, now=NOW + timedelta(days=2)) == [DAY, DAY + timedelta(days=1)]


def test_what_the_clock_does_is_written_down_once_for_each_day(traded) -> None:
    world, _, _ = traded
    for _ in range(2):
        list(nightly.run_due(world.database, audit.of_clock(MIDNIGHT + timedelta(days=1), world.keyring)))
    entries = audited(world.database)
    assert {entry["kind"] for entry in entries} == {"clock"}
    assert [(entry["action"], entry["subject"]) for entry in entries if entry["action"].startswith("day.")] == [
        (action, str(DAY + timedelta(days=n))) for n in (1, 0) for action in ("day.settled", "day.closed")
    ]
    assert [entry["facts"]["cycle"] for entry in entries if entry["action"] == "settlement.calculated"] == ["daily"] * 2


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
    assert '"net_position","2026-03-02","","Fuelway","",76,"GBP"' in reports.as_csv(made).splitlines()
    assert "Greengrocer owes Fuelway 0.76 GBP" in reports.as_table(made)


def test_the_report_and_the_matrix_hold_what_returns_could_not_cover_and_what_was_recovered(traded) -> None:
    world, (grocer, station, _), member = traded
    with world.transaction() as session:
        programme.set_rules(session, act(), replace(programme.rules(session), return_policy="debt"))
    bought = world.earn(grocer.partner_id, member, 30)
    world.burn(station.partner_id, member, 40)
    with world.transaction() as session:
        back = ledger.Reversal(original_id=bought.transaction_id, reference="back")
        assert ledger.post(session, request(grocer.partner_id), back).unwrap().shortfall == 30
    assert world.earn(station.partner_id, member, 50).debt_repaid == 30
    run(world)
    made = report(world)
    assert [(line.partner, line.points) for line in made.shortfall] == [("Greengrocer", 30)]
    assert '"shortfall","2026-03-02","Greengrocer","",30,"",""' in reports.as_csv(made).splitlines()
    assert "Greengrocer" in reports.as_table(made).partition("Not covered")[2]
    with world.transaction() as session:
        matrix = {(issuer, redeemer): points for issuer, redeemer, points in business_days.matrix(session)}
        turnover = business_days.turnover(session)
    assert matrix[station.partner_id, grocer.partner_id] == 40 + 30
    assert sum(matrix.values()) == sum(each.burned - each.burns_reversed + each.debt_repaid for each in turnover)


def test_a_sandbox_ends_its_day_early_to_try_the_night(traded) -> None:
    world, (grocer, _, _), member = traded
    with world.transaction() as session:
        assert business_days.close_early(session, now=NOW + timedelta(hours=1)) == DAY
    done = run(world, now=NOW + timedelta(hours=1))
    assert done.settled_now
    assert world.earn(grocer.partner_id, member, 5).business_date == DAY + timedelta(days=1)
    assert list(run_due(world, now=MIDNIGHT)) == []
    assert verified(world) is None


def test_a_day_that_the_version_before_settled_is_taken_over_and_asks_nobody_for_money_again(traded) -> None:
    world, (grocer, station, _), _ = traded
    run(world)
    with psycopg.connect(str(world.settings.database_url)) as owner:  # as that version left it: no run, no lines
        owner.execute("SET session_replication_role = replica")
        owner.execute("INSERT INTO settlement.net_position SELECT %s, party_id, currency, amount_minor "
                      "FROM settlement.run_position", [DAY])  # fmt: skip
        owner.execute("INSERT INTO settlement.payment SELECT %s, n, payer_id, payee_id, currency, amount_minor "
                      "FROM settlement.run_payment", [DAY])  # fmt: skip
        owner.execute("INSERT INTO settlement.statement SELECT statement_id, %s, partner_id, '', content_hash "
                      "FROM settlement.run_statement", [DAY])  # fmt: skip
        owner.execute("UPDATE settlement.settled_day SET form = 1")
        owner.execute("UPDATE settlement.obligation SET lines_digest = NULL")
        owner.execute("TRUNCATE settlement.line, settlement.run CASCADE")
    events = world.count("kit.event")
    done = run(world, now=MIDNIGHT + timedelta(hours=1))
    assert (done.settled_now, done.payments, world.count("kit.event")) == (False, 1, events)
    with world.transaction() as session:
        taken = runs.get(session, done.run_id)
        assert (taken.state, runs.unpaid(session)) == ("settled", {})
        [payment] = runs.payments(session, done.run_id)
        assert (payment.payer_id, payment.payee_id, payment.amount_minor) == (grocer.partner_id, station.partner_id, 76)
    assert verified(world) is None
    assert reports.who_owes_whom(report(world)) == ["Greengrocer owes Fuelway 0.76 GBP"]


def test_what_was_paid_of_a_run_is_not_open_any_more_and_a_run_with_money_is_not_abandoned(traded) -> None:
    world, (grocer, station, _), _ = traded
    done = run(world)
    with world.transaction() as session:
        assert runs.unpaid(session) == {(grocer.partner_id, "GBP"): -76, (station.partner_id, "GBP"): 76}
        [payment] = runs.payments(session, done.run_id)
    with psycopg.connect(str(world.settings.database_url)) as owner:
        owner.execute("SET session_replication_role = replica")  # the bank's entry is not there
        owner.execute(
            "INSERT INTO settlement.payment_change (payment_id, kind, amount_minor, bank_entry_id, found_by, at, by) "
            "VALUES (%s, 'booked', 70, gen_random_uuid(), 'hand', now(), 'ann')", [payment.payment_id],
        )  # fmt: skip
    with world.transaction() as session:
        assert runs.unpaid(session) == {(grocer.partner_id, "GBP"): -6, (station.partner_id, "GBP"): 6}
        with pytest.raises(MoneyBooked):
            approvals.abandon(session, act(world.keyring, by="ann", reason="a test"), run_id=done.run_id)
