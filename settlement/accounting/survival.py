"""How many of the points that are outstanding will expire unspent, as the points of the past have: pure functions.

The method is that of Kaplan and Meier (1958), on points by their age in calendar months. Of the points that are
outstanding when a month begins, some are redeemed in it: their share is the hazard of their age, taken over all months
of issue whose month of that age is over. What survives every age until the expiry expires. Points that are taken back
or expire leave those at risk without an event.

An age that nobody's points reached yet tells nothing, so nothing is expected to expire that has to pass it: breakage
counts only as far as it is highly probable (IFRS 15.B46).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from fractions import Fraction

from coalition.point_movements import Moved


def months(day: date) -> int:
    """The number of a day's month, counted on through the years."""
    return day.year * 12 + day.month


def hazards(moved: Mapping[tuple[date, date], Moved], *, until: int) -> dict[int, Fraction]:
    """The share of points that is redeemed at each age, in months, of 0 to 1.

    `moved` is by month of issue and month it moved in; `until` is the number of the last month that is over.
    """
    at_risk: dict[int, int] = {}
    redeemed: dict[int, int] = {}
    by_cohort: dict[int, dict[int, Moved]] = {}
    for (issued_in, moved_in), one in moved.items():
        by_cohort.setdefault(months(issued_in), {})[months(moved_in)] = one
    for month, of_cohort in by_cohort.items():
        outstanding = 0
        for now in range(month, until + 1):
            here = of_cohort.get(now, Moved())
            exposed = outstanding + (here.issued if now == month else 0)
            at_risk[now - month] = at_risk.get(now - month, 0) + max(exposed, 0)
            redeemed[now - month] = redeemed.get(now - month, 0) + here.redeemed
            outstanding += here.change
    return {
        age: min(max(Fraction(redeemed[age], exposed), Fraction(0)), Fraction(1))
        for age, exposed in at_risk.items()
        if exposed
    }


def surviving(known: Mapping[int, Fraction], *, age: int, expiry_months: int) -> Fraction:
    """The share of points of `age` months, the current one not over, that expires after `expiry_months` unspent.

    0 where an age in between was never observed, or where they are older than that.
    """
    share = Fraction(1)
    if age > expiry_months:
        return Fraction(0)
    for each in range(age, expiry_months + 1):
        if each not in known:
            return Fraction(0)
        share *= 1 - known[each]
    return share
