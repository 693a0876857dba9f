"""Earning rates: how many points an amount earns at a partner, dated, without overlap."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import text

from kit import ids
from kit.db import Session


def set_rate(
    session: Session,
    *,
    partner_id: UUID,
    points_per_unit: Decimal,
    minor_per_unit: int,
    currency: str,
    since: date,
) -> None:
    """From `since` on, `minor_per_unit` minor units of `currency` earn `points_per_unit` points at this partner.

    What was valid then ends the day before; a rate that would begin on or after `since` is replaced by none, so
    `since` must not lie before the start of a rate already set (the database refuses the overlap).
    """
    session.execute(
        text("""
            UPDATE coalition.earning_rate SET valid = daterange(lower(valid), :since)
            WHERE partner_id = :partner_id AND valid @> CAST(:since AS date) AND lower(valid) < :since
        """),
        {"partner_id": partner_id, "since": since},
    )
    session.execute(
        text("""
            INSERT INTO coalition.earning_rate
                (rate_id, partner_id, points_per_unit, minor_per_unit, currency, valid)
            VALUES (:rate_id, :partner_id, :points_per_unit, :minor_per_unit, :currency,
                    daterange(CAST(:since AS date), NULL))
        """),
        {
            "rate_id": ids.new(),
            "partner_id": partner_id,
            "points_per_unit": points_per_unit,
            "minor_per_unit": minor_per_unit,
            "currency": currency,
            "since": since,
        },
    )
