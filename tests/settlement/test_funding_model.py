"""Any earns, burns, returns, payments and changes of a limit against a plain model of what is funded, and when."""

from __future__ import annotations

import secrets
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import count
from typing import Any, LiteralString

import psycopg
from hypothesis import given
from hypothesis import settings as tried
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from sqlalchemy import text

from coalition import ledger, programme, verify
from coalition.cards import with_check_digit
from coalition.ledger import Award
from settlement import exposure, funding, policies, runs
from settlement import verify as settled
from settlement.agreement_terms import ON_BURN, ON_EARN
from tests.conftest import NOW, World, act, request
from tests.settlement.small_coalition import DAY, agree, night, pay

CARDS = (with_check_digit(f"7019{n:011d}") for n in count())
MINUTES = count(1)  # one world for all examples, whose clock only moves on

STEPS = st.one_of(
    st.tuples(st.just("earn"), st.integers(1, 120)),
    st.tuples(st.just("earn"), st.integers(1, 120)),
    st.tuples(st.just("earn_for_short"), st.integers(1, 120)),
    st.tuples(st.just("burn"), st.integers(1, 150)),
    st.tuples(st.just("give_back"), st.integers(0, 5)),
    st.tuples(st.just("end_day"), st.just(0)),
    st.tuples(st.just("pay"), st.just(0)),
    st.tuples(st.just("set_limit"), st.integers(0, 200)),
    st.tuples(st.just("set_deposit"), st.integers(0, 100)),
    st.tuples(st.just("watch"), st.just(0)),
    st.tuples(st.just("watch"), st.just(0)),
    st.tuples(st.just("release"), st.just(0)),
)


@dataclass
class Lot:
    earned: ledger.Transaction
    expires_on: date
    remaining: int
    is_unfunded: bool
    given_back: int = 0
    expired: int = 0


@dataclass
class Model:
    """What should be, of one issuer and one member, where a point costs a penny whoever it is owed to."""

    funding: str
    limit: int = 100
    deposit: int = 0
    is_marked: bool = False
    lots: list[Lot] = field(default_factory=list)  # in the order they were earned
    owed: Counter[date] = field(default_factory=Counter)
    lost: int = 0  # given back of what was spent

    @property
    def available(self) -> int:
        return sum(lot.remaining for lot in self.lots if not lot.is_unfunded)

    @property
    def pending(self) -> int:
        return sum(lot.remaining for lot in self.lots if lot.is_unfunded)

    @property
    def exposure(self) -> int:
        outstanding = self.available if self.funding == ON_BURN else 0
        return outstanding + sum(self.owed.values()) - self.deposit

    @property
    def is_over(self) -> bool:
        return 0 < self.exposure >= self.limit

    def issue(self, day: date, points: int) -> None:
        if self.funding == ON_EARN:
            self.owed[day] += points

    def burn(self, day: date, points: int) -> None:
        for lot in sorted(self.lots, key=lambda lot: (lot.expires_on, lot.earned.transaction_id)):
            part = 0 if lot.is_unfunded else min(lot.remaining, points)
            lot.remaining -= part
            points -= part
            if self.funding == ON_BURN:
                self.owed[day] += part

    def give_back(self, day: date, lot: Lot) -> int:
        """Give back all that may be given back of an earn; returns how many points were there."""
        most = sum(each.earned.points - each.given_back - each.expired for each in self.lots)
        asked = max(0, min(lot.earned.points - lot.given_back - lot.expired, most))
        lot.given_back += asked
        left = asked
        for one in (lot, *(each for each in reversed(self.lots) if each is not lot)):
            part = min(one.remaining, left)
            one.remaining -= part
            left -= part
            if not one.is_unfunded:
                self.issue(day, -part)
        return asked - left

    def expire(self, day: date) -> None:
        for lot in self.lots:
            if lot.expires_on <= day + timedelta(days=1):
                lot.expired += lot.remaining
                lot.remaining = 0

    def watch(self) -> None:
        self.is_marked = self.is_over or self.pending > 0

    def release(self, day: date) -> int:
        funded = 0
        for lot in self.lots if self.is_marked else ():
            if lot.is_unfunded and lot.remaining and not self.is_over:
                lot.is_unfunded = False
                self.issue(day, lot.remaining)
                funded += 1
        return funded


class Books:
    """The same in the database; each step is done in both."""

    def __init__(self, world: World, model: Model) -> None:
        self.world, self.model = world, model
        # Whoever joins has no statement of the days that other examples closed.
        today = NOW + (self.day - DAY) + timedelta(hours=1)
        self.issuer = world.partner(f"p{secrets.token_hex(5)}", now=today).partner_id
        self.station = world.partner(f"p{secrets.token_hex(5)}", now=today).partner_id
        self.member = world.member(next(CARDS))
        terms = {"issue_price_minor": "1"} if model.funding == ON_EARN else {}
        agree(world, self.issuer, since=self.day, redemption_price_minor="1", funding=model.funding,
              exposure_limit_minor=model.limit, **terms)  # fmt: skip
        agree(world, self.station, since=self.day, redemption_price_minor="1")

    @property
    def day(self) -> date:
        with self.world.transaction() as session:
            return programme.get(session).open_day

    def earn(self, points: int, expires_on: date | None = None) -> None:
        awards = {} if expires_on is None else {"awards": (Award(points=points, expires_on=expires_on),)}
        said: Any = {"points": None, **awards} if awards else {"points": points}
        earned = self.world.earn(self.issuer, self.member, **said)
        assert earned.unfunded == (points if self.model.is_marked else 0)
        lives = earned.awards[0].expires_on if expires_on else earned.expires_on
        assert lives is not None
        self.model.lots.append(Lot(earned, lives, points, self.model.is_marked))
        if not self.model.is_marked:
            self.model.issue(self.day, points)

    def earn_for_short(self, points: int) -> None:
        self.earn(points, self.day + timedelta(days=2))

    def burn(self, points: int) -> None:
        """Spend so many, or as many as there are; one more is never had."""
        free = self.model.available
        with self.world.transaction() as session:
            too_many = ledger.Burn(member_id=self.member, points=free + 1, reference=secrets.token_hex(8))
            assert ledger.post(session, request(self.station), too_many).refusal
        if part := min(points, free):
            self.world.burn(self.station, self.member, part)
            self.model.burn(self.day, part)

    def give_back(self, n: int) -> None:
        if n < len(self.model.lots):
            lot = self.model.lots[n]
            back = ledger.Reversal(original_id=lot.earned.transaction_id, reference=secrets.token_hex(8))
            with self.world.transaction() as session:
                reversed_ = ledger.post(session, request(self.issuer), back).unwrap()
            assert reversed_.points == self.model.give_back(self.day, lot)

    def end_day(self, _: int) -> None:
        self.model.expire(self.day)
        night(self.world, (self.day - DAY).days)

    def pay(self, _: int) -> None:
        """Pay for the last day that is settled and not paid."""
        days = [day for day in self.model.owed if day < self.day and self.model.owed[day]]
        if days:
            pay(self.world, (days[-1] - DAY).days)
            del self.model.owed[days[-1]]

    def set_limit(self, minor: int) -> None:
        self._change("exposure_limit_minor = %(minor)s", minor)
        self.model.limit = minor

    def set_deposit(self, minor: int) -> None:
        self._change("deposit_minor = %(minor)s", minor)
        self.model.deposit = minor

    def _change(self, terms: LiteralString, minor: int) -> None:
        with psycopg.connect(str(self.world.settings.database_url)) as owner:
            owner.execute(f"UPDATE settlement.agreement SET {terms} WHERE partner_id = %(id)s",
                          {"minor": minor, "id": self.issuer})  # fmt: skip

    def watch(self, _: int) -> None:
        with self.world.transaction() as session:
            exposure.watch(session, act(self.world.keyring, now=NOW + timedelta(minutes=next(MINUTES))))
        self.model.watch()

    def release(self, _: int) -> None:
        assert funding.release(self.world.database, NOW) == self.model.release(self.day)

    def agree_with_model(self) -> None:
        with self.world.transaction() as session:
            wallet = session.execute(
                text("SELECT available, pending FROM coalition.wallet WHERE member_id = :id"), {"id": self.member}
            ).one()
            exposed = {one.partner_id: one.exposure_minor for one in exposure.read(session)}
        assert (wallet.available, wallet.pending) == (self.model.available, self.model.pending)
        assert exposed[self.issuer] == self.model.exposure


@st.composite
def stories(draw: DrawFn) -> tuple[str, list[tuple[str, int]]]:
    return draw(st.sampled_from([ON_BURN, ON_EARN])), draw(st.lists(STEPS, min_size=5, max_size=25))


@tried(max_examples=12, deadline=None)
@given(stories())
def test_points_are_spent_only_once_they_are_funded_in_their_order(shared_world: World, story) -> None:
    world, (how, steps) = shared_world, story
    with world.transaction() as session:
        policies.put(session, act(), policies.Policy(beyond_limit=policies.PENDING, approvals=1))
    books = Books(world, Model(how))
    for name, value in steps:
        getattr(books, name)(value)
        books.agree_with_model()
    books.set_limit(1_000_000)
    books.watch(0)
    books.release(0)
    assert books.model.pending == 0, "once there is room nothing is left waiting"
    books.end_day(0)
    books.agree_with_model()
    with world.transaction() as session:
        assert [found for found in verify.run(session) if found.broken] == []
        assert settled.first_broken(session) is None
        for n in range((books.day - DAY).days):
            run = runs.of_day(session, DAY + timedelta(days=n))
            assert sum(one.amount_minor for one in runs.positions(session, run.run_id)) == 0
    books.watch(0)
