"""Money is a whole number of minor units. How many make up one of a currency stands here and nowhere else."""

from __future__ import annotations

import re
from functools import cache

import pycountry

# ISO 4217: currencies whose minor unit is not a hundredth, by the digits behind the point.
_EXPONENTS = {
    **dict.fromkeys(
        [
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
    **dict.fromkeys(["CLF", "UYW"], 4),
}

# Codes of ISO 4217 that are not money somebody is paid in: metals, units of account, testing, and no currency at all.
_NO_MONEY = frozenset(
    ["XAG", "XAU", "XBA", "XBB", "XBC", "XBD", "XDR", "XPD", "XPT", "XSU", "XTS", "XUA", "XXX"],
)  # fmt: skip


@cache
def currencies() -> frozenset[str]:
    """The currencies there are today, by their three letters (ISO 4217)."""
    return frozenset(currency.alpha_3 for currency in pycountry.currencies) - _NO_MONEY


def exponent(currency: str) -> int:
    """How many digits stand behind the point, e.g. 2 for GBP."""
    return _EXPONENTS.get(currency, 2)


def minor_units(currency: str) -> int:
    """How many minor units are 1.00 of `currency`: 100 for GBP, 1 for JPY, 1000 for KWD."""
    return int(10 ** exponent(currency))


def show(minor: int, currency: str) -> str:
    """`minor` units as people write them, e.g. `1234, "GBP"` → `12.34 GBP`."""
    return f"{as_decimal(minor, currency)} {currency}"


def as_decimal(minor: int, currency: str) -> str:
    """`minor` units as a decimal number of the currency's digits, e.g. `1234, "GBP"` → `12.34`."""
    digits = exponent(currency)
    sign, shown = ("-" if minor < 0 else ""), str(abs(minor)).rjust(digits + 1, "0")
    return f"{sign}{shown[:-digits]}.{shown[-digits:]}" if digits else f"{sign}{shown}"


def from_decimal(written: str, currency: str) -> int:
    """The minor units of a decimal number, e.g. `"12.3", "GBP"` → 1230.

    Raises ValueError for what is no plain decimal number, or is finer than the currency.
    """
    if not (number := re.fullmatch(r"([+-]?)([0-9]{1,18})(?:\.([0-9]{0,18}))?", written)):
        raise ValueError(f"{written[:40]!r} is not an amount")
    sign, whole, fraction = number.group(1), number.group(2), number.group(3) or ""
    digits = exponent(currency)
    if fraction[digits:].strip("0"):
        raise ValueError(f"{written[:40]} is finer than {currency} can be")
    return int(sign + whole + fraction[:digits].ljust(digits, "0"))
