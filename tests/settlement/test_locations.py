"""What is owed by store: stores and what no store has add up to the totals, to the cent, whatever happened."""

from __future__ import annotations

import csv
import io
import json
import random
from collections import Counter
from datetime import timedelta
from hashlib import sha256
from typing import Any

import openpyxl
import psycopg
import pytest

from kit import ids
from partners import locations
from settlement import nightly, periods, runs, statement_form, statements, verify
from settlement.cycles import Span
from settlement.files import document, formats
from settlement.files.formats import Order
from settlement.periods import Asked
from tests.conftest import NOW, World, act
from tests.service import terminal as terminal
from tests.settlement.months import Month, agree
from tests.settlement.plain import rows

DAY = NOW.date()
LAST = DAY + timedelta(days=13)
# Each line's location, found in the ledger's own rows: that of its transaction, where the same partner posted it.
LINES = """
    SELECT o.day, o.payer_id, o.payee_id, o.kind, o.currency, l.points, l.amount_minor,
           CASE WHEN p.partner_id = t.partner_id THEN t.location_id END AS location_id
    FROM settlement.obligation o JOIN settlement.line l USING (obligation_id)
    JOIN coalition.txn t ON t.txn_id = l.txn_id
    JOIN coalition.posting p ON (p.member_id, p.txn_id, p.seq) = (t.member_id, t.txn_id, l.seq)
"""


def get(world: World, days: Span, asked: Asked) -> periods.PeriodReport:
    with world.database.reading() as session:
        return periods.get(session, days, asked)


def summed(lines: list[Any]) -> dict[tuple[str, ...], tuple[int, int]]:
    found: dict[str, Counter[tuple[str, ...]]] = {"points": Counter(), "amount_minor": Counter()}
    for one in lines:
        for name, counted in found.items():
            counted[one.payer, one.payee, one.kind, one.currency] += getattr(one, name)
    return {key: (found["points"][key], minor) for key, minor in found["amount_minor"].items()}


@pytest.mark.parametrize("seed", range(11, 14))
def test_stores_and_no_store_add_up_to_every_total(world: World, seed: int) -> None:
    month = Month(world, seed)
    month.trade(
        LAST, late_agreement=DAY + timedelta(days=5), changes={DAY + timedelta(days=3): 2}
    )  # on_earn throughout
    url = str(world.settings.database_url)
    lines = rows(url, LINES)
    shown = {place: ids.show(ids.LOCATION, place) for of in month.places.values() for place in of}
    with world.transaction() as session:
        names = {party_id: party.name for party_id, party in statements.parties(session).items()}
    chosen = random.Random(seed)
    for _ in range(12):
        first, last = sorted(DAY + timedelta(days=chosen.randint(0, 13)) for _ in range(2))
        parties = chosen.sample(month.partners, 2)
        asked = [Asked(by_location=True), Asked(parties[0], by_location=True), Asked(*parties, by_location=True)]
        for one in asked:
            report = get(world, Span(first, last), one)
            assert report.by_location is not None
            assert summed(report.by_location) == {
                key: sums for key, sums in summed(report.obligations).items()
                if any(sums) or any(found for found in report.by_location if key == _key(found))
            }  # fmt: skip
            due: Counter[tuple[str, ...]] = Counter()
            for line in lines:
                if (
                    line["location_id"]
                    and first <= line["day"] <= last
                    and one.concerns(line["payer_id"], line["payee_id"])
                ):
                    key = (names[line["payer_id"]], names[line["payee_id"]], line["kind"], line["currency"])
                    due[*key, shown[line["location_id"]]] += line["amount_minor"]
            found = {(*_key(each), each.location): each.amount_minor for each in report.by_location if each.location}
            assert {k: v for k, v in found.items() if v} == {k: v for k, v in due.items() if v}
    everything = get(world, Span(DAY, LAST), Asked(by_location=True)).by_location
    assert everything is not None
    assert {"redemption", "issue"} <= {one.kind for one in everything if one.location}
    assert {one.kind for one in everything if one.location} == {one["kind"] for one in lines if one["location_id"]}
    assert [one for one in everything if not one.location and one.kind == "fee"], "fees are of no store"
    with world.transaction() as session:
        assert verify.first_broken(session) is None


def _key(one: periods.LocationLine) -> tuple[str, str, str, str]:
    return one.payer, one.payee, one.kind, one.currency


@pytest.fixture
def a_day(world: World):
    """Points of the grocer, spent at two stores of the station and at none; the day is settled."""
    grocer, station = (world.partner(code) for code in ("greengrocer", "fuelway"))
    agree(world, grocer.partner_id, DAY)
    with world.transaction() as session:
        said = {"partner_id": station.partner_id, "name": "Shop", "territory": "GB", "address": "1 High Street"}
        one, two = (locations.add(session, act(world.keyring), code=code, **said) for code in ("S-1", "S-2"))
    member = world.member()
    world.earn(grocer.partner_id, member, 500)
    for points, place in ((100, one.location_id), (30, two.location_id), (7, None), (5, one.location_id)):
        world.burn(station.partner_id, member, points, location_id=place)
    nightly.run(world.database, act(world.keyring, now=NOW + timedelta(days=1)), day=DAY)
    return world, grocer, station, one


def test_the_command_tells_it_in_each_form(a_day, terminal, tmp_path) -> None:
    asked = ("settlement", "report", "--from", DAY, "--until", DAY, "--by", "store")
    table = terminal(*asked)
    assert table.exit_code == 0, table.output
    assert "S-1 (Fuelway)" in table.stdout
    assert "no store" in table.stdout
    due = [(None, 7), ("S-1", 105), ("S-2", 30)]
    said = json.loads(terminal(*asked, "--format", "json").stdout)["by_location"]
    assert [(one["location_code"], one["amount_minor"]) for one in said] == due
    read = csv.DictReader(io.StringIO(terminal(*asked, "--format", "csv").stdout))
    stores = [row for row in read if row["record"] == "obligation_at"]
    assert [(row["location_code"] or None, int(row["amount_minor"])) for row in stores] == due
    assert terminal(*asked, "--format", "xlsx", "--output", tmp_path / "a.xlsx").exit_code == 0
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx")["Obligations by store"]
    assert [row[7] for row in sheet.iter_rows(min_row=2, values_only=True)] == ["", "S-1", "S-2"]
    assert "by_location" not in json.loads(terminal(*asked[:-2], "--format", "json").stdout)
    assert terminal("settlement", "report", DAY, "--by", "store").exit_code == 2


def test_a_statements_lines_carry_their_location_in_each_form_and_hash_it(a_day) -> None:
    world, _, station, one = a_day
    place = ids.show(ids.LOCATION, one.location_id)
    with world.transaction() as session:
        run = runs.of_day(session, DAY)
        kept = statements.kept_of(session, run.run_id, station.partner_id)
        made = document.make(session, kept, run, document.frame(session, kept, run))
        files = {form: io.BytesIO() for form in ("json", "csv", "xlsx")}
        for form, out in files.items():
            formats.write(session, made, Order(form, "en"), out)
            out.seek(0)
    assert files["json"].read().count(place.encode()) == 2
    files["json"].seek(0)
    statement_form.check_lines(files["json"], statement_form.read_terms(files["json"]))
    other = files["json"].getvalue().replace(place.encode(), ids.show(ids.LOCATION, ids.new()).encode())
    changed = io.BytesIO(other)
    with pytest.raises(statement_form.NotInForm):
        statement_form.check_lines(changed, statement_form.read_terms(changed))
    read = list(csv.DictReader(io.StringIO(files["csv"].getvalue().decode())))
    assert sum(row["location"] == place for row in read) == 2
    head, *cells = openpyxl.load_workbook(files["xlsx"])["Lines"].iter_rows(values_only=True)
    assert [row[head.index("Location")] for row in cells].count(place) == 2


def test_a_reference_can_not_be_taken_for_a_location() -> None:
    at = ids.new()
    said: dict[str, Any] = {"n": 1, "transaction_id": bytes(16), "seq": 1, "posted_on": DAY, "issued_on": DAY,
                            "concerns": DAY, "points": 1, "amount_minor": 1}  # fmt: skip
    located = statement_form.Line(**said, reference="R", location_id=at.bytes)
    for reference in (f"@{at}|R", f"{at}|R", f"1@{at}|R"):
        plain = statement_form.Line(**said, reference=reference)
        assert statement_form.lines_digest([located]) != statement_form.lines_digest([plain])


def test_a_changed_location_or_share_is_found(a_day) -> None:
    world, *_ = a_day
    for statement in (
        "UPDATE settlement.line SET location_id = NULL WHERE location_id IS NOT NULL",
        "UPDATE settlement.line SET location_id = gen_random_uuid() WHERE location_id IS NULL",
        "UPDATE settlement.location_share SET amount_minor = amount_minor + 1",
        "DELETE FROM settlement.location_share",
    ):
        with psycopg.connect(str(world.settings.database_url)) as owner:
            owner.execute("SET LOCAL session_replication_role = replica")
            owner.execute(statement.encode())
            owner.commit()
            with world.transaction() as session:
                assert str(verify.first_broken(session)).startswith(f"{DAY}: "), statement
            owner.execute("SET LOCAL session_replication_role = replica")
            _restore(owner)
            owner.commit()
        with world.transaction() as session:
            assert verify.first_broken(session) is None


def _restore(owner: psycopg.Connection[Any]) -> None:
    owner.execute(
        "UPDATE settlement.line l SET location_id = t.location_id FROM coalition.txn t WHERE t.txn_id = l.txn_id"
    )
    owner.execute("DELETE FROM settlement.location_share")
    owner.execute("""
        INSERT INTO settlement.location_share (obligation_id, location_id, points, amount_minor)
        SELECT obligation_id, location_id, sum(points), sum(amount_minor) FROM settlement.line
        WHERE location_id IS NOT NULL GROUP BY 1, 2
    """)


def test_a_day_whose_lines_the_version_before_kept_without_locations_still_comes_out(a_day) -> None:
    world, *_ = a_day
    with psycopg.connect(str(world.settings.database_url)) as owner:
        owner.execute("SET LOCAL session_replication_role = replica")
        owner.execute("UPDATE settlement.line SET location_id = NULL")
        owner.execute("DELETE FROM settlement.location_share")
        lines = owner.execute("""
            SELECT obligation_id, concat_ws('|', txn_id, seq, posted_on, issued_on, concerns, points, amount_minor,
                                            reference)
            FROM settlement.line ORDER BY obligation_id, n
        """).fetchall()
        digest = statement_digest([line for _, line in lines])
        owner.execute("UPDATE settlement.obligation SET lines_digest = %s", [digest])
        owner.commit()
    with world.transaction() as session:
        found = verify.first_broken(session)
        # The obligation is as that version kept it; only the hash over the day is not, which this test leaves alone.
        assert found is None or "lines of" not in found
        (total,) = {each.amount_minor for each in periods.get(session, Span(DAY, DAY)).obligations}
        report = periods.get(session, Span(DAY, DAY), Asked(by_location=True))
    assert [(one.location, one.amount_minor) for one in report.by_location or ()] == [(None, total)]


def statement_digest(lines: list[str]) -> bytes:
    return sha256("".join(f"{line}\n" for line in lines).encode()).digest()
