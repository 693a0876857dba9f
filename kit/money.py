"""Money is a whole number of minor units; this is how it is shown."""

from __future__ import annotations

# ISO 4217: currencies whose minor unit is not a hundredth.
EXPONENTS = {
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
}


def show(minor: int, currency: str) -> str:
    """`minor` units as people write them, e.g. `1234, "GBP"` → `12.34 GBP`."""
    exponent = EXPONENTS.get(currency, 2)
    sign, digits = ("-" if minor < 0 else ""), str(abs(minor)).rjust(exponent + 1, "0")
    if not exponent:
        return f"{sign}{digits} {currency}"
    return f"{sign}{digits[:-exponent]}.{digits[-exponent:]} {currency}"
