"""Money is a whole number of minor units. How many make up one of a currency stands here and nowhere else."""

from __future__ import annotations

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


def exponent(currency: str) -> int:
    """How many digits stand behind the point, e.g. 2 for GBP."""
    return _EXPONENTS.get(currency, 2)


def minor_units(currency: str) -> int:
    """How many minor units are 1.00 of `currency`: 100 for GBP, 1 for JPY, 1000 for KWD."""
    return int(10 ** exponent(currency))


def show(minor: int, currency: str) -> str:
    """`minor` units as people write them, e.g. `1234, "GBP"` → `12.34 GBP`."""
    digits = exponent(currency)
    sign, shown = ("-" if minor < 0 else ""), str(abs(minor)).rjust(digits + 1, "0")
    if not digits:
        return f"{sign}{shown} {currency}"
    return f"{sign}{shown[:-digits]}.{shown[-digits:]} {currency}"
