"""FIFO, reversals and rounding against a plain model in Python."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import count
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from coalition import ledger, verify
from coalition.cards import with_check_digit
from coalition.refusals import InsufficientPoints
from kit import ids
from tests.conftest import NOW, World, request

PARTNERS = [ids.new() for _ in range(3)]
CARDS = (with_check_digit(f"7009{n:011d}") for n in count())
PROPERTY = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])

steps = st.lists(
    st.one_of(
        st.tuples(st.just("earn"), st.integers(0, 2), st.integers(1, 500), st.integers(0, 60)),
        st.tuples(st.just("burn"), st.integers(0, 2), st.integers(1, 600), st.just(0)),
        st.tuples(st.just("back"), st.integers(0, 30), st.integers(1, 300), st.just(0)),
    ),
    max_size=25,
)


@dataclass
class Model:
    """Lots as plain tuples: [expiry in days, order, issuer, remaining]; burns as what they took."""

    lots: list[list[int]] = field(default_factory=list)
    burns: list[tuple[int, UUID, list[list[int]]]] = field(default_factory=list)

    def earn(self, issuer: int, points: int, age: int) -> None:
        self.lots.append([-age, len(self.lots), issuer, points])

    def available(self) -> int:
        return sum(lot[3] for lot in self.lots)

    def burn(self, points: int) -> list[list[int]]:
        taken = []
        for lot in sorted(self.lots):
            part = min(lot[3], points)
            if part:
                lot[3] -= part
                points -= part
                taken.append([lot[1], part])
        return taken

    def restore(self, taken: list[list[int]], points: int) -> None:
        for part in reversed(taken):
            back = min(part[1], points)
            part[1] -= back
            points -= back
            self.lots[part[0]][3] += back


@PROPERTY
@given(steps)
def test_lots_are_taken_and_given_back_as_in_the_plain_model(shared_world: World, plan) -> None:
    world, model = shared_world, Model()
    member = world.member(next(CARDS))
    lot_ids: list[UUID] = []
    for kind, who, points, age in plan:
        if kind == "earn":
            at = NOW - timedelta(days=age)
            lot_ids.append(world.earn(PARTNERS[who], member, points, effective_at=at).transaction_id)
            model.earn(who, points, age)
        elif kind == "burn":
            if points > model.available():
                with pytest.raises(InsufficientPoints) as refusal:
                    world.burn(PARTNERS[who], member, points)
                assert refusal.value.fields["available"] == model.available()
                continue
            burned = world.burn(PARTNERS[who], member, points)
            model.burns.append((who, burned.transaction_id, model.burn(points)))
        elif model.burns:
            who, burned_id, taken = model.burns[who % len(model.burns)]
            back = min(points, sum(part for _, part in taken))
            if back:
                command = ledger.Reversal(original_id=burned_id, reference=str(ids.new()), points=back)
                with world.transaction() as session:
                    ledger.post(session, request(PARTNERS[who]), command).unwrap()
                model.restore(taken, back)
    with world.transaction() as session:
        lots = dict(
            session.execute(
                text("SELECT lot_id, remaining FROM coalition.lot WHERE member_id = :m"), {"m": member}
            ).all()
        )
    assert [lots[lot_id] for lot_id in lot_ids] == [lot[3] for lot in model.lots]
    assert world.available(member) == model.available()


def test_every_invariant_holds_after_all_of_it(shared_world: World) -> None:
    with shared_world.transaction() as session:
        verify.snapshot(session)
        assert [finding for finding in verify.run(session) if finding.broken] == []


@PROPERTY
@given(
    amount=st.integers(0, 10**9),
    rate=st.decimals("0.00000001", "1000000", places=8),
    unit=st.integers(1, 10**6),
)
def test_an_amount_earns_the_exact_product_rounded_down(shared_world: World, amount, rate: Decimal, unit) -> None:
    with shared_world.transaction() as session:
        points = session.scalar(
            text("SELECT coalition.points_for(:amount, :rate, :unit)"),
            {"amount": amount, "rate": rate, "unit": unit},
        )
    assert points == (Fraction(rate) * amount / unit).__floor__()
