"""Funding what was earned beyond an issuer's limit, in the order it was earned, once there is room (decision 0036).

A lot is funded whole as long as its issuer's exposure was below the limit before it, as an earn is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from itertools import islice
from uuid import UUID

from coalition import programme, scheduled_postings, unfunded
from coalition.ledger import MOST_AT_ONCE
from coalition.scheduled_postings import Waiting
from kit.db import Database, Session, try_lock
from settlement import agreements, exposure, policies
from settlement.agreement_terms import ON_BURN
from settlement.agreements import PriceBook

LOCK = "settlement.funding"
MOST_A_RUN = 40 * MOST_AT_ONCE  # lots; the next run goes on


def release(database: Database, now: datetime) -> int:
    """Fund what waits and has room, at most MOST_A_RUN lots; returns how many. Next to another one it does nothing.

    A set is funded in one transaction, so what is funded is always what was earned first, wherever this ends.
    """
    funded = 0
    with database.transaction() as session:
        if not unfunded.are_any(session) or not try_lock(session, LOCK):
            return 0
        lots = islice(_with_room(session), MOST_A_RUN)
        while chunk := list(islice(lots, MOST_AT_ONCE)):
            funded += scheduled_postings.fund(database, chunk, now=now)
    return funded


@dataclass
class _Room:
    """What an issuer owes and its limit, in its currency."""

    currency: str
    limit_minor: int | None
    exposure_minor: Fraction


def _with_room(session: Session) -> Iterator[Waiting]:
    """The lots to fund. An issuer without an agreement in force has none: nobody says what it may owe."""
    book = PriceBook(agreements.everything(session))
    rooms = _rooms(session, book)
    for lot in unfunded.lots(session, rooms.keys()):
        room = rooms[lot.partner_id]
        if exposure.is_exceeded(room.exposure_minor, room.limit_minor):
            continue
        agreement = book.look_up(lot.partner_id, lot.issued_on)
        if agreement is not None and agreement.currency == room.currency:
            is_on_burn = agreement.funding == ON_BURN
            price = agreement.redemption_price_minor if is_on_burn else agreement.issue_price_minor
            room.exposure_minor += lot.points * price
        yield lot


def _rooms(session: Session, book: PriceBook) -> dict[UUID, _Room]:
    is_limited = policies.get(session).beyond_limit != policies.ALLOW
    open_day = programme.get(session).open_day
    owed = {(one.partner_id, one.currency): one.exposure_minor for one in exposure.read(session)}
    return {
        partner_id: _Room(
            own.currency, own.exposure_limit_minor if is_limited else None,
            Fraction(owed.get((partner_id, own.currency), 0)),
        )
        for partner_id in unfunded.issuers(session)
        if (own := book.look_up(partner_id, open_day)) is not None
    }  # fmt: skip
