"""Spans of settled days, for whoever asks about more than one of them."""

from __future__ import annotations

from datetime import date

from sqlalchemy import text

from coalition import business_days
from kit.db import Session
from kit.errors import Invalid
from settlement.cycles import Span
from settlement.reports import DayNotSettled

MOST_DAYS = 3_700


class SpanRefused(Invalid):
    code = "span_refused"
    title = "Span refused"
    description = f"A span of business days ends before it begins, or has more than {MOST_DAYS} days."
    remedy = "Name the first day and a last day that is not before it, and ask for fewer days at once."


def settled(session: Session, first: date, last: date) -> Span:
    """The days from `first` to `last`, all of them settled that the coalition had.

    Raises SpanRefused, and DayNotSettled, which names the first day that is not.
    """
    if not 0 <= (last - first).days < MOST_DAYS:
        raise SpanRefused(f"from {first} to {last} is no span of 1 to {MOST_DAYS} days")
    begun = business_days.first_closed(session)
    if begun is None or last < begun:
        raise DayNotSettled(f"{first} is not settled")
    known = set(
        session.scalars(
            text("SELECT day FROM settlement.settled_day WHERE day BETWEEN :first AND :last"),
            {"first": first, "last": last},
        )
    )
    for day in Span(max(first, begun), last).days:
        if day not in known:
            raise DayNotSettled(f"{day} is not settled")
    return Span(first, last)
