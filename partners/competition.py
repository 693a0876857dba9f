"""When two partners compete, and whose clause forbids it. Pure: values in, values out.

`partners.exclusivity` in migrations/sql/0046_partners.sql says the same as an exclusion constraint.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from partners.territories import contains


@dataclass(frozen=True)
class Footprint:
    """A partner's place: in a category (by its path) and territory, from `since` to before `until`.

    With a clause it is to be the only one there.
    """

    partner_id: UUID
    category_path: str
    territory: str
    since: date
    until: date | None
    clause: str | None


def conflicts_with(one: Footprint, other: Footprint) -> bool:
    """Whether the two may not be at once: of different partners, meeting, and one of them exclusive."""
    exclusive = one.clause is not None or other.clause is not None
    return exclusive and one.partner_id != other.partner_id and meet(one, other)


def meet(one: Footprint, other: Footprint) -> bool:
    """Whether they are in the same place: categories, territories and dates overlap."""
    return (
        categories_overlap(one.category_path, other.category_path)
        and territories_overlap(one.territory, other.territory)
        and dates_overlap(one, other)
    )


def categories_overlap(one: str, other: str) -> bool:
    """Whether one category is the other, or part of it."""
    return one.startswith(other) or other.startswith(one)


def territories_overlap(one: str, other: str) -> bool:
    """Whether one territory is the other, or lies in it."""
    return contains(one, other) or contains(other, one)


def dates_overlap(one: Footprint, other: Footprint) -> bool:
    """Whether there is a day that belongs to both."""
    return _before(one.since, other.until) and _before(other.since, one.until)


def _before(day: date, end: date | None) -> bool:
    return end is None or day < end
