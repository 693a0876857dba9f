"""What time does to wallets, and what an admin does by hand."""

from __future__ import annotations

from datetime import date, timedelta

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from coalition import (
    adjustments,
    closing,
    identifiers,
    ledger,
    members,
    merges,
    scheduled_postings,
    verify,
    wallets,
)
from coalition.adjustments import Adjustment
from coalition.approvals import SecondPersonNeeded
from coalition.members import MemberMerged, MemberNotFound
from coalition.refusals import HoldsOpen, MemberBlocked, PointsSpent, SameMember
from kit import ids
from kit.audit import Act, ReasonMissing
from kit.db import shown
from settlement import nightly
from tests.conftest import APPROVED, CARD, NOW, World, act, request

A, B = ids.new(), ids.new()
OTHER_CARD = "7001000000130470"
OLD = NOW - timedelta(days=728)  # earned then, points can be spent for the last time on 3 March 2026


def events(world: World, type_: str) -> list[dict]:
    with world.transaction() as session:
        rows = session.execute(text("SELECT data FROM kit.event WHERE type = :t ORDER BY event_id"), {"t": type_})
        return [row.data for row in rows]


def balance(world: World, member) -> wallets.Balance:
    with world.transaction() as session:
        return wallets.balance(session, member_id=member, partner_id=A)


def clean(world: World) -> bool:
    with world.transaction() as session:
        verify.snapshot(session)
        return all(finding.broken is None for finding in verify.run(session))


def post(world: World, command, partner=A, now=NOW) -> ledger.Outcome:
    asked = ledger.Request(partner_id=partner, key=None, request_hash=None, now=now)
    with world.transaction() as session:
        return ledger.post(session, asked, command)


def adjust(world: World, why: Act, command: Adjustment) -> ledger.Outcome:
    asked = ledger.Request(partner_id=A, key=None, request_hash=None, now=why.now)
    with world.transaction() as session:
        return adjustments.adjust(session, why, asked, command)


def policy(world: World, name: str) -> None:
    with world.transaction() as session:
        session.execute(text("UPDATE coalition.programme SET return_policy = :p"), {"p": name})


def test_points_expire_with_the_last_day_they_can_be_spent_on(world: World) -> None:
    member = world.member()
    world.earn(A, member, 40, effective_at=OLD)
    world.earn(B, member, 60)
    closing.close_day(world.database, act(world.keyring, now=NOW + timedelta(days=1)), day=date(2026, 3, 2))
    assert balance(world, member).available == 100
    closing.close_day(world.database, act(world.keyring, now=NOW + timedelta(days=2)), day=date(2026, 3, 3))
    assert balance(world, member).available == 60
    (expired,) = events(world, "points.expired")
    assert (expired["points"], expired["partner_id"], expired["available_after"]) == (40, str(A), 60)
    assert expired["business_date"] == "2026-03-04", "the first day without them"
    assert scheduled_postings.expire(world.database, day=date(2026, 3, 3), now=NOW) == 0
    assert clean(world)


def test_what_is_held_outlives_its_expiry_until_the_hold_ends(world: World) -> None:
    member = world.member()
    world.earn(A, member, 40, effective_at=OLD)
    kept = post(world, ledger.Hold(member_id=member, reference="h", points=30, due_at=NOW + timedelta(days=5))).unwrap()
    for n in range(2):
        closing.close_day(
            world.database, act(world.keyring, now=NOW + timedelta(days=n + 1)), day=NOW.date() + timedelta(days=n)
        )
    assert (balance(world, member).available, balance(world, member).held) == (0, 30)
    later = NOW + timedelta(days=2)
    command = ledger.Capture(original_id=kept.transaction_id, reference="c", points=10)
    assert post(world, command, now=later).unwrap().available_after == 20
    scheduled_postings.expire(world.database, day=date(2026, 3, 4), now=later)
    assert balance(world, member).available == 0
    assert clean(world)


def test_a_hold_lapses_by_itself(world: World) -> None:
    member = world.member()
    world.earn(A, member, 40)
    post(world, ledger.Hold(member_id=member, reference="h", points=30, due_at=NOW + timedelta(hours=1))).unwrap()
    assert scheduled_postings.lapse_holds(world.database, now=NOW) == 0
    assert scheduled_postings.lapse_holds(world.database, now=NOW + timedelta(hours=1)) == 1
    assert scheduled_postings.lapse_holds(world.database, now=NOW + timedelta(hours=2)) == 0
    assert (balance(world, member).available, balance(world, member).held) == (40, 0)
    assert len(events(world, "points.lapsed")) == 1


def test_pending_points_vest_once(world: World) -> None:
    member = world.member()
    world.earn(A, member, 40, due_at=NOW + timedelta(hours=1))
    assert scheduled_postings.vest(world.database, now=NOW) == 0
    assert scheduled_postings.vest(world.database, now=NOW + timedelta(hours=1)) == 1
    assert scheduled_postings.vest(world.database, now=NOW + timedelta(hours=1)) == 0
    assert (balance(world, member).available, balance(world, member).pending) == (40, 0)


def test_an_issuer_is_warned_once_of_points_that_will_expire(world: World) -> None:
    member = world.member()
    world.earn(A, member, 40, effective_at=OLD + timedelta(days=30))
    world.earn(A, member, 5, effective_at=OLD + timedelta(days=31))
    for _ in range(2):
        scheduled_postings.warn_of_expiry(world.database, day=date(2026, 3, 4), now=NOW)
    (warning,) = events(world, "points.expiring")
    assert (warning["points"], warning["expires_on"], warning["member_id"]) == (40, "2026-04-03", str(member))
    scheduled_postings.warn_of_expiry(
        world.database, day=date(2026, 3, 9), now=NOW
    )  # days that were left out are made up for
    assert [told["points"] for told in events(world, "points.expiring")] == [40, 5]
    assert clean(world)


def test_points_that_come_when_their_warning_is_over_are_warned_of_that_night(world: World) -> None:
    member = world.member()
    world.earn(A, member, 40, effective_at=OLD + timedelta(days=10))
    burned = world.burn(B, member, 30)
    held = post(world, ledger.Hold(member_id=member, reference="h", points=10, due_at=NOW + timedelta(days=9))).unwrap()
    scheduled_postings.warn_of_expiry(world.database, day=date(2026, 3, 1), now=NOW - timedelta(days=1))
    assert events(world, "points.expiring") == []  # they are spent or held, so nobody is warned
    post(world, ledger.Reversal(original_id=burned.transaction_id, reference="x", points=5), partner=B).unwrap()
    world.earn(A, member, 7, effective_at=OLD + timedelta(days=12))
    scheduled_postings.warn_of_expiry(world.database, day=date(2026, 3, 2), now=NOW)
    told = [(each["points"], each["expires_on"]) for each in events(world, "points.expiring")]
    assert told == [(5, "2026-03-14"), (7, "2026-03-16")]
    closing.close_day(world.database, act(world.keyring, now=NOW + timedelta(days=1)), day=date(2026, 3, 2))
    post(world, ledger.Void(original_id=held.transaction_id, reference="v")).unwrap()
    scheduled_postings.warn_of_expiry(world.database, day=date(2026, 3, 3), now=NOW + timedelta(days=1))
    told = [(each["points"], each["expires_on"]) for each in events(world, "points.expiring")]
    assert told[2:] == [(15, "2026-03-14")]
    assert clean(world)


# What falls due in a wallet, and the balance that it lowers.
DUE = {
    "lapse": ("held", lambda world, member: post(world, ledger.Hold(member_id=member, reference=f"h{member}", points=5,
                                                                    due_at=NOW + timedelta(hours=1)))),
    "vest": ("pending", lambda world, member: world.earn(A, member, 5, due_at=NOW + timedelta(hours=1))),
    "expiry": ("available", lambda world, member: world.earn(A, member, 5, effective_at=OLD)),
}  # fmt: skip


@pytest.mark.parametrize("kind", DUE)
@pytest.mark.parametrize("what", ["balance", "version"])
def test_a_broken_wallet_is_named_and_keeps_nobody_elses_upkeep_and_no_day_waiting(
    world: World, caplog: pytest.LogCaptureFixture, kind: str, what: str
) -> None:
    balance, fall_due = DUE[kind]
    column = balance if what == "balance" else "version"  # the next transaction has the number of one that is there
    cards = (CARD, OTHER_CARD, "7001000000171789")
    first, broken, last = sorted(world.member(card) for card in cards)
    for member in (first, broken, last):
        if kind == "lapse":
            world.earn(A, member, 5)
        fall_due(world, member)
    with psycopg.connect(shown(world.database.engine.url.set(drivername="postgresql"))) as owner:
        owner.execute(f"UPDATE coalition.wallet SET {column} = 0 WHERE member_id = %s", (broken,))  # type: ignore[arg-type]
    second_day, now = NOW.date() + timedelta(days=1), NOW + timedelta(days=2)
    assert nightly.run(world.database, act(world.keyring, now=now), day=second_day).settled_now
    with world.transaction() as session:
        statement = "SELECT member_id FROM coalition.txn WHERE kind::text = :kind ORDER BY 1"
        assert list(session.scalars(text(statement), {"kind": kind})) == [first, last]
    said = [record.getMessage() for record in caplog.records if "can't post" in record.getMessage()]
    assert said, "it is tried again"
    assert all(ids.show_our_own(broken) in line and kind in line for line in said)


def test_under_the_policy_debt_the_next_earn_repays_and_its_issuer_pays(world: World) -> None:
    policy(world, "debt")
    member = world.member()
    earned = world.earn(A, member, 100)
    world.burn(B, member, 80)
    world.earn(B, member, 10)
    back = post(world, ledger.Reversal(original_id=earned.transaction_id, reference="x")).unwrap()
    assert (back.points, back.debt_repaid, back.shortfall, back.debt_after, back.available_after) == (20, 0, 80, 80, 10)
    next_ = world.earn(B, member, 100)
    assert (next_.debt_repaid, next_.debt_after, next_.available_after) == (80, 0, 30)
    with world.transaction() as session:
        flows = {
            (flow.issuer_id, flow.partner_id): flow.points
            for flow in session.execute(text("SELECT * FROM coalition.flows_on(:day)"), {"day": NOW.date()})
            if flow.kind == "redemption"
        }
    assert flows == {(A, B): 80, (B, A): 80}
    assert clean(world)


def test_under_the_policy_refuse_a_return_of_spent_points_is_refused(world: World) -> None:
    policy(world, "refuse")
    member = world.member()
    earned = world.earn(A, member, 100)
    world.burn(B, member, 80)
    refused = post(world, ledger.Reversal(original_id=earned.transaction_id, reference="x"))
    assert isinstance(refused.refusal, PointsSpent)
    assert refused.refusal.fields["coverable"] == 20


def test_points_given_back_after_their_expiry_live_for_the_days_of_grace(world: World) -> None:
    member = world.member()
    world.earn(A, member, 40, effective_at=OLD)
    burned = world.burn(B, member, 30)
    for n in range(2):
        closing.close_day(
            world.database, act(world.keyring, now=NOW + timedelta(days=n + 1)), day=NOW.date() + timedelta(days=n)
        )
    post(world, ledger.Reversal(original_id=burned.transaction_id, reference="x"), partner=B).unwrap()
    found = balance(world, member)
    assert [(part.expires_on, part.points) for part in found.expiring] == [(date(2026, 4, 3), 30)]
    assert clean(world)


def test_an_adjustment_says_why_and_above_the_limit_who_approved(world: World) -> None:
    member = world.member()
    given = {"member_id": member, "points": 10_001, "credit": True, "reference": "a1"}
    why = {"reason": "till was down", "by": "ann"}
    with pytest.raises(ReasonMissing):
        adjust(world, act(by="ann"), Adjustment(**given))
    for approved_by in (None, "ann"):
        with pytest.raises(SecondPersonNeeded):
            adjust(world, act(**why, approved_by=approved_by), Adjustment(**given))
    approved = act(**why, approved_by="ben")
    done = adjust(world, approved, Adjustment(**given)).unwrap()
    assert done.meta == {"direction": "credit", "reason": "till was down", "made_by": "ann", "approved_by": "ben"}
    again = adjust(world, approved, Adjustment(**given))
    assert (again.replayed, balance(world, member).available) == (True, 10_001)
    taken = Adjustment(**{**given, "credit": False, "points": 1, "reference": "a2"})
    assert adjust(world, act(reason="one too many", by="ann"), taken).unwrap().available_after == 10_000
    assert len(events(world, "points.adjusted")) == 2
    assert clean(world)


def test_a_blocked_member_neither_earns_nor_spends_but_can_return(world: World) -> None:
    member = world.member()
    earned = world.earn(A, member, 40)
    with world.transaction() as session:
        assert merges.block(session, act(), member_id=member, blocked=True)
        assert not merges.block(session, act(), member_id=member, blocked=True)
    for verb in (world.earn, world.burn):
        with pytest.raises(MemberBlocked):
            verb(A, member, 10)
    post(world, ledger.Reversal(original_id=earned.transaction_id, reference="x", points=10)).unwrap()
    with world.transaction() as session:
        merges.block(session, act(), member_id=member, blocked=False)
    assert world.burn(A, member, 10).available_after == 20
    assert [len(events(world, f"member.{what}")) for what in ("blocked", "unblocked")] == [1, 1]
    with world.transaction() as session, pytest.raises(MemberNotFound):
        merges.block(session, act(), member_id=ids.new(), blocked=True)


def test_merged_members_have_one_wallet_and_their_returns_still_work(world: World) -> None:
    old, kept = world.member(), world.member(OTHER_CARD)
    earned = world.earn(A, old, 100)
    burned = world.burn(B, old, 30)
    world.earn(B, kept, 5)

    def merge(member, into, reference="m1"):
        with world.transaction() as session:
            return merges.merge(session, APPROVED, member_id=member, into=into, reference=reference)

    assert isinstance(merge(old, old).refusal, SameMember)
    assert merge(old, kept).unwrap().points == 70
    assert merge(old, kept, "m2").refusal is not None
    assert balance(world, kept).available == 75
    with world.transaction() as session:
        assert members.find(session, identifiers.parse("card", CARD, partner_id=A), world.keyring).member_id == kept
    with pytest.raises(MemberMerged) as refusal:
        world.earn(A, old, 1)
    assert refusal.value.fields["member_id"] == ids.show_our_own(kept)
    post(world, ledger.Reversal(original_id=burned.transaction_id, reference="x1"), partner=B).unwrap()
    assert balance(world, kept).available == 105
    post(world, ledger.Reversal(original_id=earned.transaction_id, reference="x2")).unwrap()
    assert balance(world, kept).available == 5
    assert clean(world)


def test_a_member_with_points_on_hold_is_not_merged(world: World) -> None:
    old, kept = world.member(), world.member(OTHER_CARD)
    world.earn(A, old, 100)
    post(world, ledger.Hold(member_id=old, reference="h", points=1, due_at=NOW + timedelta(hours=1))).unwrap()
    with world.transaction() as session:
        outcome = merges.merge(session, APPROVED, member_id=old, into=kept, reference="m")
    assert isinstance(outcome.refusal, HoldsOpen)


def test_outcomes_are_forgotten_after_their_time_and_references_are_not(world: World) -> None:
    member = world.member()
    asked = request(A, key="k")
    command = ledger.Earn(member_id=member, reference="r", points=5)
    with world.transaction() as session:
        ledger.post(session, asked, command)
    assert scheduled_postings.forget_outcomes(world.database, now=NOW + timedelta(days=29)) == 0
    assert scheduled_postings.forget_outcomes(world.database, now=NOW + timedelta(days=31)) == 1
    with world.transaction() as session:
        assert ledger.post(session, asked, command).replayed
    assert balance(world, member).available == 5


@pytest.mark.parametrize("statement", ["UPDATE {} SET day = day", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_a_seal_can_not_be_changed_even_by_the_owner(world: World, statement: str) -> None:
    closing.close_day(world.database, act(world.keyring, now=NOW + timedelta(days=1)), day=NOW.date())
    owner = shown(world.database.engine.url)

    with (
        psycopg.connect(owner.replace("+psycopg", "")) as connection,
        pytest.raises(psycopg.Error, match="append-only"),
    ):
        connection.execute(statement.format("coalition.sealed_day"))
    with world.transaction() as session, pytest.raises(DBAPIError):
        session.execute(text(statement))
