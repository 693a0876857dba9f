"""Card numbers: pure rules."""

from __future__ import annotations

import re

from kit.errors import Invalid


class MalformedCard(Invalid):
    code = "malformed_card"
    title = "Malformed card number"
    description = "A card number has 12 to 19 digits and a valid check digit (ISO/IEC 7812-1, Luhn). This one does not."
    remedy = "Read the card again, or type its number again without spaces, and send it in `card`."


def check(number: str) -> str:
    """`number` itself; raises MalformedCard, which does not repeat it."""
    if not re.fullmatch(r"[0-9]{12,19}", number):
        raise MalformedCard("a card number has 12 to 19 digits and nothing else")
    if not luhn_holds(number):
        raise MalformedCard("the card number's check digit is wrong")
    return number


def luhn_holds(digits: str) -> bool:
    """Whether the last of `digits` is the check digit of the others."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def with_check_digit(digits: str) -> str:
    """`digits` with their check digit behind them."""
    return next(digits + str(d) for d in range(10) if luhn_holds(digits + str(d)))


def mask(number: str) -> str:
    """What may be shown of a card number: its last four digits."""
    return "•" * (len(number) - 4) + number[-4:]
