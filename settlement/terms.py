"""A partner's first terms, its earning rate and its agreement: what whoever issues points goes live with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from coalition import programme, rates
from kit import money
from kit.audit import Act
from kit.db import Session
from partners import accounts, issuing, lifecycle
from partners.accounts import Partner
from settlement import agreements


@dataclass(frozen=True)
class Terms:
    """From `since` on (None: the open business day) an amount earns points, and each point burned elsewhere is paid.

    Points for every `minor_per_unit` minor units of the programme's currency (None: for 1.00), minor units of it for a
    point.
    """

    points_per_unit: Decimal
    redemption_price_minor: Decimal
    minor_per_unit: int | None = None
    since: date | None = None


def put_in_force(session: Session, act: Act, *, partner_id: UUID, terms: Terms) -> None:
    """Give the partner a rate and an agreement. Raises DayIsOver, VersionTaken."""
    current = programme.get(session)
    since = terms.since or current.open_day
    rates.set_rate(
        session,
        act,
        partner_id=partner_id,
        points_per_unit=terms.points_per_unit,
        minor_per_unit=terms.minor_per_unit or money.minor_units(current.currency),
        currency=current.currency,
        since=since,
    )
    agreements.agree(
        session,
        act,
        partner_id=partner_id,
        redemption_price_minor=terms.redemption_price_minor,
        currency=current.currency,
        since=since,
    )


def take_on(
    session: Session, act: Act, *, code: str, name: str, terms: Terms | None, is_redeemer: bool = True
) -> Partner:
    """A new partner that is active at once, on somebody's word and without papers: for a trial or a demo.

    It issues points where it has `terms` for that. Raises MalformedPartner, PartnerCodeTaken, MalformedText.
    """
    issuing.hold(session)  # before the first entry in the audit: who holds the terms may wait for the audit's end
    made = accounts.onboard(session, act, code=code, name=name, is_issuer=terms is not None, is_redeemer=is_redeemer)
    if terms is not None:
        put_in_force(session, act, partner_id=made.partner_id, terms=terms)
    return lifecycle.vouch(session, act, partner_id=made.partner_id)
