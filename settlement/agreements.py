"""Agreements: the dated contract that prices a partner's points. The database refuses two that overlap."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from kit import ids
from kit.db import Session
from kit.errors import Conflict, Invalid


class AgreementMissing(Conflict):
    """A partner issued points on a day for which it has no agreement; `partner_id` and `day` name it."""

    code = "agreement_missing"
    title = "Agreement missing"


class AgreementOverlap(Conflict):
    """An agreement would be valid on days another one of the partner covers."""

    code = "agreement_overlap"
    title = "Agreements overlap"


class MalformedPrice(Invalid):
    """A price is a decimal number of minor units per point, from 0 to 1,000,000 with up to 8 decimals, as text."""

    code = "malformed_price"
    title = "Malformed price"


@dataclass(frozen=True)
class Agreement:
    """`redemption_price_minor`: what the issuer pays, in minor units of `currency`, for each of its points burned."""

    agreement_id: UUID
    partner_id: UUID
    version: int
    since: date
    until: date | None
    currency: str
    redemption_price_minor: Fraction


def price(text_: str) -> Decimal:
    """A price given as text; raises MalformedPrice."""
    try:
        value = Decimal(text_)
    except InvalidOperation:
        value = Decimal(-1)
    if not value.is_finite() or not 0 <= value <= 1_000_000 or value != round(value, 8):
        raise MalformedPrice(f"{text_!r} is not a price in minor units per point, such as 0.95")
    return value


def show_price(value: Fraction) -> str:
    """A price as its decimal; prices have at most 8 decimals, so this is exact."""
    digits = f"{value.numerator * 10**8 // value.denominator:09d}"
    return f"{digits[:-8]}.{digits[-8:]}".rstrip("0").rstrip(".")


def agree(
    session: Session,
    *,
    partner_id: UUID,
    redemption_price_minor: Decimal,
    currency: str,
    since: date,
    now: datetime,
) -> Agreement:
    """The partner's next agreement, valid from `since`; the present one ends the day before.

    Raises AgreementOverlap when one begins on or after `since` already.
    """
    session.execute(
        text("""
            UPDATE settlement.agreement SET valid = daterange(lower(valid), :since)
            WHERE partner_id = :partner_id AND valid @> CAST(:since AS date) AND lower(valid) < :since
        """),
        {"partner_id": partner_id, "since": since},
    )
    try:
        version = session.scalar(
            text("""
                INSERT INTO settlement.agreement
                    (agreement_id, partner_id, version, valid, currency, redemption_price_minor, created_at)
                SELECT :agreement_id, :partner_id, 1 + coalesce(max(version), 0),
                       daterange(CAST(:since AS date), NULL), :currency, :price, :now
                FROM settlement.agreement WHERE partner_id = :partner_id
                RETURNING version
            """),
            {
                "agreement_id": (agreement_id := ids.new()),
                "partner_id": partner_id,
                "since": since,
                "currency": currency,
                "price": redemption_price_minor,
                "now": now,
            },
        )
    except IntegrityError as error:
        raise AgreementOverlap(f"an agreement of this partner begins on or after {since} already") from error
    return Agreement(agreement_id, partner_id, version or 1, since, None, currency, Fraction(redemption_price_minor))


def everything(session: Session) -> list[Agreement]:
    """All agreements, by partner and version."""
    rows = session.execute(
        text("""
            SELECT agreement_id, partner_id, version, lower(valid) AS since, upper(valid) AS until, currency,
                   redemption_price_minor AS price
            FROM settlement.agreement ORDER BY partner_id, version
        """)
    )
    return [
        Agreement(
            row.agreement_id, row.partner_id, row.version, row.since, row.until, row.currency, Fraction(row.price)
        )
        for row in rows
    ]


class PriceBook:
    """Which agreement priced a lot: the one its issuer had on the day it was issued."""

    def __init__(self, agreements: list[Agreement]) -> None:
        self._found: dict[tuple[UUID, date], Agreement] = {}
        self._of_partner: dict[UUID, list[Agreement]] = {}
        for agreement in agreements:
            self._of_partner.setdefault(agreement.partner_id, []).append(agreement)

    def find(self, partner_id: UUID, day: date) -> Agreement:
        """The agreement of `partner_id` on `day`; raises AgreementMissing."""
        if (known := self._found.get((partner_id, day))) is not None:
            return known
        for agreement in self._of_partner.get(partner_id, ()):
            if agreement.since <= day and (agreement.until is None or day < agreement.until):
                self._found[partner_id, day] = agreement
                return agreement
        shown = ids.show(ids.PARTNER, partner_id)
        raise AgreementMissing(f"{shown} has no agreement on {day}", partner_id=shown, day=day)
