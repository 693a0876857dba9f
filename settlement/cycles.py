"""Cycles: which days are settled together. Pure functions of days."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta

DAILY, WEEKLY, MONTHLY = CYCLES = ("daily", "weekly", "monthly")  # each longer than those before it


@dataclass(frozen=True)
class Span:
    """Business days from the first to the last, both of them included."""

    first: date
    last: date

    @property
    def days(self) -> list[date]:
        """Each of them."""
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]


def span(cycle: str, day: date) -> Span:
    """The days of the cycle that `day` lies in: itself, its week from Monday on (ISO 8601), or its calendar month."""
    if cycle == DAILY:
        return Span(day, day)
    if cycle == WEEKLY:
        monday = day - timedelta(days=day.weekday())
        return Span(monday, monday + timedelta(days=6))
    if cycle == MONTHLY:
        return Span(day.replace(day=1), day.replace(day=monthrange(day.year, day.month)[1]))
    raise ValueError(f"there is no cycle {cycle!r}")


def ending_on(day: date) -> list[str]:
    """The cycles whose last day is `day`."""
    return [cycle for cycle in CYCLES if span(cycle, day).last == day]


def longer(one: str, other: str) -> str:
    """In which cycle two parties settle with each other: the longer of theirs."""
    return max(one, other, key=CYCLES.index)
