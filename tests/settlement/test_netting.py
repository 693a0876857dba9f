"""Rounding, netting and payments against their definitions."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlement import netting, policies, runs
from settlement.obligations import Kept
from settlement.runs import Payment, Position
from tests.conftest import NOW

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


HUB = "the coalition"
nets_of = st.builds(
    lambda amounts: dict(enumerate([*amounts, -sum(amounts)])),
    st.lists(st.one_of(st.integers(-6, 6), amounts), max_size=30),
)
of_few = st.builds(lambda amounts: [*amounts, -sum(amounts)], st.lists(st.integers(-5, 5), max_size=7))


def as_given(nets: dict[int, int]) -> dict[int, int]:
    return {party: party for party in nets}


def fewest(amounts: list[int]) -> int:
    """By trying everything: the first that isn't settled yet is set off in whole against each of the other side."""
    left = [amount for amount in amounts if amount]
    if not left:
        return 0
    first, rest = left[0], left[1:]
    tried = [
        fewest([*rest[:n], rest[n] + first, *rest[n + 1 :]]) for n in range(len(rest)) if (rest[n] > 0) != (first > 0)
    ]
    return 1 + min(tried)


def settled(nets: dict, made: list) -> bool:
    """Whether the payments, played one by one against the nets, leave nobody anything."""
    left = dict(nets)
    for payer, payee, amount in made:
        assert amount > 0
        left[payer] = left.get(payer, 0) + amount
        left[payee] = left.get(payee, 0) - amount
    return not any(left.values())


@given(nets_of)
def test_payments_leave_no_residual_and_are_fewer_than_the_parties(nets: dict[int, int]) -> None:
    made = netting.payments(nets, as_given(nets))
    assert settled(nets, made)
    assert len(made) <= max(sum(amount != 0 for amount in nets.values()) - 1, 0)


@given(of_few)
def test_payments_between_few_are_as_few_as_there_can_be(amounts: list[int]) -> None:
    nets = dict(enumerate(amounts))
    assert len(netting.payments(nets, as_given(nets))) == fewest(amounts)


@pytest.mark.parametrize("parties", [9, 10, 11, 12])
@pytest.mark.parametrize("largest", [4, 1000])
def test_payments_between_a_dozen_are_as_few_as_there_can_be(parties: int, largest: int) -> None:
    chance = random.Random(parties * largest)
    amounts = [chance.choice([-1, 1]) * chance.randint(1, largest) for _ in range(parties - 1)]
    nets = dict(enumerate([*amounts, -sum(amounts)]))
    assert len(netting.payments(nets, as_given(nets))) == fewest(list(nets.values()))


def test_the_search_for_the_fewest_goes_up_to_its_bound_and_not_beyond() -> None:
    astray = (-9, 4, 5, -8, 6, 2)  # twice three that settle in two; the largest to the largest needs five for them
    parts = [100**n * amount for n in range(4) for amount in astray]
    bound = dict(enumerate([*parts[:18], -1, 1]))
    assert len(bound) == netting.EXACT_PARTIES
    assert len(netting.payments(bound, as_given(bound))) == 3 * 4 + 1
    beyond = dict(enumerate([*parts[:18], -1, 1, -1, 1]))
    assert len(netting.payments(beyond, as_given(beyond))) == 3 * 5 + 2


def test_the_largest_debtor_pays_the_largest_creditor_and_ties_go_by_the_order() -> None:
    nets = {"a": -5, "b": -5, "c": 3, "d": 7}
    first_a, first_b = ({"a": 0, "b": 1, "c": 2, "d": 3}, {"a": 1, "b": 0, "c": 2, "d": 3})
    assert netting.payments(nets, first_a) == [("a", "d", 5), ("b", "c", 3), ("b", "d", 2)]
    assert netting.payments(nets, first_b) == [("b", "d", 5), ("a", "c", 3), ("a", "d", 2)]


@given(nets_of, st.randoms())
def test_payments_do_not_depend_on_the_order_of_nets(nets: dict[int, int], chance: random.Random) -> None:
    shuffled = list(nets.items())
    chance.shuffle(shuffled)
    assert netting.payments(dict(shuffled), as_given(nets)) == netting.payments(nets, as_given(nets))
    through, again = (netting.payments_through(HUB, one, as_given(nets)) for one in (nets, dict(shuffled)))
    assert through == again


@given(nets_of)
def test_through_the_coalition_each_party_pays_or_is_paid_once(nets: dict[int, int]) -> None:
    made = netting.payments_through(HUB, nets, as_given(nets))
    assert settled(nets, made)
    others = [payer if payee == HUB else payee for payer, payee, _ in made]
    assert sorted(others) == [party for party, amount in nets.items() if amount]
    assert all((payer == HUB) != (payee == HUB) for payer, payee, _ in made)
    assert [payer == HUB for payer, _, _ in made] == sorted(payer == HUB for payer, _, _ in made)  # paid in, then out


@given(nets_of)
def test_a_coalition_that_is_a_party_keeps_its_own_net_and_pays_itself_nothing(nets: dict[int, int]) -> None:
    hub = 0
    made = netting.payments_through(hub, nets, as_given(nets))
    assert settled(nets, made)
    assert len(made) == sum(amount != 0 for party, amount in nets.items() if party != hub)
    received = sum(n for _, payee, n in made if payee == hub) - sum(n for payer, _, n in made if payer == hub)
    assert received == nets[hub]


@pytest.mark.parametrize("nets", [{1: 5}, {1: -5, 2: 6}, dict.fromkeys(range(30), 1)])
def test_nets_that_do_not_add_up_to_zero_are_refused(nets: dict[int, int]) -> None:
    with pytest.raises(ValueError, match="add up to zero"):
        netting.payments(nets, as_given(nets))
    with pytest.raises(ValueError, match="add up to zero"):
        netting.payments_through(HUB, nets, as_given(nets))


@pytest.mark.parametrize("how", policies.NETTINGS)
@given(owed=st.lists(st.tuples(parties, parties, amounts, st.sampled_from(["EUR", "GBP", "KWD"])), max_size=30))
def test_each_currency_is_settled_as_if_there_were_no_other(how: str, owed: list[tuple[int, int, int, str]]) -> None:
    def net(wanted: list[tuple[int, int, int, str]]) -> tuple[list[Position], list[Payment]]:
        found = [
            Kept(
                NOW.date(), UUID(int=payer), UUID(int=payee), "redemption", None, currency, 1, amount, "daily",
                obligation_id=UUID(int=n), lines_digest=None,
            )
            for n, (payer, payee, amount, currency) in enumerate(wanted)
        ]  # fmt: skip
        positions, made = runs.net(found, how=how, fund=UUID(int=99), opening={})
        return positions, [replace(one, payment_id=UUID(int=0)) for one in made]

    positions, made = net(owed)
    alone: list[Payment] = []
    for currency in ("EUR", "GBP", "KWD"):
        positions_alone, made_alone = net([one for one in owed if one[3] == currency])
        assert positions_alone == [one for one in positions if one.currency == currency]
        assert sum(one.amount_minor for one in positions_alone) == 0
        alone += made_alone
    assert made == alone
