"""Rounding, netting and payments against their definitions."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from settlement import netting

amounts = st.integers(-(10**9), 10**9)
parties = st.integers(0, 8)
obligations = st.lists(st.tuples(parties, parties, amounts).filter(lambda o: o[0] != o[1]), max_size=40)
fractions = st.fractions(-1000, 1000, max_denominator=10_000)


@given(fractions)
def test_rounding_is_to_the_nearest_unit_halves_away_from_zero(amount: Fraction) -> None:
    rounded = netting.rounded(amount)
    assert abs(rounded - amount) <= Fraction(1, 2)
    assert netting.rounded(-amount) == -rounded
    if abs(rounded - amount) == Fraction(1, 2):
        assert abs(rounded) > abs(amount)


@given(st.lists(fractions, min_size=1, max_size=30))
def test_apportioned_lines_add_up_to_the_rounded_sum_and_stay_within_a_unit(shares: list[Fraction]) -> None:
    total = netting.rounded(sum(shares, Fraction(0)))
    parts = netting.apportion(total, shares)
    assert sum(parts) == total
    assert all(abs(part - share) <= 1 for part, share in zip(parts, shares, strict=True))


@given(obligations)
def test_net_positions_add_up_to_zero_and_keep_every_obligation(owed: list[tuple[int, int, int]]) -> None:
    nets = netting.net_positions(owed)
    assert sum(nets.values()) == 0
    for party in range(9):
        received = sum(amount for _, payee, amount in owed if payee == party)
        paid = sum(amount for payer, _, amount in owed if payer == party)
        assert nets.get(party, 0) == received - paid


@given(obligations)
def test_payments_settle_every_net_in_at_most_n_minus_one(owed: list[tuple[int, int, int]]) -> None:
    nets = netting.net_positions(owed)
    made = netting.payments(nets, {party: party for party in nets})
    involved = [party for party, amount in nets.items() if amount]
    assert len(made) <= max(len(involved) - 1, 0)
    assert all(amount > 0 for _, _, amount in made)
    assert netting.net_positions(made) | {p: 0 for p in nets if not nets[p]} == nets


@given(obligations, st.randoms())
def test_payments_do_not_depend_on_the_order_of_obligations(owed: list[tuple[int, int, int]], chance) -> None:
    shuffled = list(owed)
    chance.shuffle(shuffled)
    order = {party: party for party in range(9)}
    made, again = (netting.payments(netting.net_positions(one), order) for one in (owed, shuffled))
    assert made == again
