"""What an obligation's amount is computed by, beside its lines: for whoever computes it again from a file.

What is charged for points is their number times the price, and per cent of it where there is a percentage; a fee adds
per cent of what the issuer is charged for points on the day; the minimum and the tax are about a cycle's fees.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from uuid import UUID

from settlement.agreement_terms import show_price
from settlement.agreements import Agreement


@dataclass(frozen=True)
class Pricing:
    """By decimals as agreements have them; None: it has no part in it. `issuer_id` is the partner that agreed."""

    issuer_id: UUID
    price_minor: str | None = None
    percent: str | None = None
    minimum_minor: int | None = None


def _points(issuer_id: UUID, price: Fraction, percent: Fraction | None = None) -> Pricing:
    return Pricing(issuer_id, show_price(price), None if percent is None else show_price(percent))


_OF: dict[str, Callable[[Agreement], Pricing]] = {
    "redemption": lambda terms: _points(terms.partner_id, terms.redemption_price_minor),
    "issue": lambda terms: _points(terms.partner_id, terms.issue_price_minor),
    "breakage": lambda terms: _points(terms.partner_id, terms.issue_price_minor, terms.breakage_share_percent),
    "fee": lambda terms: _points(terms.partner_id, terms.fee_per_point_minor, terms.fee_percent),
    "fee_minimum": lambda terms: Pricing(terms.partner_id, minimum_minor=terms.fee_minimum_minor),
    "vat": lambda terms: Pricing(terms.partner_id, percent=show_price(terms.vat_percent)),
}


def price(kind: str, agreement: Agreement) -> Pricing:
    """How an agreement prices obligations of a kind that it prices at all."""
    return _OF[kind](agreement)
