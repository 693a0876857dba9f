"""Every operation in any order, with retries, a moving clock and closing days, against the plain model.

A few thousand steps here; `python -m pytest tests/coalition/test_ledger_machine.py --hypothesis-profile=night` runs for
hours.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, rule, run_state_machine_as_test
from sqlalchemy import text

from coalition import adjustments, business_days, ledger, merges, rates, scheduled_postings, verify
from coalition.cards import with_check_digit
from coalition.ledger import Command, Outcome, Request
from kit import ids
from tests.coalition import model
from tests.conftest import APPROVED, NIGHT, NOW, World, act

PARTNERS = [ids.new() for _ in range(3)]
CARDS = (with_check_digit(f"7018{n:011d}") for n in count())

partners = st.sampled_from(PARTNERS)
points = st.integers(1, 300)
shares = st.sampled_from([30, 70, 100, 10, 130])  # per cent of what is there, so that most of it works
rarely = st.sampled_from([False] * 6 + [True])
ages = st.one_of(st.integers(0, 5), st.integers(715, 735))  # days: the old ones expire soon
vestings = st.sampled_from([None, None, 3, 30])  # hours
lives = st.sampled_from([None, 1, 2, 3, 10, 400])  # days until an award expires; None: as the programme says


@dataclass
class Books:
    """The database all examples share, and the time in it, which only moves forward."""

    world: World
    now: datetime
    open_day: date
    references: Any = field(default_factory=lambda: count(1))


class Ledger(RuleBasedStateMachine):
    """One example: three new members, any operations."""

    books: Books
    members = Bundle("members")
    transactions = Bundle("transactions")
    holds = Bundle("holds")

    @initialize(policy=st.sampled_from(["within_balance", "debt", "refuse"]))
    def start(self, policy: str) -> None:
        self.policy = policy
        with self.books.world.transaction() as session:
            session.execute(text("UPDATE coalition.programme SET return_policy = :p"), {"p": policy})

    @initialize(target=members)
    def enrol_one(self) -> model.Member:
        return self.enrol()

    @initialize(target=members)
    def enrol_another(self) -> model.Member:
        return self.enrol()

    def enrol(self) -> model.Member:
        member = model.Member(self.books.world.member(next(CARDS)))
        self.everybody.append(member)
        return member

    @rule(
        target=transactions,
        member=members,
        partner=partners,
        points=points,
        age=ages,
        vests=vestings,
        paid=st.booleans(),
    )
    def earn(
        self, member: model.Member, partner: UUID, points: int, age: int, vests: int | None, paid: bool = False
    ) -> Any:
        at = self.books.now - timedelta(days=age)
        vests_at = self.books.now + timedelta(hours=vests) if vests else None
        expires_on = _plus_two_years(at.date())

        def plain() -> model.Txn:
            member.check()
            if expires_on <= self.books.open_day + timedelta(days=1):
                raise model.Refused("effective_too_old")
            if vests_at and vests_at.date() >= expires_on:
                raise model.Refused("vests_out_of_range")
            issued = model.points_of(points) if paid else points
            lot = model.Lot(UUID(int=0), partner, expires_on, issued, issued, 0, vests_at)
            return model.earn(member, partner, [lot], points if paid else None, self.books.now)

        command = ledger.Earn(
            member_id=member.member_id, reference=self.reference(), effective_at=at, due_at=vests_at,
            **(_money(points) if paid else {"points": points}),
        )  # fmt: skip
        return self.both(partner, command, plain)

    @rule(target=transactions, member=members, partner=partners, points=points)
    def earn_now(self, member: model.Member, partner: UUID, points: int) -> Any:
        return self.earn(member, partner, points, 0, None)

    @rule(
        target=transactions,
        member=members,
        partner=partners,
        awards=st.lists(st.tuples(partners, points, lives, vestings), min_size=1, max_size=4),
        amount=st.one_of(st.none(), st.integers(1, 900)),
    )
    def award(
        self, member: model.Member, partner: UUID, awards: list[tuple[UUID, int, int | None, int | None]],
        amount: int | None,
    ) -> Any:  # fmt: skip
        wanted = [
            ledger.Award(
                points=points, issuer_id=issuer, expires_on=days and self.today + timedelta(days=days),
                vests_at=hours and self.books.now + timedelta(hours=hours), campaign=f"campaign {n}",
                rule=f"rule {n}, version 1",
            )
            for n, (issuer, points, days, hours) in enumerate(awards)
        ]  # fmt: skip
        lots = [
            model.Lot(
                UUID(int=0), award.issuer_id, award.expires_on or _plus_two_years(self.books.now.date()), award.points,
                award.points, 0, award.vests_at,
            )
            for award in wanted
        ]  # fmt: skip

        def plain() -> model.Txn:
            member.check()
            for lot in lots:
                if lot.vests_at and lot.vests_at.date() >= lot.expires_on:
                    raise model.Refused("vests_out_of_range")
                if lot.expires_on <= self.books.open_day + timedelta(days=1):
                    raise model.Refused("expires_out_of_range")
            done = model.earn(member, partner, lots, amount, self.books.now)
            done.by_award = True
            return done

        command = ledger.Earn(
            member_id=member.member_id, reference=self.reference(), effective_at=self.books.now, awards=tuple(wanted),
            **({} if amount is None else _money(amount)),
        )  # fmt: skip
        return self.both(partner, command, plain)

    @rule(target=transactions, member=members, partner=partners, share=shares)
    def burn(self, member: model.Member, partner: UUID, share: int) -> Any:
        points = 1 + member.available * share // 100
        command = ledger.Burn(member_id=member.member_id, reference=self.reference(), points=points)
        return self.both(partner, command, lambda: model.burn(member, partner, points, self.books.now))

    @rule(target=holds, member=members, partner=partners, share=shares, hours=st.integers(1, 40))
    def hold(self, member: model.Member, partner: UUID, share: int, hours: int) -> Any:
        points = 1 + member.available * share // 200
        until = self.books.now + timedelta(hours=hours)
        command = ledger.Hold(member_id=member.member_id, reference=self.reference(), points=points, due_at=until)
        return self.both(partner, command, lambda: model.hold(member, partner, points, until, self.books.now))

    @rule(target=transactions, kept=consumes(holds), share=st.one_of(st.none(), shares))
    def capture(self, kept: Any, share: int | None) -> Any:
        if kept is None:
            return None
        hold_id, held = kept
        points = None if share is None else 1 + held.points * share // 100
        command = ledger.Capture(original_id=hold_id, reference=self.reference(), points=points)
        wanted = held.points if points is None else points
        return self.both(held.partner, command, lambda: model.end_hold(held, wanted, now=self.books.now, capture=True))

    @rule(kept=holds)
    def void(self, kept: Any) -> None:
        if kept is not None:
            hold_id, held = kept
            command = ledger.Void(original_id=hold_id, reference=self.reference())
            self.both(held.partner, command, lambda: model.end_hold(held, 0, now=self.books.now))

    @rule(done=transactions, share=st.one_of(shares, st.none()), money=st.booleans(), may_owe=st.booleans())
    def reverse(self, done: Any, share: int | None, money: bool = False, may_owe: bool = True) -> None:
        if done is not None:
            txn_id, txn = done
            points = None if share is None or money else 1 + txn.points * share // 200
            amount = (txn.amount or 10) * share // 200 if share is not None and money else None
            command = ledger.Reversal(
                original_id=txn_id, reference=self.reference(), may_owe=may_owe,
                **({"points": points} if amount is None else _money(amount)),
            )  # fmt: skip
            rules = {"policy": self.policy, "today": self.today, "may_owe": may_owe, "now": self.books.now}
            self.both(txn.partner, command, lambda: model.reverse(txn, points, amount=amount, **rules))

    @rule(member=members, partner=partners, amount=st.integers(0, 900), may_owe=st.booleans())
    def claw_back(self, member: model.Member, partner: UUID, amount: int, may_owe: bool = True) -> None:
        command = ledger.Clawback(
            member_id=member.member_id, reference=self.reference(), may_owe=may_owe, **_money(amount)
        )
        rules = {"policy": self.policy, "may_owe": may_owe, "now": self.books.now}
        self.both(partner, command, lambda: model.claw_back(member, partner, amount, **rules))

    @rule(one=transactions, other=transactions, third=transactions, share=st.one_of(st.none(), shares))
    def return_a_purchase(self, one: Any, other: Any, third: Any = None, share: int | None = None) -> None:
        """Two or three transactions, the first of them perhaps in part, whoever's they are but for the partner."""
        chosen = {done[0]: done[1] for done in (one, other, third) if done is not None}
        if len(chosen) < 2 or len({txn.partner for txn in chosen.values()}) > 1:
            return
        asked = dict.fromkeys(chosen)
        if share is not None:
            first = next(iter(chosen))
            asked[first] = 1 + chosen[first].points * share // 200
        parts = tuple(ledger.Part(original_id=txn_id, points=points) for txn_id, points in asked.items())
        # What was issued or spent first is returned first; the database goes by the ids, which are in that order.
        plain = [(chosen[txn_id], asked[txn_id]) for txn_id in sorted(chosen)]
        command = ledger.Return(reference=self.reference(), parts=parts)
        rules = {"policy": self.policy, "today": self.today, "now": self.books.now}
        self.both(plain[0][0].partner, command, lambda: model.restore_purchase(plain, **rules))
        outcome = self.last[2] if self.last else None
        if outcome is not None and outcome.refusal is None:
            assert [each.reverses_transaction_id for each in outcome.reversals] == list(asked)

    @rule(member=members, partner=partners, points=points, credit=st.booleans())
    def adjust(self, member: model.Member, partner: UUID, points: int, credit: bool) -> None:
        lot = model.Lot(UUID(int=0), partner, _plus_two_years(self.books.now.date()), points, points)
        self.books.open_day = self.today  # corrections by hand close what is over first
        command = adjustments.Adjustment(
            member_id=member.member_id, reference=self.reference(), points=points, credit=credit,
        )  # fmt: skip
        self.both(
            partner, command, lambda: model.adjust(member, points, lot if credit else None, self.today, self.books.now)
        )

    @rule(target=members, member=members, into=members, really=rarely)
    def merge(self, member: model.Member, into: model.Member, really: bool) -> model.Member:
        if not really:
            return into
        self.books.open_day = self.today
        with self.books.world.transaction() as session:
            outcome = merges.merge(
                session,
                replace(APPROVED, now=self.books.now),
                member_id=member.member_id,
                into=into.member_id,
                reference=self.reference(),
            )
        self.compare(outcome, lambda: model.merge(member, into, self.books.now))
        return self.enrol()

    @rule(member=members, blocked=rarely)
    def block(self, member: model.Member, blocked: bool) -> None:
        if member.merged_into is None:
            with self.books.world.transaction() as session:
                merges.block(session, act(now=self.books.now), member_id=member.member_id, blocked=blocked)
            member.blocked = blocked

    @rule()
    def retry(self) -> None:
        if self.last is not None:
            request, command, before = self.last
            after = self.post(request, command)
            assert after.replayed
            assert after.transaction == before.transaction
            assert (after.refusal and after.refusal.code) == (before.refusal and before.refusal.code)
            self.same_as_model()

    @rule()
    def post_again_under_a_new_key(self) -> None:
        if self.last is not None and self.last[2].refusal is None:
            request, command, before = self.last
            after = self.post(self.request(request.partner_id), command)
            assert after.replayed
            assert after.transaction == before.transaction
            self.same_as_model()

    @property
    def today(self) -> date:
        """The calendar's day, whatever day is open."""
        return max(self.books.open_day, self.books.now.date())

    @rule(hours=st.integers(1, 30), late=rarely)
    def let_time_pass(self, hours: int, late: bool = False) -> None:
        """And do what falls due by then, unless that is `late`."""
        self.books.now += timedelta(hours=hours)
        if late:
            return
        scheduled_postings.lapse_holds(self.books.world.database, now=self.books.now)
        scheduled_postings.vest(self.books.world.database, now=self.books.now)
        for kept in self.all_holds:
            if kept.open and kept.expires_at <= self.books.now:
                model.end_hold(kept, 0, now=self.books.now, lapse=True)
        for member in self.everybody:
            model.vest(member, self.books.now)
        self.close_days()
        self.same_as_model()

    def close_days(self) -> None:
        """Close what is over, then do for each of these days what its night does."""
        database = self.books.world.database
        with database.transaction() as session:
            business_days.close_over(session, now=self.books.now)
            days = business_days.unsealed_days(session)
        for day in days:
            scheduled_postings.expire(database, day=day, now=self.books.now)
            with database.transaction() as session:
                business_days.seal(session, day=day, now=self.books.now, keyring=self.books.world.keyring)
            for member in self.everybody:
                model.expire(member, day)
        self.books.open_day = self.today

    def teardown(self) -> None:
        with self.books.world.transaction() as session:
            verify.snapshot(session)
            assert [finding for finding in verify.run(session) if finding.broken] == []

    def __init__(self) -> None:
        super().__init__()
        self.policy = "within_balance"
        self.everybody: list[model.Member] = []
        self.all_holds: list[model.Hold] = []
        self.last: tuple[Request, Command, Outcome] | None = None

    def both(self, partner: UUID, command: Command, plain: Any) -> Any:
        """Post in the ledger and in the model; the transaction's id and the model's entry, or None when both refuse."""
        request = self.request(partner)
        outcome = self.post(request, command)
        # What can pass is not remembered, and may go through when it is asked again.
        self.last = (
            None if outcome.refusal and outcome.refusal.code == "member_blocked" else (request, command, outcome)
        )
        done = self.compare(outcome, plain)
        if isinstance(done, model.Hold):
            self.all_holds.append(done)
        return None if outcome.transaction is None else (outcome.transaction.transaction_id, done)

    def compare(self, outcome: Outcome, plain: Any) -> Any:
        assert not outcome.replayed
        done, refused = None, None
        try:
            done = plain()
        except model.Refused as error:
            refused = str(error)
        assert (outcome.refusal and outcome.refusal.code) == refused
        if isinstance(done, model.Txn) and done.lots and outcome.transaction is not None:
            done.lots[0].lot_id = outcome.transaction.transaction_id
        self.same_as_model()
        return done

    def same_as_model(self) -> None:
        """Every member's balances and lots are the model's; the model learns the ids the database gave."""
        ids_ = {"m": [member.member_id for member in self.everybody]}
        with self.books.world.transaction() as session:
            wallets = {row.member_id: tuple(row)[1:] for row in session.execute(_WALLETS, ids_)}
            lots = session.execute(_LOTS, ids_).all()
            for member in self.everybody:
                assert wallets[member.member_id] == member.balances
                rows = {row.lot_id: row for row in lots if row.member_id == member.member_id}
                for lot in member.lots:
                    if lot.lot_id.int:
                        row = rows.pop(lot.lot_id)
                    else:
                        row = next(row for row in rows.values() if _alike(row, lot))
                        lot.lot_id = row.lot_id
                        del rows[row.lot_id]
                    assert _alike(row, lot)
                assert rows == {}

    def post(self, request: Request, command: Command) -> Outcome:
        with self.books.world.transaction() as session:
            if isinstance(command, adjustments.Adjustment):
                return adjustments.adjust(session, APPROVED, request, command)
            return ledger.post(session, request, command)

    def request(self, partner: UUID) -> Request:
        key = secrets.token_hex(8)
        return Request(partner_id=partner, key=key, request_hash=secrets.token_bytes(32), now=self.books.now)

    def reference(self) -> str:
        return f"m-{next(self.books.references)}"


_WALLETS = text("SELECT member_id, available, held, pending, debt FROM coalition.wallet WHERE member_id = ANY(:m)")
_LOTS = text("SELECT * FROM coalition.lot WHERE member_id = ANY(:m) ORDER BY lot_id")


def _alike(row: Any, lot: model.Lot) -> bool:
    return (row.issuer_id, row.expires_on, row.issued, row.remaining, row.held, row.vests_at, row.origin_id) == (
        lot.issuer, lot.expires_on, lot.issued, lot.remaining, lot.held, lot.vests_at,
        lot.origin and lot.origin.lot_id,
    )  # fmt: skip


def _money(amount: int) -> dict[str, Any]:
    return {"amount_minor": amount, "currency": "GBP"}


def _plus_two_years(day: date) -> date:
    try:
        return day.replace(year=day.year + 2)
    except ValueError:
        return day.replace(year=day.year + 2, day=28)


def set_rates(world: World) -> None:
    """Every partner issues a point for MINOR_PER_POINT pence."""
    with world.transaction() as session:
        for partner in PARTNERS:
            rates.set_rate(
                session, act(), partner_id=partner, points_per_unit=Decimal(1), minor_per_unit=model.MINOR_PER_POINT,
                currency="GBP", since=date(2020, 1, 1),
            )  # fmt: skip


@pytest.fixture(scope="module")
def books(shared_world: World) -> Books:
    set_rates(shared_world)
    return Books(shared_world, NOW, NOW.date())


def test_any_operations_in_any_order_are_those_of_the_plain_model(books: Books) -> None:
    machine = type("LedgerOfThisRun", (Ledger,), {"books": books})
    current = settings.default
    chosen = current if current is NIGHT else settings(max_examples=60, stateful_step_count=50)
    run_state_machine_as_test(
        machine,
        settings=settings(
            chosen,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )
