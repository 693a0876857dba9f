"""Settled days under other terms: what was settled if they are the same, and the plain calculation's word if not."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from settlement import nightly, obligations, what_if
from settlement.cycles import Span
from settlement.obligations import Obligation
from tests.conftest import NOW, World, act
from tests.service import terminal
from tests.settlement.months import Month, agree, some_terms
from tests.settlement.plain import Plain
from tests.settlement.small_coalition import trade

__all__ = ["terminal"]
DAY = NOW.date()  # a Monday
ONE_DAY = timedelta(days=1)
MARCH_ENDS = date(2026, 3, 31)
SPAN = ("--from", DAY, "--until", DAY + 2 * ONE_DAY)


def shown(owed: list[Any]) -> list[Any]:
    return sorted((one.key, one.points, one.amount_minor, one.cycle) for one in owed)


def same_as(plain: Plain, days: Span) -> list[Any]:
    """What the plain calculation says of some days, as `shown` has it."""
    found = []
    for key, amount in plain.owed().items():
        if days.first <= key.day <= days.last:
            one = Obligation(
                key.day, key.payer, key.payee, key.kind, key.agreement, key.currency, amount.points, amount.minor,
                amount.cycle,
            )  # fmt: skip
            found.append(one)
    return shown(found)


def some_spans(chosen: random.Random, last: date) -> list[Span]:
    """The whole of it, the last day alone, and spans that begin and end in the middle of cycles."""
    found = [Span(DAY, last), Span(last, last)]
    for _ in range(4):
        ends = sorted(DAY + chosen.randint(0, (last - DAY).days) * ONE_DAY for _ in range(2))
        found.append(Span(*ends))
    return found


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_a_month_under_other_terms_is_what_it_would_have_been_settled_for(world: World, seed: int) -> None:
    month = Month(world, seed)
    month.trade(
        MARCH_ENDS,
        late_agreement=DAY + 13 * ONE_DAY,
        changes={DAY + timedelta(days=n): n % 4 for n in (3, 9, 10, 20)},
    )
    chosen, url = random.Random(seed), str(world.settings.database_url)
    with world.database.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM settlement.set_aside"))
        for days in some_spans(chosen, MARCH_ENDS):
            settled = obligations.of_days(session, days.first, days.last)
            assert shown(what_if.calculate(session, days, {})) == shown(settled)
            assert not any(one.difference_minor for one in what_if.compare(session, days, {}))
        for many in (1, 3, 5):
            plain, terms = Plain(url), {}
            for partner_id in chosen.sample(month.partners, many):
                terms[partner_id] = some_terms(chosen)
                for row in plain.agreements:
                    if row["partner_id"] == partner_id:
                        row |= terms[partner_id]
            for days in some_spans(chosen, MARCH_ENDS)[:4]:
                assert shown(what_if.calculate(session, days, terms)) == same_as(plain, days)
                check_sums(session, days, terms)


def check_sums(session: Any, days: Span, terms: dict[Any, Any]) -> None:
    """Of each kind and currency the parties' amounts add up to zero, and a party's kinds to its net."""
    found = what_if.compare(session, days, terms)
    nets, kinds, sums = Counter[Any](), Counter[Any](), Counter[Any]()
    for one in found:
        (nets if one.kind == what_if.NET else kinds)[one.party_id, one.currency] += one.calculated_minor
        sums[one.kind, one.currency] += one.calculated_minor
        assert one.difference_minor == one.calculated_minor - one.settled_minor
    assert nets == kinds
    assert not any(sums.values())


def test_a_price_and_a_fee_are_compared_by_partner_currency_and_kind(world: World, terminal) -> None:
    grocer, fuel = (world.partner(code).partner_id for code in ("grocer", "fuel"))
    agree(world, grocer, DAY, redemption_price_minor=1)
    member = world.member()
    world.earn(grocer, member, 1_000)
    world.burn(fuel, member, 500)
    nightly.run(world.database, act(world.keyring, now=NOW + ONE_DAY), day=DAY)
    words = ("settlement", "what-if", "--from", DAY, "--until", DAY, "--partner", "grocer")
    said = json.loads(terminal(*words, "--redemption-price", "0.8", "--fee-percent", "1", "--json").output)
    assert said["terms"] == {"redemption_price_minor": "0.8", "fee_percent": "1"}
    found = {(one["partner"], one["kind"]): tuple(one.values())[3:] for one in said["data"]}
    assert found == {  # 500 × 1.00 was owed; 500 × 0.80 is 400, and 1 % of it is 4
        ("grocer", "redemption"): (-500, -400, 100), ("grocer", "fee"): (0, -4, -4),
        ("grocer", "net"): (-500, -404, 96),
        ("fuel", "redemption"): (500, 400, -100), ("fuel", "net"): (500, 400, -100),
        ("coalition", "fee"): (0, 4, 4), ("coalition", "net"): (0, 4, 4),
    }  # fmt: skip
    table = terminal(*words, "--redemption-price", "0.8", "--fee-percent", "1").output
    (line,) = [line.split() for line in table.splitlines() if line.startswith("grocer") and " net " in line]
    assert line == ["grocer", "GBP", "net", "-5.00", "-4.04", "0.96"]


def test_the_minimum_of_a_week_counts_the_fees_of_its_days_before_the_span(world: World) -> None:
    grocer = world.partner("grocer").partner_id
    agree(world, grocer, DAY, cycle="weekly")
    sunday = DAY + 6 * ONE_DAY
    world.earn(grocer, world.member(), 100)
    for n in range(7):
        nightly.run(world.database, act(world.keyring, now=NOW + (n + 1) * ONE_DAY), day=DAY + n * ONE_DAY)
    with world.database.reading() as session:
        terms: Any = {grocer: {"fee_per_point_minor": 1, "fee_minimum_minor": 250, "vat_percent": 20}}
        owed = what_if.calculate(session, Span(sunday, sunday), terms)
        assert {one.kind: one.amount_minor for one in owed} == {"fee_minimum": 150, "vat": 50}
        whole = what_if.calculate(session, Span(DAY, sunday), terms)
        assert {one.kind: one.amount_minor for one in whole} == {"fee": 100, "fee_minimum": 150, "vat": 50}


def test_days_before_the_coalition_began_have_no_minimum(world: World) -> None:
    grocer = world.partner("grocer").partner_id
    agree(world, grocer, DAY)
    nightly.run(world.database, act(world.keyring, now=NOW + ONE_DAY), day=DAY)
    with psycopg.connect(str(world.settings.database_url)) as owner:
        owner.execute("UPDATE settlement.agreement SET agreed_on = NULL, valid = daterange('2026-01-01', NULL)")
    with world.database.reading() as session:
        owed = what_if.calculate(session, Span(DAY - 40 * ONE_DAY, DAY), {grocer: {"fee_minimum_minor": 10}})
        assert [(one.day, one.kind) for one in owed] == [(DAY, "fee_minimum")]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--from", DAY, "--until", DAY + 3 * ONE_DAY, "--partner", "greengrocer", "--vat", "1"), "day_not_settled"),
        (("--from", DAY + ONE_DAY, "--until", DAY, "--partner", "greengrocer", "--vat", "1"), "span_refused"),
        ((*SPAN, "--partner", "nobody", "--vat", "1"), "partner_not_found"),
        ((*SPAN, "--partner", "stray", "--vat", "1"), "agreement_to_change_missing"),
        ((*SPAN, "--partner", "greengrocer", "--funding", "on_earn"), "contradictory_terms"),
        ((*SPAN, "--all-partners", "--funding", "on_burn"), "contradictory_terms"),
        ((*SPAN, "--partner", "greengrocer", "--currency", "EUR"), "price_missing"),
        ((*SPAN, "--partner", "greengrocer", "--currency", "XYZ"), "unknown_currency"),
        ((*SPAN, "--partner", "greengrocer", "--redemption-price", "-1"), "malformed_price"),
        ((*SPAN, "--partner", "greengrocer", "--vat", "101"), "malformed_term"),
    ],
)
def test_what_cannot_be_calculated_is_said_in_one_line(world: World, terminal, words: Any, code: str) -> None:
    trade(world)
    world.partner("stray")
    done = terminal("settlement", "what-if", *words)
    assert done.exit_code == 1
    assert done.output.strip().endswith(f"({code})")
    assert len(done.output.strip().splitlines()) == 1


def test_terms_and_partners_have_to_be_named(terminal) -> None:
    for words in (("--partner", "grocer"), ("--vat", "1"), ("--vat", "1", "--partner", "grocer", "--all-partners")):
        assert terminal("settlement", "what-if", *SPAN, *words).exit_code == 2


def test_another_currency_with_its_prices_moves_what_is_owed_into_it(world: World, terminal) -> None:
    brands = trade(world)
    assert brands
    words = ("--partner", "fuelway", "--currency", "EUR", "--redemption-price", "0.5", "--issue-price", "0.6")
    said = json.loads(terminal("settlement", "what-if", *SPAN, *words, "--json").output)
    nets = {(one["partner"], one["currency"]): one for one in said["data"] if one["kind"] == "net"}
    gone, come = nets["fuelway", "GBP"]["difference_minor"], nets["fuelway", "EUR"]["calculated_minor"]
    assert gone == -come != 0


def test_postgresql_refuses_writes_where_a_what_if_runs(world: World) -> None:
    trade(world)
    with world.database.reading() as session:
        assert what_if.compare(session, Span(DAY, DAY), {})
        with pytest.raises(Exception, match="read-only"):
            session.execute(text("CREATE TABLE settlement.written ()"))
