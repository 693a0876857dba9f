"""What a partner needs to issue points: prices, from the open business day on for good. No live issuer is without them.

Points that nobody can price would be burned at other partners, and no settlement run could say what is owed for
them. So whoever goes live has them, and what a live issuer has is not taken from it.
"""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import text

from coalition import dated, programme, rates
from coalition.dated import Versions
from kit.db import Session
from kit.errors import Conflict
from partners.states import LIVE


class TermsMissing(Conflict):
    code = "terms_missing"
    title = "Terms missing"
    description = (
        "A partner that issues points needs a rate and an agreement, today and on every day to come. `missing` lists "
        "what the partner lacks, or would lack."
    )
    remedy = (
        "Make the missing terms first, beginning on the open business day or later. Or correct the terms instead of "
        "withdrawing them."
    )
    facts = ("missing",)


# Settlement keeps the agreements, stands above this room and puts them here (settlement.agreements); where it is not
# loaded nobody is let in.
NEEDS: dict[str, Versions | None] = {"rate": rates.VERSIONS, "agreement": None}


def missing(session: Session, partner_id: UUID) -> list[str]:
    """What a partner lacks, of NEEDS, on the open business day or on any to come."""
    day = programme.get(session).open_day
    return [
        name
        for name, kind in NEEDS.items()
        if kind is None or dated.first_gap(session, kind, partner_id=partner_id, since=day) is not None
    ]


def hold(session: Session) -> None:
    """Let nobody change terms before the transaction ends: for whoever makes an issuer live."""
    dated.take_turn(session)


def require(session: Session, partner_id: UUID) -> None:
    """Raise TermsMissing unless the partner has all of NEEDS; nobody takes them away before the transaction ends."""
    hold(session)
    if lacks := missing(session, partner_id):
        raise TermsMissing(
            f"a partner that issues points needs, from today on without a gap: {', '.join(lacks)}", missing=lacks
        )


def _refuse_gap(session: Session, kind: Versions, partner_id: UUID, since: date) -> None:
    """Raise TermsMissing where a live issuer would be without terms of a kind from `since` on."""
    name = session.scalar(
        text("""
            SELECT name FROM partners.partner
            WHERE partner_id = :partner_id AND is_issuer AND status::text = ANY (:live)
        """),
        {"partner_id": partner_id, "live": list(LIVE)},
    )
    if name is not None:
        raise TermsMissing(
            f"{name} issues points and would have no {kind.noun} on {since}; give that day another {kind.noun} first, "
            "correct this one instead, or suspend the partner",
            missing=[kind.noun],
        )


dated.DEMANDS.append(_refuse_gap)
