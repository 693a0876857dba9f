"""Rounding, netting and payments: pure functions of whole numbers and exact rationals."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from fractions import Fraction
from heapq import heapify, heappop, heappush
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)

EXACT_PARTIES = 20  # each more doubles the time of the search for the fewest payments, some 20 ms with these


def rounded(amount: Fraction) -> int:
    """The nearest whole minor unit, halves away from zero (commercial rounding)."""
    whole = (abs(amount) + Fraction(1, 2)).__floor__()
    return whole if amount >= 0 else -whole


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
    """Payments (payer, payee, amount > 0) directly between parties that settle `nets` exactly, n − 1 at most.

    Up to EXACT_PARTIES parties with something to settle there are as few as there can be; with more, the largest debtor
    pays the largest creditor as much as fits, again and again. `order` gives each party a number of its own, which
    decides ties: the same nets give the same payments. Raises ValueError where the nets don't add up to zero.
    """
    involved = _involved(nets, order)
    if len(involved) > EXACT_PARTIES:
        return _largest_to_largest(nets, involved, order)
    groups = _most_groups([nets[party] for party in involved])
    return [one for group in groups for one in _largest_to_largest(nets, [involved[n] for n in group], order)]


def payments_through(hub: Key, nets: Mapping[Key, int], order: Mapping[Key, int]) -> list[tuple[Key, Key, int]]:
    """Payments (payer, payee, amount > 0) that settle `nets` through `hub`'s account: one for each other party.

    Debtors come first, for what the hub pays out it has to have; each side goes by `order`. The hub's own net, if it
    has one, is what stays with it. Raises ValueError where the nets don't add up to zero.
    """
    others = [party for party in _involved(nets, order) if party != hub]
    paid_in = [(party, hub, -nets[party]) for party in others if nets[party] < 0]
    paid_out = [(hub, party, nets[party]) for party in others if nets[party] > 0]
    return paid_in + paid_out


def _involved(nets: Mapping[Key, int], order: Mapping[Key, int]) -> list[Key]:
    if sum(nets.values()) != 0:
        raise ValueError("net positions have to add up to zero")
    return sorted((party for party, amount in nets.items() if amount), key=order.__getitem__)


def _largest_to_largest(
    nets: Mapping[Key, int], parties: Iterable[Key], order: Mapping[Key, int]
) -> list[tuple[Key, Key, int]]:
    """Every payment clears a party, and the last one two: at most one fewer than there are parties."""
    debtors: list[tuple[int, int, Key]] = []
    creditors: list[tuple[int, int, Key]] = []
    for party in parties:
        (debtors if nets[party] < 0 else creditors).append((-abs(nets[party]), order[party], party))
    heapify(debtors)
    heapify(creditors)
    made = []
    while debtors:
        (owes, payer_order, payer), (is_owed, payee_order, payee) = heappop(debtors), heappop(creditors)
        paid = min(-owes, -is_owed)
        made.append((payer, payee, paid))
        if -owes > paid:
            heappush(debtors, (owes + paid, payer_order, payer))
        if -is_owed > paid:
            heappush(creditors, (is_owed + paid, payee_order, payee))
    return made


def _most_groups(amounts: Sequence[int]) -> list[list[int]]:
    """The places of `amounts` (not zero, their sum is) in as many groups as can be that each add up to zero.

    Parties that pay each other are such a group, and a group of n can be settled by n − 1 payments; so the most groups
    make the fewest payments (T. Verhoeff, Settling Multiple Debts Efficiently, 2004). A set of places is a number, its
    mask; a set of sets is a number too, in which bit m stands for the set of mask m. Its 2^n bits are shifted at once.
    """
    n = len(amounts)
    everyone = (1 << n) - 1
    balanced = _balanced(amounts)
    without = [_without(place, n) for place in range(n)]
    # levels[k]: the sets that have, on some way of growing to them place by place, met k balanced ones (or more).
    levels = [(1 << (1 << n)) - 1]
    while True:
        grown = 0
        for place, lacking in enumerate(without):
            grown |= (levels[-1] & lacking) << (1 << place)
        reached = grown & balanced
        for place, lacking in enumerate(without):
            reached |= (reached & lacking) << (1 << place)
        if not reached:
            break
        levels.append(reached)
    groups = []
    here = everyone
    for level in reversed(levels[:-1]):  # back along that way
        start = here
        while start == here or not balanced >> here & 1:
            here = next(one for place in range(n) if (one := here & ~(1 << place)) != here and level >> one & 1)
        groups.append([place for place in range(n) if (start ^ here) >> place & 1])
    return groups


def _balanced(amounts: Sequence[int]) -> int:
    """The masks of all places whose amounts add up to zero: half of the places against the other half."""
    low, high = (_sums(half) for half in (amounts[: len(amounts) // 2], amounts[len(amounts) // 2 :]))
    by_sum: dict[int, int] = {}
    for mask, total in enumerate(low):
        by_sum[total] = by_sum.get(total, 0) | 1 << mask
    return _joined([by_sum.get(-total, 0) for total in high], len(low))


def _sums(amounts: Sequence[int]) -> list[int]:
    """What each subset adds up to, by its mask."""
    sums = [0]
    for amount in amounts:
        sums += [total + amount for total in sums]
    return sums


def _without(place: int, n: int) -> int:
    """The masks of n places that lack `place`: 2^place of them, as many that don't, and so on."""
    found, width = (1 << (1 << place)) - 1, 2 << place
    while width < 1 << n:
        found |= found << width
        width *= 2
    return found


def _joined(parts: list[int], width: int) -> int:
    """Numbers of `width` bits each, one after the other, as one; their number is a power of two."""
    while len(parts) > 1:
        parts = [low | high << width for low, high in zip(parts[::2], parts[1::2], strict=True)]
        width *= 2
    return parts[0]
