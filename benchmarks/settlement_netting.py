"""netting_20, netting_1000: payments directly between 20 partners, as few as there can be, and between 1,000.

The reference is the plain way for the same nets, through the coalition's account: a payment for each partner. Neither
touches a database.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from benchmarks.figures import Figure, Run
from benchmarks.harness import BenchmarkError, Harness, report
from settlement import netting

SEED = 13
LARGEST = 100
STEP_MINOR = 100_000
COALITION = -1

Payments = list[tuple[int, int, int]]


def few(harness: Harness) -> Figure:
    """As many partners as the fewest payments are searched for."""
    return _figure(harness, "netting_20", netting.EXACT_PARTIES, "the fewest payments")


def many(harness: Harness) -> Figure:
    """More partners than a coalition has."""
    return _figure(harness, "netting_1000", 1_000, "largest to largest")


def _figure(harness: Harness, key: str, partners: int, how: str) -> Figure:
    """Nets in whole thousands, so that there are groups that add up to zero and a search has something to find."""
    chance = random.Random(SEED)
    amounts = [STEP_MINOR * chance.choice([-1, 1]) * chance.randint(1, LARGEST) for _ in range(partners - 1)]
    nets = dict(enumerate([*amounts, -sum(amounts)]))
    runs = [_run(nets, harness.seconds / 2) for _ in range(harness.runs)]
    return Figure(key, f"nettings of {partners:,} partners, {how}", "payments through the coalition", runs)


def _run(nets: dict[int, int], seconds: float) -> Run:
    order = {party: party for party in nets}
    done, took, made = _again_and_again(lambda: netting.payments(nets, order), seconds)
    plain, plain_took, through = _again_and_again(lambda: netting.payments_through(COALITION, nets, order), seconds)
    if not len(made) < len(nets) == len(through) or netting.net_positions(made) != nets:
        raise BenchmarkError("the payments don't settle the nets")
    details = {"payments": len(made), "milliseconds": round(took / done * 1000, 2)}
    report(f"  {len(nets):>5,} partners, {len(made):,} payments in {details['milliseconds']:.2f} ms")
    return Run(done, took, plain, plain_took, details)


def _again_and_again(verb: Callable[[], Payments], seconds: float) -> tuple[int, float, Payments]:
    """How often it was done, the seconds that this took, and what came of it."""
    done, began = 0, time.perf_counter()
    while True:
        made = verb()
        done, took = done + 1, time.perf_counter() - began
        if took >= seconds:
            return done, took, made
