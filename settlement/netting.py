"""Rounding, netting and payments: pure functions of whole numbers and exact rationals."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)


def rounded(amount: Fraction) -> int:
    """The nearest whole minor unit, halves away from zero (commercial rounding)."""
    whole = (abs(amount) + Fraction(1, 2)).__floor__()
    return whole if amount >= 0 else -whole


def apportion(total: int, shares: Sequence[Fraction]) -> list[int]:
    """Whole parts of `total`, each its share rounded down or up, by largest remainder (Hare–Niemeyer).

    The parts add up to `total` exactly; `total` must lie within one unit per share of their sum. Ties go to the
    earlier share.
    """
    floors = [share.__floor__() for share in shares]
    missing = total - sum(floors)
    if not 0 <= missing <= len(shares):
        raise ValueError("the total is not the rounded sum of the shares")
    by_remainder = sorted(range(len(shares)), key=lambda n: (floors[n] - shares[n], n))
    for n in by_remainder[:missing]:
        floors[n] += 1
    return floors


def net_positions(obligations: Iterable[tuple[Key, Key, int]]) -> dict[Key, int]:
    """What each party receives (positive) or owes (negative) after all is set off; the sum is zero.

    `obligations` are (payer, payee, amount); a negative amount is owed the other way round.
    """
    nets: dict[Key, int] = {}
    for payer, payee, amount in obligations:
        nets[payer] = nets.get(payer, 0) - amount
        nets[payee] = nets.get(payee, 0) + amount
    return nets


def payments(nets: Mapping[Key, int], order: Mapping[Key, int]) -> list[tuple[Key, Key, int]]:
    """At most n − 1 payments (payer, payee, amount > 0) that settle `nets` exactly.

    The largest debtor pays the largest creditor as much as fits, again and again; ties go by `order`, so that the
    same nets give the same payments.
    """
    if sum(nets.values()) != 0:
        raise ValueError("net positions have to add up to zero")
    open_ = {party: amount for party, amount in nets.items() if amount}
    made = []
    while open_:
        payer = min(open_, key=lambda party: (open_[party], order[party]))
        payee = min(open_, key=lambda party: (-open_[party], order[party]))
        amount = min(-open_[payer], open_[payee])
        made.append((payer, payee, amount))
        for party, change in ((payer, amount), (payee, -amount)):
            open_[party] += change
            if not open_[party]:
                del open_[party]
    return made
