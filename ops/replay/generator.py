"""A day of till receipts for four brands, made up: the same seed gives the same file, on every machine."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

from coalition.cards import with_check_digit
from kit.cells import table
from ops.replay.receipts import HEADER

# Code, prefix of its receipts, and the range of its prices in minor units.
BRANDS = (
    ("greengrocer", "GR", (80, 900)),
    ("fuelway", "FU", (2500, 9000)),
    ("pagebound", "PA", (500, 2500)),
    ("pharmaplus", "PH", (250, 1800)),
)
OPENING, CLOSING = time(7), time(21)
LINES_MOST = 5
RETURN_SHARE, LINKED_SHARE = 0.06, 0.7


def generate(*, day: date, members: int, receipts: int, seed: int = 20101201) -> str:
    """CSV text of `receipts` purchases by up to `members` cards on `day` (UTC), and some returns, in time order."""
    chance = random.Random(seed)  # noqa: S311 -- made-up receipts, not secrets
    cards = [with_check_digit(f"7001{n:011d}") for n in chance.sample(range(10**6), members)]
    seconds = int((datetime.combine(day, CLOSING) - datetime.combine(day, OPENING)).total_seconds())
    times = sorted(chance.randrange(seconds) for _ in range(receipts))
    rows: list[Sequence[str | int]] = [HEADER]
    sold: list[tuple[str, str, str, list[tuple[str, int, int]]]] = []
    for n, second in enumerate(times, start=1):
        at = (datetime.combine(day, OPENING, UTC) + timedelta(seconds=second)).isoformat()
        if sold and chance.random() < RETURN_SHARE:
            code, number, card, lines = chance.choice(sold)
            sku, quantity, price = lines[0]
            original = number if chance.random() < LINKED_SHARE else ""
            back = chance.randint(1, quantity)
            rows.append([code, f"{number[:2]}C{n:06d}", at, card, sku, -back, price, "GBP", original])
            sold = [purchase for purchase in sold if purchase[1] != number]
            continue
        code, prefix, (low, high) = chance.choice(BRANDS)
        number, card = f"{prefix}{n:06d}", chance.choice(cards)
        lines = [
            (f"SKU{chance.randrange(400):03d}", chance.randint(1, 3), chance.randint(low, high))
            for _ in range(chance.randint(1, LINES_MOST))
        ]
        for sku, quantity, price in lines:
            rows.append([code, number, at, card, sku, quantity, price, "GBP", ""])
        sold.append((code, number, card, lines))
    return table(rows)
