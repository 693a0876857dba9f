"""Agreements: their terms in and out of the database, what is refused, and a change that is shown before it is made."""

from __future__ import annotations

import json
import logging
from dataclasses import fields
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from coalition import closing
from coalition.dated import DayIsOver, VersionTaken
from coalition.programme import UnknownCurrency
from kit import clock, ids, logins
from kit.errors import Stale
from kit.texts import MalformedText
from settlement import agreement_changes, agreement_terms, agreements, nightly
from settlement.agreement_terms import TERMS, Amount, MalformedPrice, MalformedTerm, Percent, Price
from settlement.agreements import Agreement, ContradictoryTerms, PriceMissing
from tests.conftest import NOW, World, act, audited
from tests.service import terminal

__all__ = ["terminal"]
ROOT = Path(__file__).parents[2]
DAY = NOW.date()
SOON, LATER = DAY + timedelta(days=10), DAY + timedelta(days=20)
IBAN, BIC = "GB33BUKB20201555555555", "BUKBGB22"
# A value of each term that is not its default.
ALL: dict[str, Any] = {
    "redemption_price_minor": "0.95",
    "currency": "EUR",
    "funding": "on_earn",
    "issue_price_minor": "1.1",
    "fee_per_point_minor": "0.02",
    "fee_percent": "1.5",
    "fee_minimum_minor": 5000,
    "breakage_share_percent": "30",
    "vat_percent": "20",
    "cycle": "monthly",
    "exposure_limit_minor": 500_000,
    "deposit_minor": 100_000,
    "legal_name": "Greengrocer Ltd",
    "legal_address": "1 High Street, London",
    "tax_id": "GB123456789",
    "iban": IBAN,
    "bic": BIC,
}
PRIVATE = ("Greengrocer Ltd", "High Street", "GB123456789", IBAN, BIC)
# The statement of the version before, to the letter.
BEFORE = """
    INSERT INTO settlement.agreement
        (agreement_id, partner_id, version, valid, currency, redemption_price_minor, created_at, revision)
    VALUES (%(agreement_id)s, %(partner_id)s, %(version)s, daterange(%(since)s, NULL), 'GBP', 0.95, now(), 1)
"""


@pytest.fixture
def partner_id(world: World):
    return world.partner("greengrocer").partner_id


def agree(world: World, partner_id, since: date = DAY, **terms: Any) -> Agreement:
    with world.transaction() as session:
        return agreements.agree(
            session, act(world.keyring), partner_id=partner_id, since=since, **agreement_terms.parse(terms)
        )


def correct(world: World, agreement: Agreement, **terms: Any) -> Agreement:
    with world.transaction() as session:
        changes = agreement_terms.parse(terms)
        return agreements.correct(session, act(world.keyring), agreement_id=agreement.agreement_id, changes=changes)


def stored(world: World, partner_id) -> list[Agreement]:
    with world.transaction() as session:
        return agreements.of_partner(session, partner_id=partner_id, after=ids.UUID(int=0), limit=100)


def owner(world: World) -> psycopg.Connection[Any]:
    return psycopg.connect(str(world.settings.database_url))


decimals = st.decimals(0, 1_000_000, places=8)


@given(decimals)
def test_a_price_comes_back_as_it_was_given(value: Decimal) -> None:
    price = Price().parse(f"{value:f}", what="x")
    assert price == Fraction(value)
    shown = agreement_terms.show_price(price)
    assert Price().parse(shown, what="x") == price
    assert "e" not in shown.lower()
    assert not shown.endswith(("0",)) or "." not in shown


@given(st.text(max_size=30) | decimals.map(str) | st.floats().map(repr) | st.integers().map(str))
def test_a_text_is_a_price_or_a_percentage_in_its_bounds_or_is_refused(given: str) -> None:
    for kind, most, refusal in ((Price(), 1_000_000, MalformedPrice), (Percent(), 100, MalformedTerm)):
        try:
            value = kind.parse(given, what="x")
        except refusal:
            continue
        assert 0 <= value <= most
        assert (value * 10**8).denominator == 1


ACCOUNTS = [IBAN, "DE89370400440532013000", "NO9386011117947", "MT84MALT011000012345MTLCAST001S"]


@given(st.sampled_from(ACCOUNTS), st.data())
def test_an_iban_with_a_slip_in_one_character_is_refused_and_never_repeated(iban: str, data: st.DataObject) -> None:
    kind = agreement_terms.Iban()
    spaced = " ".join(iban[n : n + 4] for n in range(0, len(iban), 4))
    assert kind.parse(spaced.lower(), what="iban") == iban
    place = data.draw(st.integers(0, len(iban) - 1))
    slip = data.draw(st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ").filter(lambda one: one != iban[place]))
    wrong = iban[:place] + slip + iban[place + 1 :]
    if iban[place].isdigit() == slip.isdigit():  # mod 97-10 finds every single slip of a digit or letter for another
        with pytest.raises(MalformedTerm) as refused:
            kind.parse(wrong, what="iban")
        assert wrong[4:] not in refused.value.detail
        assert refused.value.fields == {"term": "iban"}


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "GB33",
        "33GBBUKB20201555555555",
        "GB33-BUKB-2020",
        "GB00BUKB20201555555555",
        "ГБ",
        "US46370400440532013000",
        "DE8937040044053201300",
    ],  # no country of IBANs, and too short for its country
)
def test_what_is_no_iban_is_refused(wrong: str) -> None:
    with pytest.raises(MalformedTerm):
        agreement_terms.Iban().parse(wrong, what="iban")


@pytest.mark.parametrize(("given", "kept"), [(BIC, BIC), ("bukbgb22xxx", "BUKBGB22XXX"), ("1UKBGB22", "1UKBGB22")])
def test_a_bic_is_eight_or_eleven_characters(given: str, kept: str) -> None:
    assert agreement_terms.Bic().parse(given, what="bic") == kept
    for wrong in (given[:-1], f"{given}X", "BUKB1122", "BUKB-B22"):
        with pytest.raises(MalformedTerm):
            agreement_terms.Bic().parse(wrong, what="bic")


def test_the_list_of_terms_is_that_of_the_fields_and_of_the_columns(world: World) -> None:
    of_version = {"agreement_id", "partner_id", "version", "since", "until", "created_at", "revision"}
    defaults = {field.name: field.default for field in fields(Agreement) if field.name not in of_version}
    assert sorted(defaults) == sorted(term.name for term in TERMS)
    assert {name: value for name, value in defaults.items() if name not in ("currency", "redemption_price_minor")} == {
        term.name: term.default for term in TERMS[2:]
    }
    assert set(agreement_terms.AgreementTerms.__annotations__) == set(defaults) == set(ALL)
    with owner(world) as connection:
        columns = {
            row[0]
            for row in connection.execute("""
                SELECT attname FROM pg_attribute
                WHERE attrelid = 'settlement.agreement'::regclass AND attnum > 0 AND NOT attisdropped
            """)
        }
    assert columns == set(defaults) | (of_version - {"since", "until"}) | {"valid", "agreed_on"}


def test_the_document_explains_every_term() -> None:
    explained = (ROOT / "docs" / "how-to" / "settle-a-day.md").read_text("utf-8").partition("\n## ")[0]
    rows = [line.split("|")[1] for line in explained.splitlines() if line.startswith("| `--")]
    assert [option.strip().strip("`") for row in rows for option in row.split(",")] == [
        f"--{term.option}" for term in TERMS
    ]


def test_every_term_is_kept_and_taken_over_and_a_new_price_needs_only_the_price(world: World, partner_id) -> None:
    made = agree(world, partner_id, **ALL)
    assert made.terms == ALL
    agree(world, partner_id, SOON, redemption_price_minor="1")
    agree(world, partner_id, LATER, exposure_limit_minor=None, iban=None, bic=None)
    first, second, third = stored(world, partner_id)
    assert (first.terms, first.until) == (ALL, SOON)
    assert second.terms == ALL | {"redemption_price_minor": "1"}
    assert third.terms == second.terms | {"exposure_limit_minor": None, "iban": None, "bic": None}
    corrected = correct(world, second, fee_percent="2", legal_name=None)
    assert (corrected.revision, corrected.terms) == (2, second.terms | {"fee_percent": "2", "legal_name": None})
    assert stored(world, partner_id)[1] == corrected, "the one that follows took over what there was"
    assert stored(world, partner_id)[2] == third


def test_a_first_agreement_is_in_the_programmes_currency_and_settles_daily_on_burn(world: World, partner_id) -> None:
    made = agree(world, partner_id, redemption_price_minor="1")
    defaults = {term.name: agreement_terms.show(term.default) for term in TERMS}
    assert made.terms == defaults | {"redemption_price_minor": "1", "currency": "GBP"}


def test_terms_are_taken_over_from_the_one_before_that_day_not_from_the_one_made_last(world: World, partner_id) -> None:
    agree(world, partner_id, redemption_price_minor="1", cycle="weekly")
    agree(world, partner_id, LATER, redemption_price_minor="3", cycle="monthly")
    made = agree(world, partner_id, SOON, redemption_price_minor="2")
    assert (made.version, made.cycle, made.until) == (3, "weekly", LATER)


def test_a_first_agreement_without_a_price_is_refused(world: World, partner_id) -> None:
    with pytest.raises(PriceMissing) as refused:
        agree(world, partner_id, cycle="weekly")
    assert refused.value.fields == {"missing": ["redemption_price_minor"]}
    agree(world, partner_id, SOON, redemption_price_minor="1")
    with pytest.raises(PriceMissing):
        agree(world, partner_id, vat_percent="20")


def test_in_another_currency_every_amount_is_named_again(world: World, partner_id) -> None:
    made = agree(world, partner_id, redemption_price_minor="1", fee_minimum_minor=100, exposure_limit_minor=0)
    lacks = ["redemption_price_minor", "fee_minimum_minor", "exposure_limit_minor"]
    for change in (
        lambda: agree(world, partner_id, SOON, currency="EUR"),
        lambda: correct(world, made, currency="EUR"),
    ):
        with pytest.raises(PriceMissing) as refused:
            change()
        assert refused.value.fields == {"missing": lacks}
    named = {"redemption_price_minor": "2", "fee_minimum_minor": 0, "exposure_limit_minor": None}
    assert agree(world, partner_id, SOON, currency="EUR", **named).currency == "EUR"


@pytest.mark.parametrize(
    ("terms", "refusal"),
    [
        ({"currency": "XXX"}, UnknownCurrency),
        ({"currency": "gbp"}, UnknownCurrency),
        ({"redemption_price_minor": "-1"}, MalformedPrice),
        ({"issue_price_minor": "1e7"}, MalformedPrice),
        ({"fee_per_point_minor": "NaN"}, MalformedPrice),
        ({"fee_percent": "100.1"}, MalformedTerm),
        ({"vat_percent": "0.000000001"}, MalformedTerm),
        ({"fee_minimum_minor": -1}, MalformedTerm),
        ({"deposit_minor": 10**15 + 1}, MalformedTerm),
        ({"funding": "on_return"}, MalformedTerm),
        ({"cycle": "yearly"}, MalformedTerm),
        ({"legal_name": " "}, MalformedText),
        ({"legal_address": "1 High\nStreet"}, MalformedText),
        ({"tax_id": "1" * 36}, MalformedText),
        ({"funding": "on_earn"}, ContradictoryTerms),
        ({"funding": "on_earn", "issue_price_minor": "0"}, ContradictoryTerms),
        ({"issue_price_minor": "1"}, ContradictoryTerms),
        ({"breakage_share_percent": "1"}, ContradictoryTerms),
    ],
)
def test_terms_that_can_not_be_are_refused_in_one_answer(world: World, partner_id, terms, refusal) -> None:
    with pytest.raises(refusal):
        agree(world, partner_id, **{"redemption_price_minor": "1", **terms})
    assert stored(world, partner_id) == []
    made = agree(world, partner_id, redemption_price_minor="1")
    with pytest.raises(refusal):
        correct(world, made, **terms)
    assert stored(world, partner_id) == [made]


def test_back_to_on_burn_the_issue_price_is_named_too(world: World, partner_id) -> None:
    agree(world, partner_id, redemption_price_minor="1", funding="on_earn", issue_price_minor="1")
    with pytest.raises(ContradictoryTerms):
        agree(world, partner_id, SOON, funding="on_burn")
    assert agree(world, partner_id, SOON, funding="on_burn", issue_price_minor="0").funding == "on_burn"


def test_on_earn_does_not_begin_before_the_open_day_even_where_no_version_covers_it(world: World, partner_id) -> None:
    earlier = DAY - timedelta(days=5)
    funded = {"redemption_price_minor": "1", "funding": "on_earn", "issue_price_minor": "1"}
    with pytest.raises(DayIsOver) as refused:
        agree(world, partner_id, earlier, **funded)
    assert refused.value.fields == {"open_day": DAY}
    agree(world, partner_id, earlier, redemption_price_minor="1")
    made = agree(world, partner_id, DAY, **funded)
    closing.close_day(world.database, act(world.keyring, now=NOW + timedelta(days=1)), day=DAY)
    with pytest.raises(DayIsOver):
        correct(world, made, funding="on_burn", issue_price_minor="0")
    with pytest.raises(VersionTaken):
        agree(world, partner_id, DAY, **funded)


INTEGERS = [term for term in TERMS if isinstance(term.kind, Amount)]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("funding", "'on_return'"),
        ("cycle", "'yearly'"),
        ("cycle", "NULL"),
        ("issue_price_minor", "1"),
        ("breakage_share_percent", "1"),
        ("funding", "'on_earn'"),
        *((term.name, value) for term in INTEGERS for value in ("-1", "1000000000000001")),
        *((term.name, v) for term in TERMS if isinstance(term.kind, Percent) for v in ("-1", "100.01", "'NaN'")),
        *((name, v) for name in ("issue_price_minor", "fee_per_point_minor") for v in ("-1", "1000000.1", "'NaN'")),
        *((name, "''") for name in ("legal_name", "legal_address", "tax_id")),
        ("legal_name", "repeat('x', 141)"),
        ("legal_address", "repeat('x', 301)"),
        ("tax_id", "repeat('x', 36)"),
        ("iban", "'GB33 BUKB 2020 1555 5555 55'"),
        ("iban", "'GB33'"),
        ("bic", "'BUKBGB2'"),
    ],
)
def test_the_database_refuses_by_itself_what_a_term_can_not_be(world: World, partner_id, column, value) -> None:
    agree(world, partner_id, redemption_price_minor="1")
    with owner(world) as connection, pytest.raises(psycopg.errors.IntegrityError):
        connection.execute(f"UPDATE settlement.agreement SET {column} = {value}".encode())


def test_the_database_refuses_versions_that_overlap(world: World, partner_id) -> None:
    agree(world, partner_id, redemption_price_minor="1")
    row = {"agreement_id": ids.new(), "partner_id": partner_id, "version": 2, "since": SOON}
    with owner(world) as connection, pytest.raises(psycopg.errors.ExclusionViolation):
        connection.execute(BEFORE, row)


def test_what_the_version_before_writes_is_an_agreement_of_today(world: World, partner_id) -> None:
    with owner(world) as connection:
        connection.execute("SET ROLE coalition_service")
        connection.execute(BEFORE, {"agreement_id": ids.new(), "partner_id": partner_id, "version": 1, "since": DAY})
    [found] = stored(world, partner_id)
    assert found.terms == {
        **{term.name: agreement_terms.show(term.default) for term in TERMS},
        "currency": "GBP",
        "redemption_price_minor": "0.95",
    }
    assert agree(world, partner_id, SOON, vat_percent="20").redemption_price == "0.95"


def test_another_partners_requests_read_what_prices_points_and_nothing_else(world: World, partner_id) -> None:
    agree(world, partner_id, **ALL)
    database = logins.tenant_database(world.settings, pool_size=1)
    try:
        with database.transaction() as session:
            prices = agreements.lot_prices(session, [(partner_id, SOON), (partner_id, DAY - timedelta(days=1))])
        assert {key: price.currency for key, price in prices.items()} == {(partner_id, SOON): "EUR"}
        for column in set(ALL) - {"redemption_price_minor", "currency", "funding"}:
            with database.transaction() as session, pytest.raises(DBAPIError, match="permission denied"):
                session.execute(text(f"SELECT {column} FROM settlement.agreement"))
    finally:
        database.close()


def test_no_log_and_no_entry_of_the_audit_says_who_the_partner_is(
    world: World, partner_id, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    agree(world, partner_id, redemption_price_minor="1")
    made = agree(world, partner_id, SOON, **ALL)
    correct(world, made, iban="DE89370400440532013000", vat_percent="19")
    with world.transaction() as session:
        agreements.withdraw(session, act(world.keyring), agreement_id=made.agreement_id)
        entries = session.scalars(text("SELECT content FROM partners.audit_entry ORDER BY seq DESC LIMIT 3")).all()
    withdrawn, corrected, created = (json.loads(entry)["facts"] for entry in entries)
    assert set(created["changed"]) == set(ALL)
    logged = str([vars(record) for record in caplog.records])
    assert (corrected["changed"], corrected["vat_percent"]) == (["vat_percent", "iban"], "19")
    assert (withdrawn["redemption_price"], "changed" in withdrawn) == ("0.95", False)
    for somebody in (*PRIVATE, "DE8937"):
        assert somebody not in logged + "".join(entries)


@pytest.fixture
def traded(world: World, monkeypatch: pytest.MonkeyPatch):
    """101 of the grocer's points were burned at the station, and the day is settled."""
    monkeypatch.setattr(clock, "now", lambda: NOW + timedelta(days=1))
    grocer, station = (world.partner(code) for code in ("greengrocer", "fuelway"))
    for each in (grocer, station):
        agree(world, each.partner_id, redemption_price_minor="0.95")
    member = world.member()
    world.earn(grocer.partner_id, member, 101)
    world.burn(station.partner_id, member, 101)
    nightly.run(world.database, act(world.keyring, now=NOW + timedelta(days=1)), day=DAY)
    return world, grocer


def test_a_change_is_shown_with_what_it_would_have_come_to_and_made_once_it_is_confirmed(traded, terminal) -> None:
    world, grocer = traded
    words = ("agreement", "change", "greengrocer", "--since", SOON, "--redemption-price", "1.05", "--vat", "20")
    before = (stored(world, grocer.partner_id), len(audited(world.database)))
    for done in (terminal(*words, "--dry-run"), terminal(*words)):  # the second is asked, and nobody answers
        assert f"greengrocer, from {SOON} on" in done.stdout
        rows = {tuple(line.split()) for line in done.stdout.splitlines()}
        assert {("redemption-price", "0.95", "1.05", "changed"), ("vat", "0", "20", "changed")} <= rows
        assert ("cycle", "daily", "daily") in rows
        assert "101 of its points were redeemed elsewhere: 0.96 GBP at the price before" in done.stdout
        assert "1.06 GBP at the one after, 0.10 GBP more." in done.stdout
        assert (stored(world, grocer.partner_id), len(audited(world.database))) == before
    assert done.exit_code == 1
    agreed = terminal(*words, "--yes", "--json")
    assert agreed.exit_code == 0, agreed.output
    said = json.loads(agreed.stdout)
    assert (said["before"]["vat_percent"], said["after"]["vat_percent"], said["until"]) == ("0", "20", None)
    effect = {"days": 1, "points": 101, "amount_before_minor": 96, "amount_after_minor": 106, "difference_minor": 10}
    assert said["effect"].items() >= effect.items()
    assert ids.show(ids.AGREEMENT, stored(world, grocer.partner_id)[1].agreement_id) == said["agreement_id"]
    assert audited(world.database)[0]["action"] == "agreement.made"


def test_the_effect_counts_the_last_28_settled_days_only(traded, terminal) -> None:
    world, _ = traded
    for n in range(1, 29):
        day = DAY + timedelta(days=n)
        nightly.run(world.database, act(world.keyring, now=NOW + timedelta(days=n + 1)), day=day)
    words = ("--since", LATER + timedelta(days=30), "--redemption-price", "2", "--dry-run", "--json")
    done = terminal("agreement", "change", "greengrocer", *words)
    effect = json.loads(done.stdout)["effect"]
    assert (effect["days"], effect["first"], effect["points"]) == (28, f"{DAY + timedelta(days=1)}", 0)


def test_a_change_that_would_do_something_else_than_was_shown_is_not_made(traded) -> None:
    world, grocer = traded
    with world.transaction() as session:
        shown = agreement_changes.plan(
            session, partner_id=grocer.partner_id, since=LATER, now=NOW, redemption_price_minor=Decimal(2)
        )
    agree(world, grocer.partner_id, SOON, cycle="weekly")
    with world.transaction() as session, pytest.raises(Stale):
        agreement_changes.carry_out(session, act(), shown)
    assert [one.since for one in stored(world, grocer.partner_id)] == [DAY, SOON]


def test_a_change_of_currency_shows_both_amounts_and_no_difference(traded, terminal) -> None:
    done = terminal("agreement", "change", "greengrocer", "--since", SOON, "--redemption-price", "200", "--currency",
                    "JPY", "--dry-run")  # fmt: skip
    assert done.stdout.rstrip().endswith("0.96 GBP at the price before, 20200 JPY at the one after."), done.output


def test_a_first_agreement_can_be_made_by_change_and_is_compared_with_nothing(world: World, terminal) -> None:
    world.partner("greengrocer")
    words = ("agreement", "change", "greengrocer", "--since", "2099-01-01")
    done = terminal(*words, "--redemption-price", "1", "--yes", "--json")
    said = json.loads(done.stdout)
    assert (said["before"], said["effect"]) == (None, None)
    agree(world, ids.parse(ids.PARTNER, json.loads(terminal("partner", "show", "greengrocer", "--json").stdout)[
        "partner_id"]), date(2098, 1, 1), redemption_price_minor="3")  # fmt: skip
    between = terminal("agreement", "change", "greengrocer", "--since", "2098-06-01", "--vat", "1", "--dry-run")
    assert "from 2098-06-01 to the day before 2099-01-01" in between.stdout
    assert "No day is settled yet" in between.stdout


def test_every_term_can_be_said_at_the_terminal_and_taken_away(world: World, partner_id, terminal) -> None:
    said = [part for term in TERMS[1:] for part in (f"--{term.option}", ALL[term.name])]
    made = terminal("agreement", "create", "greengrocer", ALL["redemption_price_minor"], *said, "--json")
    assert made.exit_code == 0, made.output
    answer = json.loads(made.stdout)
    assert {name: answer[name] for name in ALL} == ALL
    shown = terminal("agreement", "show", answer["agreement_id"])
    assert all(str(value) in shown.stdout for value in ALL.values())
    without = [f"--no-{term.option}" for term in TERMS if term.default is None]
    reason = ("--reason", "so", "--json")
    corrected = json.loads(terminal("agreement", "correct", answer["agreement_id"], *without, *reason).stdout)
    assert [corrected[term.name] for term in TERMS if term.default is None] == [None] * 6
    assert "on_earn  monthly" in terminal("agreement", "list", "greengrocer").stdout


@pytest.mark.parametrize(
    ("words", "exit_code", "says"),
    [
        (("--redemption-price", "-1"), 1, "(malformed_price)"),
        (("--redemption-price", "1", "--currency", "XXX"), 1, "(unknown_currency)"),
        (("--vat", "x"), 1, "(malformed_term)"),
        (("--vat", "20"), 1, "(price_missing)"),
        (("--redemption-price", "1", "--funding", "on_earn"), 1, "(contradictory_terms)"),
        (("--redemption-price", "1", "--iban", "GB34BUKB20201555555555"), 1, "(malformed_term)"),
        (("--funding", "on_return"), 2, "'on_return' is not one of"),
        (("--deposit", "-1"), 2, "-1 is not in the range"),
        (("--iban", IBAN, "--no-iban"), 2, "either --iban or --no-iban"),
        ((), 2, "say what to change"),
    ],
)
def test_a_change_that_can_not_be_is_refused_in_one_answer(world: World, partner_id, terminal, words, exit_code, says):
    done = terminal("agreement", "change", "greengrocer", "--since", "2099-01-01", *words, "--yes")
    assert (done.exit_code, says in done.stderr, "Traceback" in done.output) == (exit_code, True, False), done.output
    assert exit_code == 2 or len(done.stderr.splitlines()) == 1
    assert "GB34" not in done.output
    assert stored(world, partner_id) == []


def test_a_change_for_a_day_that_is_over_or_taken_is_refused_before_anything_is_asked(traded, terminal) -> None:
    for since, code in ((DAY - timedelta(days=1), "price_missing"), (DAY, "version_taken")):
        done = terminal("agreement", "change", "greengrocer", "--since", since, "--vat", "20")
        assert (done.exit_code, done.stdout) == (1, "")
        assert f"({code})" in done.stderr
