"""The ledger's verbs, one by one."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from coalition import ledger, rates, wallets
from coalition.dated import VersionTaken
from coalition.refusals import (
    AmountNotComparable,
    EffectiveInFuture,
    IdempotencyKeyReused,
    InsufficientPoints,
    MoreThanReversible,
    NoEarningRate,
    NotReversible,
    OriginalNotFound,
    ReferenceOfAnotherMember,
    ReferenceReused,
)
from kit import ids
from tests.conftest import NOW, World, act, request

A, B = ids.new(), ids.new()
OTHER_CARD = "7001000000130470"


def reverse(world: World, partner_id, transaction, **more):
    command = ledger.Reversal(**{"original_id": transaction.transaction_id, "reference": "ret", **more})
    with world.transaction() as session:
        outcome = ledger.post(session, request(partner_id), command)
    return outcome.unwrap()


def claw_back(world: World, partner_id, member, amount):
    command = ledger.Clawback(member_id=member, reference="ret", amount_minor=amount, currency="GBP")
    with world.transaction() as session:
        outcome = ledger.post(session, request(partner_id), command)
    return outcome.unwrap()


def set_rate(world: World, points="1.5"):
    with world.transaction() as session:
        rates.set_rate(
            session,
            act(),
            partner_id=A,
            points_per_unit=Decimal(points),
            minor_per_unit=100,
            currency="GBP",
            since=NOW.date(),
        )


def test_an_earn_issues_a_lot_with_its_expiry(world):
    member = world.member()
    earned = world.earn(A, member, 120)
    with world.transaction() as session:
        balance = wallets.balance(session, member_id=member, partner_id=A)
    assert (earned.points, earned.available_after, earned.member_seq) == (120, 120, 1)
    assert balance.available == balance.issued_by_partner == 120
    assert [(e.expires_on.isoformat(), e.points) for e in balance.expiring] == [("2028-03-02", 120)]


def test_an_amount_earns_at_the_partners_rate_with_fractions_dropped(world):
    member = world.member()
    set_rate(world)
    assert world.earn(A, member, points=None, amount_minor=1066, currency="GBP").points == 15


def test_an_amount_without_a_rate_is_refused(world):
    with pytest.raises(NoEarningRate):
        world.earn(A, world.member(), points=None, amount_minor=100, currency="GBP")


def test_a_burn_takes_first_what_expires_first_whoever_issued_it(world):
    member = world.member()
    late = world.earn(A, member, 50)
    soon = world.earn(B, member, 50, effective_at=NOW - timedelta(days=30))
    burned = world.burn(A, member, 70)
    with world.transaction() as session:
        rows = session.execute(
            text("SELECT lot_id, points FROM coalition.posting WHERE txn_id = :id ORDER BY seq"),
            {"id": burned.transaction_id},
        ).all()
    assert [tuple(row) for row in rows] == [(soon.transaction_id, 50), (late.transaction_id, 20)]


def test_a_burn_of_more_than_available_names_the_balance_and_posts_nothing(world):
    member = world.member()
    world.earn(A, member, 30)
    with pytest.raises(InsufficientPoints) as refusal:
        world.burn(B, member, 31)
    assert refusal.value.fields == {"available": 30, "requested": 31}
    assert world.count("coalition.txn") == 1


def test_a_key_sent_again_is_answered_again_and_posts_nothing(world):
    member = world.member()
    asked = request(A)
    command = ledger.Earn(member_id=member, reference="r1", points=10)
    with world.transaction() as session:
        first = ledger.post(session, asked, command)
    with world.transaction() as session:
        second = ledger.post(session, asked, command)
    assert not first.replayed
    assert second.replayed
    assert first.unwrap() == second.unwrap()
    assert world.available(member) == 10


def test_a_refusal_is_stored_and_replayed_though_the_balance_would_do_now(world):
    member = world.member()
    asked = request(B)
    command = ledger.Burn(member_id=member, reference="b1", points=10)
    with world.transaction() as session:
        assert isinstance(ledger.post(session, asked, command).refusal, InsufficientPoints)
    world.earn(A, member, 100)
    with world.transaction() as session:
        again = ledger.post(session, asked, command)
    assert again.replayed
    assert isinstance(again.refusal, InsufficientPoints)
    assert world.available(member) == 100


def test_a_key_with_another_content_is_refused(world):
    member = world.member()
    command = ledger.Earn(member_id=member, reference="r1", points=10)
    with world.transaction() as session:
        ledger.post(session, request(A, key="k", content=bytes(32)), command)
    with world.transaction() as session:
        other = ledger.post(session, request(A, key="k", content=b"1" * 32), command)
    assert isinstance(other.refusal, IdempotencyKeyReused)


def test_a_receipt_posted_again_under_another_key_posts_nothing(world):
    member = world.member()
    first = world.earn(A, member, 10, reference="r1")
    assert world.earn(A, member, 10, reference="r1") == first
    assert world.available(member) == 10


def test_a_receipt_with_other_points_is_refused(world):
    member = world.member()
    world.earn(A, member, 10, reference="r1")
    with pytest.raises(ReferenceReused):
        world.earn(A, member, 11, reference="r1")


def test_a_receipt_for_another_member_is_refused(world):
    world.earn(A, world.member(), 10, reference="r1")
    with pytest.raises(ReferenceOfAnotherMember):
        world.earn(A, world.member(OTHER_CARD), 10, reference="r1")


def test_a_burned_receipt_posted_again_is_answered_however_little_is_left(world):
    member = world.member()
    world.earn(A, member, 10)
    first = world.burn(B, member, 10, reference="b1")
    assert world.burn(B, member, 10, reference="b1") == first


def test_another_partner_may_use_the_same_key_and_reference(world):
    member = world.member()
    for partner in (A, B):
        with world.transaction() as session:
            asked = request(partner, key="same", content=bytes(32))
            ledger.post(session, asked, ledger.Earn(member_id=member, reference="same", points=5)).unwrap()
    assert world.available(member) == 10


def test_a_purchase_in_the_future_is_refused(world):
    with pytest.raises(EffectiveInFuture):
        world.earn(A, world.member(), 10, effective_at=NOW + timedelta(minutes=6))


def test_a_burns_reversal_returns_points_to_the_lots_they_came_from(world):
    member = world.member()
    world.earn(A, member, 50)
    soon = world.earn(B, member, 50, effective_at=NOW - timedelta(days=30))
    burned = world.burn(A, member, 70)
    reverse(world, A, burned, points=40, reference="x1")
    reverse(world, A, burned, reference="x2")
    with world.transaction() as session:
        lots = dict(session.execute(text("SELECT lot_id, remaining FROM coalition.lot")).all())
    assert set(lots.values()) == {50}
    assert soon.transaction_id in lots
    with pytest.raises(MoreThanReversible):
        reverse(world, A, burned, reference="x3", points=1)
    assert reverse(world, A, burned, reference="x3").points == 0


def test_an_earns_reversal_takes_its_own_lot_then_the_issuers_newest(world):
    member = world.member()
    first = world.earn(A, member, 40)
    world.earn(B, member, 100)
    third = world.earn(A, member, 30)
    world.burn(B, member, 20)  # from the first lot, which expires first by id
    undone = reverse(world, A, first)
    assert (undone.points, undone.shortfall) == (40, 0)
    with world.transaction() as session:
        left = session.scalar(
            text("SELECT remaining FROM coalition.lot WHERE lot_id = :id"), {"id": third.transaction_id}
        )
    assert left == 10
    assert world.available(member) == 110


def test_an_earns_reversal_says_what_is_no_longer_there(world):
    member = world.member()
    earned = world.earn(A, member, 40)
    world.burn(B, member, 30)
    undone = reverse(world, A, earned)
    assert (undone.points, undone.shortfall, undone.available_after) == (10, 30, 0)


def test_a_reversal_by_amount_leaves_what_the_rest_would_have_earned(world):
    member = world.member()
    set_rate(world)
    earned = world.earn(A, member, points=None, amount_minor=1000, currency="GBP")  # 15 points
    parts = [reverse(world, A, earned, amount_minor=334, currency="GBP", reference=f"x{n}").points for n in range(2)]
    assert world.available(member) == 1.5 * 332 // 100
    assert sum(parts) == 15 - 4
    with pytest.raises(MoreThanReversible):
        reverse(world, A, earned, amount_minor=333, currency="GBP", reference="x9")


def test_a_reversal_by_amount_needs_an_earn_by_amount(world):
    earned = world.earn(A, world.member(), 10)
    with pytest.raises(AmountNotComparable):
        reverse(world, A, earned, amount_minor=1, currency="GBP")


def test_a_reversal_can_not_be_reversed(world):
    undone = reverse(world, A, world.earn(A, world.member(), 10))
    with pytest.raises(NotReversible):
        reverse(world, A, undone)


def test_another_partners_transaction_can_not_be_reversed(world):
    earned = world.earn(A, world.member(), 10)
    with pytest.raises(OriginalNotFound):
        reverse(world, B, earned)


def test_a_clawback_takes_the_partners_newest_points_as_far_as_they_go(world):
    member = world.member()
    set_rate(world, "1")
    world.earn(A, member, 10)
    world.earn(B, member, 50)
    undone = claw_back(world, A, member, 2500)
    assert (undone.points, undone.shortfall) == (10, 0)
    assert world.available(member) == 50


def test_every_posting_has_its_event_in_the_same_commit(world):
    member = world.member()
    world.earn(A, member, 10)
    world.burn(B, member, 5)
    with world.transaction() as session:
        kinds = session.scalars(text("SELECT type FROM kit.event ORDER BY event_id")).all()
    assert kinds == ["member.enrolled", "points.earned", "points.burned"]


@pytest.mark.parametrize("table", ["txn", "posting"])
@pytest.mark.parametrize("change", ["UPDATE {} SET points = points + 1", "DELETE FROM {}", "TRUNCATE {}"])
def test_the_ledger_refuses_changes_even_to_its_owner(world, table, change):
    world.earn(A, world.member(), 10)
    with psycopg.connect(str(world.settings.database_url)) as owner, pytest.raises(psycopg.errors.RestrictViolation):
        owner.execute(change.format(f"coalition.{table}"))


@pytest.mark.parametrize("table", ["wallet", "txn", "lot", "posting", "idempotency"])
def test_the_services_role_has_no_way_to_the_tables_but_the_functions(world, table):
    with pytest.raises(ProgrammingError, match="permission denied"), world.transaction() as session:
        session.execute(text(f"INSERT INTO coalition.{table} DEFAULT VALUES"))


def test_a_second_rate_from_the_same_day_on_is_refused(world):
    set_rate(world)
    with pytest.raises(VersionTaken):
        set_rate(world)


@pytest.mark.parametrize("wrong", [{"points": -1}, {"points": None, "amount_minor": -100, "currency": "GBP"}])
def test_nothing_negative_is_posted_by_who_gets_past_the_edges(world: World, wrong: dict[str, Any]) -> None:
    member = world.member()
    world.earn(A, member, 10)
    with pytest.raises(psycopg.errors.NumericValueOutOfRange), world.transaction() as session:
        ledger.post(session, request(A), ledger.Earn(**{"member_id": member, "reference": "r", **wrong}))
    with pytest.raises(psycopg.errors.NumericValueOutOfRange), world.transaction() as session:
        ledger.post(session, request(A), ledger.Burn(member_id=member, reference="r", points=-1))
    assert world.available(member) == 10


def test_only_a_reference_that_is_being_posted_is_worth_asking_again(world: World) -> None:
    member = world.member()
    with psycopg.connect(str(world.settings.database_url), autocommit=True) as owner:
        owner.execute("CREATE UNIQUE INDEX one_posting_a_day ON coalition.posting (member_id, business_date)")
        world.earn(A, member, 10)
        with pytest.raises(psycopg.errors.UniqueViolation), world.transaction() as session:
            ledger.post(session, request(A), ledger.Earn(member_id=member, reference="r", points=10))
        owner.execute("DROP INDEX coalition.one_posting_a_day")  # the coalition is used again


def test_merges_that_lead_nowhere_are_a_fault_and_no_endless_loop(world: World) -> None:
    one, other = world.member(), world.member("7001000000130470")
    earned = world.earn(A, one, 10)
    with psycopg.connect(str(world.settings.database_url), autocommit=True) as owner:
        for member, into in ((one, other), (other, one)):
            owner.execute(
                "UPDATE coalition.wallet SET state = 'merged', merged_into = %s WHERE member_id = %s", (into, member)
            )
    reversal = ledger.Reversal(original_id=earned.transaction_id, reference="r")
    with pytest.raises(psycopg.errors.DataCorrupted, match="lead nowhere"), world.transaction() as session:
        ledger.post(session, request(A), reversal)
