"""Awards: an earn of several lots, each its issuer's, with its own expiry, vesting, campaign and rule."""

from __future__ import annotations

import secrets
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from coalition import business_days, data_export, ledger, rates, scheduled_postings
from coalition.ledger import Award
from coalition.refusals import ExpiresOutOfRange, MoreThanReversible, PointsSpent, ReferenceReused, VestsOutOfRange
from kit import ids
from kit.errors import CoalitionError
from tests.coalition.test_returns import at, claw_back, is_clean, merge, policy, post, reverse
from tests.conftest import NOW, World, act

A, B, C = ids.new(), ids.new(), ids.new()
OTHER_CARD = "7001000000130470"
TODAY = NOW.date()
BASE = Award(points=100)
BONUS = Award(
    points=50, issuer_id=B, expires_on=TODAY + timedelta(days=30), campaign="spring", rule="double, version 3"
)
LATER = Award(points=30, issuer_id=C, vests_at=NOW + timedelta(days=14))


def award(world: World, member: UUID, *awards: Award, **more: Any) -> ledger.Transaction:
    said = {"reference": secrets.token_hex(8), **more}
    return post(world, A, ledger.Earn(member_id=member, awards=awards, **said)).unwrap()


def lots(world: World, member: UUID) -> list[tuple[Any, ...]]:
    with world.transaction() as session:
        rows = session.execute(
            text("""SELECT issuer_id, expires_on, issued, remaining, vests_at, campaign, rule, txn_id
                    FROM coalition.lot WHERE member_id = :m ORDER BY lot_id"""),
            {"m": member},
        )
        return [tuple(row) for row in rows]


def outstanding(world: World, member: UUID) -> dict[UUID, int]:
    with world.transaction() as session:
        rows = session.execute(
            text("SELECT issuer_id, sum(remaining) FROM coalition.lot WHERE member_id = :m GROUP BY 1"), {"m": member}
        )
        return {issuer: int(points) for issuer, points in rows if points}


def balances(t: ledger.Transaction) -> tuple[int, int, int]:
    return t.available_after, t.pending_after, t.debt_after


class TestAnEarnOfAwards:
    def test_is_a_lot_for_each_with_all_that_was_said_of_it(self, world: World) -> None:
        member = world.member()
        earned = award(world, member, BASE, BONUS, LATER)
        two_years = date(NOW.year + 2, NOW.month, NOW.day)
        assert earned.points == 180
        assert balances(earned) == (150, 30, 0)
        assert lots(world, member) == [
            (A, two_years, 100, 100, None, None, None, earned.transaction_id),
            (B, BONUS.expires_on, 50, 50, None, "spring", "double, version 3", earned.transaction_id),
            (C, two_years, 30, 30, LATER.vests_at, None, None, earned.transaction_id),
        ]
        assert earned.awards == (
            Award(points=100, issuer_id=A, expires_on=two_years),
            BONUS,
            Award(points=30, issuer_id=C, expires_on=two_years, vests_at=LATER.vests_at),
        )
        assert is_clean(world)

    def test_of_one_award_is_a_plain_earn_but_for_its_name(self, world: World) -> None:
        one, other = world.member(), world.member(OTHER_CARD)
        award(world, one, BASE)
        world.earn(A, other, 100)
        assert [lot[:-1] for lot in lots(world, one)] == [lot[:-1] for lot in lots(world, other)]

    def test_is_found_by_its_reference_as_long_as_the_awards_are_the_same(self, world: World) -> None:
        member = world.member()
        first = award(world, member, BASE, BONUS, reference="R")
        again = post(world, A, ledger.Earn(member_id=member, awards=(BASE, BONUS), reference="R"))
        assert (again.replayed, again.unwrap()) == (True, first)
        for other in (
            {"awards": (BONUS, BASE)}, {"awards": (BASE,)}, {"points": 150}, {"awards": (BASE, BONUS), "due_at": NOW},
            {"awards": (BASE, Award(points=50, issuer_id=B))},
            {"awards": (BASE, BONUS), "amount_minor": 1_000, "currency": "GBP"},
        ):  # fmt: skip
            with pytest.raises(ReferenceReused):
                post(world, A, ledger.Earn(member_id=member, reference="R", **other)).unwrap()
        world.earn(A, member, 150, reference="plain")
        with pytest.raises(ReferenceReused):
            award(world, member, Award(points=150), reference="plain")
        assert world.available(member) == 300

    @pytest.mark.parametrize(
        ("wrong", "refusal"),
        [
            ({"expires_on": TODAY + timedelta(days=1)}, ExpiresOutOfRange),
            ({"expires_on": TODAY + timedelta(days=3_700)}, ExpiresOutOfRange),
            ({"expires_on": date(1, 1, 1)}, ExpiresOutOfRange),
            ({"vests_at": NOW - timedelta(days=1)}, VestsOutOfRange),
            ({"vests_at": NOW + timedelta(days=5), "expires_on": TODAY + timedelta(days=5)}, VestsOutOfRange),
            ({"vests_at": datetime(9999, 12, 31, tzinfo=UTC)}, VestsOutOfRange),
        ],
    )
    def test_posts_nothing_where_one_award_can_not_be(
        self, world: World, wrong: dict[str, Any], refusal: type[CoalitionError]
    ) -> None:
        member = world.member()
        with pytest.raises(refusal):
            award(world, member, BASE, Award(points=10, **wrong))
        assert (world.available(member), world.count("coalition.txn")) == (0, 0)

    def test_expires_and_vests_award_by_award(self, world: World) -> None:
        member = world.member()
        soon = Award(points=40, issuer_id=B, expires_on=TODAY + timedelta(days=2))
        award(world, member, BASE, soon, LATER)
        assert scheduled_postings.expire(world.database, day=TODAY + timedelta(days=1), now=NOW) == 1
        assert world.available(member) == 100
        assert scheduled_postings.vest(world.database, now=NOW + timedelta(days=15)) == 1
        assert outstanding(world, member) == {A: 100, C: 30}
        assert is_clean(world)

    def test_repays_debts_out_of_what_can_be_spent_in_its_order(self, world: World) -> None:
        policy(world, "debt")
        member = world.member()
        spent = world.earn(A, member, 120)
        world.burn(B, member, 120)
        assert reverse(world, spent).debt_after == 120
        earned = award(world, member, LATER, BONUS, BASE)
        assert (earned.debt_repaid, *balances(earned)) == (120, 30, 30, 0)
        assert outstanding(world, member) == {C: 30, A: 30}
        assert is_clean(world)

    def test_is_exported_with_what_it_was_for(self, world: World) -> None:
        member = world.member()
        award(world, member, BASE, BONUS)
        with world.transaction() as session:
            exported = data_export.of_member(session, member_id=member, keyring=world.keyring)
        assert {(lot["campaign"], lot["rule"]) for lot in exported["lots"]} == {
            (None, None), ("spring", "double, version 3")
        }  # fmt: skip
        [event] = exported["events"][-1:]
        assert event["data"]["awards"][1]["issuer_id"] == ids.show(ids.PARTNER, B)


class TestAReturnOfAwards:
    def test_takes_the_last_first_and_each_from_its_issuer(self, world: World) -> None:
        member = world.member()
        world.earn(B, member, 500)
        earned = award(world, member, BASE, BONUS)
        part = reverse(world, earned, points=60)
        assert part.points == 60
        assert outstanding(world, member) == {A: 90, B: 500}
        with pytest.raises(MoreThanReversible):
            reverse(world, earned, points=91)
        assert reverse(world, earned).points == 90
        assert outstanding(world, member) == {B: 500}
        assert reverse(world, earned).points == 0
        assert is_clean(world)

    def test_of_a_part_of_the_purchase_takes_its_part(self, world: World) -> None:
        member = world.member()
        earned = award(world, member, BASE, BONUS, amount_minor=999, currency="GBP")
        taken = [reverse(world, earned, amount_minor=333, currency="GBP").points for _ in range(3)]
        assert taken == [50, 50, 50]
        assert is_clean(world)

    def test_takes_pending_points_of_the_award_itself(self, world: World) -> None:
        member = world.member()
        earned = award(world, member, BASE, LATER)
        assert balances(reverse(world, earned, points=40)) == (90, 0, 0)
        assert scheduled_postings.vest(world.database, now=NOW + timedelta(days=15)) == 0
        assert is_clean(world)

    def test_takes_no_more_of_an_issuer_than_is_left_of_what_was_issued_in_its_name(self, world: World) -> None:
        with world.transaction() as session:
            rates.set_rate(
                session, act(), partner_id=B, points_per_unit=Decimal(1), minor_per_unit=100, currency="GBP",
                since=date(2020, 1, 1),
            )  # fmt: skip
        member = world.member()
        earned = award(world, member, BASE, BONUS)
        assert claw_back(world, B, member, 3_000).points == 30
        whole = reverse(world, earned)
        assert (whole.points, whole.shortfall) == (120, 0)
        assert outstanding(world, member) == {}
        assert claw_back(world, B, member, 3_000).points == 0
        assert is_clean(world)

    def test_leaves_a_debt_to_each_issuer_whose_points_are_spent(self, world: World) -> None:
        policy(world, "debt")
        member = world.member()
        earned = award(world, member, BASE, BONUS, Award(points=7, issuer_id=B))
        world.burn(C, member, 157)
        whole = reverse(world, earned)
        assert (whole.points, whole.shortfall, whole.debt_after) == (0, 157, 157)
        with world.transaction() as session:
            debts = dict(session.execute(text("SELECT partner_id, points FROM coalition.debt")).all())
        assert debts == {A: 100, B: 57}
        assert is_clean(world)
        assert balances(world.earn(C, member, 200)) == (43, 0, 0)
        assert is_clean(world)

    def test_is_refused_where_the_policy_says_so_and_an_issuer_s_points_are_spent(self, world: World) -> None:
        policy(world, "refuse")
        member = world.member()
        world.earn(C, member, 1_000)
        earned = award(world, member, BASE, BONUS)
        world.burn(C, member, 20)  # the bonus expires first
        with pytest.raises(PointsSpent) as refused:
            reverse(world, earned)
        assert refused.value.fields == {"coverable": 130, "requested": 150}
        assert outstanding(world, member) == {A: 100, B: 30, C: 1_000}
        assert reverse(world, earned, points=30).points == 30
        assert is_clean(world)

    def test_follows_what_was_merged_and_what_came_back(self, world: World) -> None:
        member, into = world.member(), world.member(OTHER_CARD)
        earned = award(world, member, BASE, BONUS)
        merge(world, member, into)
        assert [lot[5:] for lot in lots(world, into)] == [
            ("spring", "double, version 3", earned.transaction_id), (None, None, earned.transaction_id)
        ]  # fmt: skip
        burned = world.burn(C, into, 120)
        assert reverse(world, burned).available_after == 150
        assert reverse(world, earned, points=70).available_after == 80
        assert outstanding(world, into) == {A: 80}
        assert is_clean(world)

    def test_gives_grace_to_an_award_that_expired_meanwhile_and_only_to_it(self, world: World) -> None:
        member = world.member()
        award(world, member, BASE, BONUS)
        burned = world.burn(C, member, 150)
        late = NOW + timedelta(days=40)
        with world.transaction() as session:
            business_days.close_over(session, now=late)
            back = ledger.post(
                session, at(late, C), ledger.Reversal(original_id=burned.transaction_id, reference="late")
            ).unwrap()
        assert back.expires_on == late.date() + timedelta(days=30)
        assert [(lot[0], lot[3], lot[5]) for lot in lots(world, member) if lot[3]] == [
            (A, 100, None),
            (B, 50, "spring"),
        ]
        assert is_clean(world)
