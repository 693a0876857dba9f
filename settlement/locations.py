"""What of obligations fell to each location of a partner's: the sums of their lines, kept beside the lines.

A line is of the location where its posting was made, be it points that were issued there, spent there or given back.
Fees, tax and entries have no lines, and a posting may name no location: what no location has is an obligation's rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text

from kit.db import Session

_ODD = """
    SELECT obligation_id, location_id FROM (
        SELECT obligation_id, location_id, points, amount_minor FROM settlement.location_share
        WHERE obligation_id = ANY(:ids)
        UNION ALL
        SELECT obligation_id, location_id, -points, -amount_minor FROM settlement.line
        WHERE obligation_id = ANY(:ids) AND location_id IS NOT NULL
    ) both_sides
    GROUP BY obligation_id, location_id HAVING sum(points) <> 0 OR sum(amount_minor) <> 0
    ORDER BY obligation_id, location_id LIMIT 1
"""
_KEEP = """
    INSERT INTO settlement.location_share (obligation_id, location_id, points, amount_minor)
    SELECT obligation_id, location_id, sum(points), sum(amount_minor) FROM settlement.line
    WHERE obligation_id = ANY(:ids) AND location_id IS NOT NULL GROUP BY obligation_id, location_id
"""
_BETWEEN = """
    SELECT o.payer_id, o.payee_id, o.kind, o.currency, s.location_id, sum(s.points)::bigint AS points,
           sum(s.amount_minor)::bigint AS amount_minor
    FROM settlement.obligation o JOIN settlement.location_share s USING (obligation_id)
    WHERE o.day BETWEEN :first AND :last
    GROUP BY o.payer_id, o.payee_id, o.kind, o.currency, s.location_id
"""


class Share(NamedTuple):
    """What `payer_id` owes `payee_id` of a kind for what was posted at a location."""

    payer_id: UUID
    payee_id: UUID
    kind: str
    currency: str
    location_id: UUID
    points: int
    amount_minor: int


def keep(session: Session, obligation_ids: Sequence[UUID]) -> None:
    """Add up the lines of obligations, once they are kept, by location."""
    session.execute(text(_KEEP), {"ids": list(obligation_ids)})


def between(session: Session, first: date, last: date) -> list[Share]:
    """What fell to each location on the days from `first` to `last`; a row for each, however many lines there are."""
    return [Share(*row) for row in session.execute(text(_BETWEEN), {"first": first, "last": last})]


def first_difference(session: Session, obligation_ids: Sequence[UUID]) -> str | None:
    """Which obligation has another share kept than its lines come to; None: none."""
    odd = session.execute(text(_ODD), {"ids": list(obligation_ids)}).first()
    return None if odd is None else f"location {odd[1]} of obligation {odd[0]}: not what its lines come to"
