"""What outstanding points come to at the end of a settled day, by issuer and age."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fractions import Fraction

from settlement import netting
from settlement.accounting import survival
from settlement.accounting.movements import Row
from settlement.tables import CURRENCY, MONEY, NUMBER, Bars, Column, Table

BANDS = (0, 3, 6, 12, 24)  # calendar months since the month of issue, each band until the next begins
COLUMNS = (
    Column("issuer", "issuer"), Column("carried_by", "carried by"), Column("age_months", "months"), CURRENCY,
    Column("points", "points", NUMBER), Column("value_minor", "value", MONEY),
)  # fmt: skip


def table(rows: Sequence[Row], day: date) -> Table:
    """The liability of the closing points of `rows`, whose last day is `day`."""
    found: dict[tuple[str, str, int, str], tuple[int, Fraction]] = {}
    for one in rows:
        age = survival.months(day) - survival.months(one.month)
        band = max(n for n, begins in enumerate(BANDS) if age >= begins)
        key = (one.issuer.code, one.carrier.code, band, one.currency or "")
        points, value = found.get(key, (0, Fraction(0)))
        found[key] = (points + one.closing, value + one.value.closing)
    made = [
        (issuer, carrier, _said(band), currency or None, points, netting.rounded(value) if currency else None)
        for (issuer, carrier, band, currency), (points, value) in sorted(found.items())
        if points
    ]
    return Table(f"Points outstanding at the end of {day}, by issuer and age", COLUMNS, made, picture=_PICTURE)


def _said(band: int) -> str:
    return f"{BANDS[band]} and more" if band == len(BANDS) - 1 else f"{BANDS[band]} to {BANDS[band + 1] - 1}"


_PICTURE = Bars("issuer", ("value_minor",), split="age_months", among=tuple(map(_said, range(len(BANDS)))))
