"""What is owed for a day, whatever is agreed later and in whatever order days are settled, and what it adds up to."""

from __future__ import annotations

import random
import secrets
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal

import psycopg
import pytest
from hypothesis import given
from hypothesis import settings as tried
from hypothesis import strategies as st

from coalition import ledger, programme
from coalition.cards import with_check_digit
from coalition.ledger import Award, Burn, Return
from kit import ids
from settlement import line_hashes, nightly, obligations, runs, verify
from settlement.run_failures import RunFailure
from settlement.settled_days import EarlierDayUnsettled
from tests.conftest import NOW, World, act, request
from tests.settlement.months import agree

Data = st.DataObject
DAY = NOW.date()  # a Monday
SUNDAY = DAY + timedelta(days=6)
ONE_DAY = timedelta(days=1)


def settle(world: World, first: date, last: date) -> None:
    for n in range((last - first).days + 1):
        day = first + n * ONE_DAY
        nightly.run(world.database, act(world.keyring, now=NOW + (day - DAY) + ONE_DAY), day=day)


def owed(world: World, first: date, last: date) -> list[obligations.Kept]:
    with world.transaction() as session:
        return obligations.of_days(session, first, last)


def amounts(world: World, *kinds: str) -> dict[tuple[date, str, str], int]:
    """What is owed by day, kind and currency."""
    found: Counter[tuple[date, str, str]] = Counter()
    for one in owed(world, date.min, date.max):
        if one.kind in kinds:
            found[one.day, one.kind, one.currency] += one.amount_minor
    return dict(found)


def broken(world: World) -> str | None:
    with world.transaction() as session:
        return verify.first_broken(session)


def test_an_agreement_for_days_that_are_over_changes_no_run_of_theirs(world: World) -> None:
    grocer, late = (world.partner(code).partner_id for code in ("grocer", "late"))
    agree(world, grocer, DAY)
    member = world.member()
    world.earn(grocer, member, 100)
    world.burn(late, member, 60)
    settle(world, DAY, DAY + ONE_DAY)
    agree(world, late, DAY, cycle="monthly")
    settle(world, DAY + 2 * ONE_DAY, DAY + 2 * ONE_DAY)
    assert [one.cycle for one in owed(world, DAY, DAY)] == ["daily"]
    assert broken(world) is None


def test_points_funded_by_an_agreement_that_was_made_later_are_charged_on_the_day_it_was_made(world: World) -> None:
    late, shop = (world.partner(code).partner_id for code in ("late", "shop"))
    member = world.member()
    world.earn(late, member, 100)
    world.burn(shop, member, 30)
    world.burn(late, member, 20)  # at its own till
    world.earn(late, member, None, awards=(Award(points=10, expires_on=DAY + 2 * ONE_DAY),))
    settle(world, DAY, DAY + 2 * ONE_DAY)
    assert owed(world, DAY, SUNDAY) == []
    made = DAY + 3 * ONE_DAY
    agree(
        world, late, DAY, funding="on_earn", issue_price_minor=2, redemption_price_minor=1, breakage_share_percent=50,
        fee_per_point_minor=Decimal("0.1"),
    )  # fmt: skip
    settle(world, made, made + ONE_DAY)
    assert amounts(world, "issue", "redemption", "breakage", "fee") == {
        (made, "issue", "GBP"): 220, (made, "redemption", "GBP"): 50, (made, "breakage", "GBP"): 10,
        (made, "fee", "GBP"): 11,
    }  # fmt: skip
    assert broken(world) is None


def test_fees_of_a_cycle_or_currency_that_was_left_are_taxed_all_the_same(world: World) -> None:
    grocer = world.partner("grocer").partner_id
    member = world.member()
    terms = {"fee_per_point_minor": 1, "vat_percent": 20, "fee_minimum_minor": 5_000}
    agree(world, grocer, DAY, cycle="weekly", **terms)
    world.earn(grocer, member, 100)
    agree(world, grocer, DAY + 3 * ONE_DAY, cycle="monthly", currency="EUR", **terms)
    settle(world, DAY, DAY + 2 * ONE_DAY)
    world.earn(grocer, member, 50)
    settle(world, DAY + 3 * ONE_DAY, date(2026, 3, 31))
    assert amounts(world, "fee", "fee_minimum", "vat") == {
        (DAY, "fee", "GBP"): 100,
        (SUNDAY, "vat", "GBP"): 20,
        (DAY + 3 * ONE_DAY, "fee", "EUR"): 50,
        (date(2026, 3, 31), "fee_minimum", "EUR"): 4_950,
        (date(2026, 3, 31), "vat", "EUR"): 1_000,
    }
    assert broken(world) is None


def test_a_fee_that_came_back_is_not_charged_again_where_there_is_no_minimum(world: World) -> None:
    grocer = world.partner("grocer").partner_id
    agree(world, grocer, DAY, fee_per_point_minor=1, vat_percent=20)
    made = world.earn(grocer, world.member(), 30)
    settle(world, DAY, DAY)
    with world.transaction() as session:
        back = Return(parts=(ledger.Part(original_id=made.transaction_id),), reference="back")
        ledger.post(session, request(grocer), back).unwrap()
    settle(world, DAY + ONE_DAY, DAY + ONE_DAY)
    assert amounts(world, "fee", "fee_minimum", "vat") == {
        (DAY, "fee", "GBP"): 30, (DAY, "vat", "GBP"): 6,
        (DAY + ONE_DAY, "fee", "GBP"): -30, (DAY + ONE_DAY, "vat", "GBP"): -6,
    }  # fmt: skip


def test_the_last_day_of_a_week_waits_for_days_of_it_that_failed(world: World) -> None:
    grocer = world.partner("grocer").partner_id
    agree(world, grocer, DAY, cycle="weekly", fee_per_point_minor=1, fee_minimum_minor=500, vat_percent=20)
    world.earn(grocer, world.member(), 100)
    with psycopg.connect(str(world.settings.database_url)) as owner:
        owner.execute(f"ALTER TABLE settlement.settled_day ADD CONSTRAINT but_this CHECK (day <> '{DAY}')")
    doing = act(world.keyring, now=NOW + 7 * ONE_DAY)
    try:
        found = list(nightly.run_due(world.database, doing))
    finally:
        with psycopg.connect(str(world.settings.database_url)) as owner:
            owner.execute("ALTER TABLE settlement.settled_day DROP CONSTRAINT but_this")
    failed = {one.day: one.code for one in found if isinstance(one, RunFailure)}
    assert failed == {DAY: "internal_error", SUNDAY: EarlierDayUnsettled.code}
    again = list(nightly.run_due(world.database, doing))
    assert [(one.day, isinstance(one, RunFailure)) for one in again] == [(DAY, False), (SUNDAY, False)]
    assert amounts(world, "fee_minimum", "vat") == {(SUNDAY, "fee_minimum", "GBP"): 400, (SUNDAY, "vat", "GBP"): 100}
    assert broken(world) is None


def test_a_longer_run_that_fails_holds_up_no_day_and_is_told_of_until_it_is_calculated(world: World) -> None:
    agree(world, world.partner("grocer").partner_id, DAY, cycle="weekly")
    with psycopg.connect(str(world.settings.database_url)) as owner:
        owner.execute(
            "ALTER TABLE settlement.run ADD CONSTRAINT but_weeks CHECK (cycle <> 'weekly' OR content_hash IS NULL)"
        )
    try:
        found = list(nightly.run_due(world.database, act(world.keyring, now=NOW + 7 * ONE_DAY)))
        assert [one.day for one in found if isinstance(one, RunFailure)] == [SUNDAY]
        later = act(world.keyring, now=NOW + 9 * ONE_DAY)
        found = list(nightly.run_due(world.database, later))
        assert [(one.day, isinstance(one, RunFailure)) for one in found] == [
            (SUNDAY, True), (SUNDAY + ONE_DAY, False), (SUNDAY + 2 * ONE_DAY, False),
        ]  # fmt: skip
        passed_over = nightly.run_due(world.database, later, unless_failed_since=later.now - timedelta(minutes=5))
        assert list(passed_over) == []
    finally:
        with psycopg.connect(str(world.settings.database_url)) as owner:
            owner.execute("ALTER TABLE settlement.run DROP CONSTRAINT but_weeks")
    assert list(nightly.run_due(world.database, later)) == []
    with world.transaction() as session:
        assert runs.of_day(session, SUNDAY, cycle="weekly").content_hash is not None
    assert world.count("settlement.run_failure") == 0


def test_what_was_issued_and_taken_back_on_one_day_is_kept_with_both_its_lines(world: World) -> None:
    grocer = world.partner("grocer").partner_id
    agree(world, grocer, DAY, funding="on_earn", issue_price_minor=1)
    made = world.earn(grocer, world.member(), 30)
    with world.transaction() as session:
        back = Return(parts=(ledger.Part(original_id=made.transaction_id),), reference="back")
        ledger.post(session, request(grocer), back).unwrap()
    settle(world, DAY, DAY)
    assert [(one.kind, one.points, one.amount_minor) for one in owed(world, DAY, DAY)] == [("issue", 0, 0)]
    assert world.count("settlement.line") == 2


def test_what_the_fund_took_in_and_paid_out_is_what_came_of_it(world: World) -> None:
    """Funded on earn the coalition holds issue and fees, pays what is redeemed, and gives back a share of breakage."""
    partners = [world.partner(code).partner_id for code in ("grocer", "station")]
    for partner in partners:
        agree(
            world, partner, DAY, funding="on_earn", issue_price_minor=Decimal("1.07"), redemption_price_minor=1,
            breakage_share_percent=40, fee_percent=Decimal("2.5"), fee_minimum_minor=50, vat_percent=20, cycle="weekly",
        )  # fmt: skip
    chosen, member = random.Random(7), world.member()
    for n in range(14):
        for _ in range(3):
            award = Award(points=chosen.randint(1, 90), expires_on=DAY + (n + 3) * ONE_DAY)
            world.earn(chosen.choice(partners), member, None, awards=(award,))
        if chosen.random() < 0.6:
            world.burn(chosen.choice(partners), member, chosen.randint(1, world.available(member)))
        settle(world, DAY + n * ONE_DAY, DAY + n * ONE_DAY)
    sums: Counter[str] = Counter()
    for one in owed(world, DAY, DAY + 13 * ONE_DAY):
        sums[one.kind] += one.amount_minor
    assert set(sums) == {"issue", "redemption", "breakage", "fee", "fee_minimum", "vat"}
    with world.transaction() as session:
        fund = programme.get(session).programme_id
        weeks = [runs.of_day(session, DAY + n * ONE_DAY, cycle="weekly") for n in (0, 7)]
        positions = [one for run in weeks for one in runs.positions(session, run.run_id)]
    taken_in = sums["issue"] + sums["fee"] + sums["fee_minimum"] + sums["vat"]
    held = sum(one.amount_minor for one in positions if one.party_id == fund)
    assert held == taken_in - sums["redemption"] - sums["breakage"]


@tried(max_examples=8)
@given(st.data())
def test_the_order_and_the_batches_of_a_day_change_nothing_that_is_owed(shared_world: World, data: Data) -> None:
    """The same postings in another order, one by one or many at once: the same obligations."""
    world = shared_world
    with world.transaction() as session:
        day, fund = programme.get(session).open_day, programme.get(session).programme_id
    trades = data.draw(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 90)), min_size=1, max_size=6))
    shuffled = data.draw(st.permutations(trades))
    made = [trade(world, day, trades, at_once=False), trade(world, day, shuffled, at_once=True)]
    settle(world, day, day)
    found = []
    for names in made:
        parties = names | {fund: "fund"}
        found.append(
            sorted(
                (parties[one.payer_id], parties[one.payee_id], one.kind, one.points, one.amount_minor)
                for one in owed(world, day, day)
                if one.payer_id in names
            )
        )
    assert found[0] == found[1] != []


def trade(world: World, day: date, burns: list[tuple[int, int]], *, at_once: bool) -> dict[UUID, str]:
    """Two new partners, and two members who burn the points of the one at the other, one by one or all at once."""
    issuer, shop = (world.partner(f"p{secrets.token_hex(5)}").partner_id for _ in range(2))
    agree(world, issuer, day, redemption_price_minor=Decimal("0.37"), fee_per_point_minor=Decimal("0.013"))
    cards = [with_check_digit(f"7001{secrets.randbelow(10**11):011}") for _ in range(2)]
    members = [world.member(card) for card in cards]
    for member in members:
        world.earn(issuer, member, 1_000)
    asked = [
        (request(shop), Burn(member_id=members[place], points=points, reference=f"{n}"))
        for n, (place, points) in enumerate(burns)
    ]
    with world.transaction() as session:
        outcomes = ledger.post_many(session, asked) if at_once else [ledger.post(session, *one) for one in asked]
    for outcome in outcomes:
        outcome.unwrap()
    return {issuer: "issuer", shop: "shop"}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("(%(a)s::uuid, 1, 'x'), (%(a)s, 3, 'y')", "line 3 came after line 1"),
        ("(%(a)s::uuid, 1, 'x'), (%(a)s, 1, 'x')", "line 1 came after line 1"),
        ("(%(a)s::uuid, 2, 'x')", "line 2 came after line 0"),
        ("(%(a)s::uuid, 1, 'x'), (%(b)s, 1, 'x'), (%(a)s, 1, 'y')", "lines came again"),
    ],
)
def test_lines_that_are_not_in_their_order_get_no_hash(world: World, lines: str, said: str) -> None:
    which = {"a": ids.new(), "b": ids.new()}
    with world.transaction() as session:
        with pytest.raises(RuntimeError, match=said):
            line_hashes.of(session, f"VALUES {lines}", which)
        found = line_hashes.of(session, "VALUES (%(a)s::uuid, 1, 'x'), (%(a)s, 2, 'y'), (%(b)s, 1, 'x')", which)
    assert list(found) == list(which.values())
